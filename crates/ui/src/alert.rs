//! Something that happened, told above the page's content.

use maud::{Markup, Render, html};

use crate::badge::Tone;
use crate::icon::Icon;

/// A message with an optional second sentence and action.
#[derive(Debug, Clone)]
pub struct Alert {
    tone: Tone,
    title: String,
    body: Option<Markup>,
    action: Option<Markup>,
}

impl Alert {
    pub fn new(tone: Tone, title: impl Into<String>) -> Self {
        Alert {
            tone,
            title: title.into(),
            body: None,
            action: None,
        }
    }

    /// It worked.
    pub fn good(title: impl Into<String>) -> Self {
        Alert::new(Tone::Good, title)
    }

    /// It did not work; the body should say what to do next.
    pub fn bad(title: impl Into<String>) -> Self {
        Alert::new(Tone::Bad, title)
    }

    /// It works, and will stop working unless something is done.
    pub fn warn(title: impl Into<String>) -> Self {
        Alert::new(Tone::Warn, title)
    }

    pub fn info(title: impl Into<String>) -> Self {
        Alert::new(Tone::Accent, title)
    }

    pub fn body(mut self, body: impl Render) -> Self {
        self.body = Some(body.render());
        self
    }

    /// Usually a small button.
    pub fn action(mut self, action: impl Render) -> Self {
        self.action = Some(action.render());
        self
    }
}

impl Render for Alert {
    fn render(&self) -> Markup {
        let (icon, role) = match self.tone {
            Tone::Good => (Icon::CircleCheck, "status"),
            Tone::Warn => (Icon::AlertTriangle, "status"),
            Tone::Bad => (Icon::AlertCircle, "alert"),
            Tone::Accent | Tone::Neutral => (Icon::InfoCircle, "status"),
        };
        html! {
            div class={ "alert " (self.tone.class()) } role=(role) {
                (icon)
                div.alert-text {
                    p.alert-title { (self.title) }
                    @if let Some(body) = &self.body { div.alert-body { (body) } }
                }
                @if let Some(action) = &self.action { div.alert-action { (action) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_interrupts() {
        assert!(
            Alert::bad("Not saved")
                .render()
                .into_string()
                .contains("role=\"alert\"")
        );
        assert!(
            Alert::good("Saved")
                .render()
                .into_string()
                .contains("role=\"status\"")
        );
    }

    #[test]
    fn a_string_body_is_escaped() {
        let alert = Alert::info("a<b").body("<script>").render().into_string();
        assert!(alert.contains("a&lt;b") && alert.contains("&lt;script&gt;"));
    }
}
