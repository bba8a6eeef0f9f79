//! What a list says before it has anything in it: what would be here, and the next step.

use maud::{Markup, Render, html};

use crate::button::Button;
use crate::code::Snippet;
use crate::icon::Icon;

/// An empty state.
#[derive(Debug, Clone)]
pub struct Empty {
    icon: Icon,
    title: String,
    sentence: String,
    action: Option<Button>,
    snippet: Option<Snippet>,
}

impl Empty {
    pub fn new(icon: Icon, title: impl Into<String>, sentence: impl Into<String>) -> Self {
        Empty {
            icon,
            title: title.into(),
            sentence: sentence.into(),
            action: None,
            snippet: None,
        }
    }

    pub fn action(mut self, action: Button) -> Self {
        self.action = Some(action);
        self
    }

    /// Code that would fill the list when it is run.
    pub fn snippet(mut self, snippet: Snippet) -> Self {
        self.snippet = Some(snippet);
        self
    }
}

impl Render for Empty {
    fn render(&self) -> Markup {
        html! {
            div.empty {
                span.empty-icon { (self.icon) }
                p.empty-title { (self.title) }
                p.empty-text { (self.sentence) }
                @if let Some(action) = &self.action { (action) }
                @if let Some(snippet) = &self.snippet { (snippet) }
            }
        }
    }
}
