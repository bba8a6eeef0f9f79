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
    quiet: bool,
}

impl Empty {
    pub fn new(icon: Icon, title: impl Into<String>, sentence: impl Into<String>) -> Self {
        Empty {
            icon,
            title: title.into(),
            sentence: sentence.into(),
            action: None,
            snippet: None,
            quiet: false,
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

    /// Says it in one line, for a list that is usually empty beside others that are not.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }
}

impl Render for Empty {
    fn render(&self) -> Markup {
        if self.quiet {
            return html! { p.empty-quiet { strong { (self.title) } " " (self.sentence) } };
        }
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
