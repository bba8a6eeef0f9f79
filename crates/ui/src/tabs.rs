//! Links between the views of one thing. They are links, not ARIA tabs: each view is a page with its own address.

use maud::{Markup, Render, html};

/// A row of links of which one is the page that is shown.
#[derive(Debug, Clone)]
pub struct Tabs {
    label: String,
    class: &'static str,
    items: Vec<Item>,
}

#[derive(Debug, Clone)]
struct Item {
    label: String,
    href: String,
    current: bool,
}

impl Tabs {
    /// Under a page's header. `label` names the row for assistive technology.
    pub fn new(label: impl Into<String>) -> Self {
        Tabs {
            label: label.into(),
            class: "tabs",
            items: Vec::new(),
        }
    }

    /// A small joined row for one choice out of few, such as the period of a chart.
    pub fn segmented(label: impl Into<String>) -> Self {
        Tabs {
            class: "segmented",
            ..Tabs::new(label)
        }
    }

    pub fn item(mut self, label: impl Into<String>, href: impl Into<String>, current: bool) -> Self {
        self.items.push(Item {
            label: label.into(),
            href: href.into(),
            current,
        });
        self
    }
}

impl Render for Tabs {
    fn render(&self) -> Markup {
        html! {
            nav class=(self.class) aria-label=(self.label) {
                @for item in &self.items {
                    a href=(item.href) aria-current=[item.current.then_some("page")] { (item.label) }
                }
            }
        }
    }
}
