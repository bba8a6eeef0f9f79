//! A small word about a thing's state.

use maud::{Markup, Render, html};
use types::Mode;

/// What a colour means. Never the only carrier of meaning: there is always a word beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Neutral,
    Accent,
    Good,
    Warn,
    Bad,
}

impl Tone {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Tone::Neutral => "is-neutral",
            Tone::Accent => "is-accent",
            Tone::Good => "is-good",
            Tone::Warn => "is-warn",
            Tone::Bad => "is-bad",
        }
    }
}

/// A state in a pill.
#[derive(Debug, Clone)]
pub struct Badge {
    text: String,
    tone: Tone,
    dot: bool,
}

impl Badge {
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Badge {
            text: text.into(),
            tone,
            dot: false,
        }
    }

    /// The badge of a state's word as the API spells it, such as `active` or `past_due`: shown as words, with the tone
    /// that the word has everywhere. A word that is not known is neutral.
    pub fn status(word: &str) -> Self {
        let tone = match word {
            "active" | "granted" | "paid" | "delivered" | "succeeded" | "published" | "verified" | "ok" => {
                Tone::Good
            }
            "expiring" | "pending" | "past_due" | "trialing" | "rotating" | "retrying" | "invited" => {
                Tone::Warn
            }
            "revoked" | "failed" | "denied" | "blocked" | "unpaid" | "dead" => Tone::Bad,
            _ => Tone::Neutral,
        };
        let mut text = word.replace('_', " ");
        if let Some(first) = text.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        Badge {
            text,
            tone,
            dot: true,
        }
    }

    /// Live or test, as it is marked beside keys and customers.
    pub fn mode(mode: Mode) -> Self {
        match mode {
            Mode::Live => Badge::new("Live", Tone::Accent),
            Mode::Test => Badge::new("Test", Tone::Warn),
        }
    }

    /// With a dot of its colour before the word.
    pub fn dot(mut self) -> Self {
        self.dot = true;
        self
    }
}

impl Render for Badge {
    fn render(&self) -> Markup {
        html! { span class={ "badge " (self.tone.class()) } { @if self.dot { i.dot aria-hidden="true" {} } (self.text) } }
    }
}

/// Says that what stands beside it renews itself, which takes a script.
pub fn live() -> Markup {
    html! { span.live.js-only { i.dot aria-hidden="true" {} "Live" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_readable_and_has_its_tone() {
        let badge = Badge::status("past_due").render().into_string();
        assert!(badge.contains("Past due") && badge.contains("is-warn"));
        assert!(Badge::status("élan").render().into_string().contains("élan"));
        assert!(Badge::status("").render().into_string().contains("is-neutral"));
    }

    #[test]
    fn text_is_escaped() {
        let badge = Badge::new("<b>&", Tone::Good).render().into_string();
        assert!(badge.contains("&lt;b&gt;&amp;"));
    }
}
