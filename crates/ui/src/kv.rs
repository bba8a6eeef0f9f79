//! The properties of one thing, name beside value.

use maud::{Markup, Render, html};

/// A description list.
#[derive(Debug, Clone, Default)]
pub struct Kv {
    rows: Vec<(String, Markup)>,
}

impl Kv {
    pub fn new() -> Self {
        Kv::default()
    }

    pub fn row(mut self, name: impl Into<String>, value: impl Render) -> Self {
        self.rows.push((name.into(), value.render()));
        self
    }

    /// A row whose value may be missing, which is then shown as a dash.
    pub fn row_opt(self, name: impl Into<String>, value: Option<impl Render>) -> Self {
        match value {
            Some(value) => self.row(name, value),
            None => self.row(name, html! { span.faint { "–" } }),
        }
    }
}

impl Render for Kv {
    fn render(&self) -> Markup {
        html! {
            dl.kv { @for (name, value) in &self.rows { div { dt { (name) } dd { (value) } } } }
        }
    }
}
