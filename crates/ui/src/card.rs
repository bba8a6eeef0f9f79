//! A framed part of a page with an optional heading.

use maud::{Markup, Render, html};

/// A framed part of a page.
#[derive(Debug, Clone, Default)]
pub struct Card {
    title: Option<String>,
    description: Option<String>,
    actions: Option<Markup>,
    body: Option<Markup>,
    footer: Option<Markup>,
    flush: bool,
}

impl Card {
    pub fn new() -> Self {
        Card::default()
    }

    pub fn titled(title: impl Into<String>) -> Self {
        Card {
            title: Some(title.into()),
            ..Card::default()
        }
    }

    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Buttons or links at the right of the heading.
    pub fn actions(mut self, actions: impl Render) -> Self {
        self.actions = Some(actions.render());
        self
    }

    pub fn body(mut self, body: impl Render) -> Self {
        self.body = Some(body.render());
        self
    }

    /// A body that reaches the frame, as a table does.
    pub fn flush(mut self, body: impl Render) -> Self {
        self.flush = true;
        self.body(body)
    }

    pub fn footer(mut self, footer: impl Render) -> Self {
        self.footer = Some(footer.render());
        self
    }
}

impl Render for Card {
    fn render(&self) -> Markup {
        html! {
            section.card {
                @if self.title.is_some() || self.actions.is_some() {
                    header.card-header {
                        div {
                            @if let Some(title) = &self.title { h2.card-title { (title) } }
                            @if let Some(description) = &self.description { p.card-description { (description) } }
                        }
                        @if let Some(actions) = &self.actions { div.actions { (actions) } }
                    }
                }
                @if let Some(body) = &self.body {
                    div class=(if self.flush { "card-flush" } else { "card-body" }) { (body) }
                }
                @if let Some(footer) = &self.footer { footer.card-footer { (footer) } }
            }
        }
    }
}
