//! How much of a limit is used.

use maud::{Markup, Render, html};

use crate::badge::Tone;
use crate::number;

/// From this share of a limit on the meter warns.
const WARN_PERCENT: i64 = 80;

/// A meter of something used against its limit.
#[derive(Debug, Clone)]
pub struct Quota {
    label: String,
    used: i64,
    held: i64,
    limit: Option<i64>,
    note: Option<Markup>,
}

impl Quota {
    /// `limit` of `None` is unlimited.
    pub fn new(label: impl Into<String>, used: i64, limit: Option<i64>) -> Self {
        Quota {
            label: label.into(),
            used,
            held: 0,
            limit,
            note: None,
        }
    }

    /// What is reserved beside what is used: it follows it in the meter, and counts against the limit.
    pub fn held(mut self, held: i64) -> Self {
        self.held = held;
        self
    }

    /// What happens next, such as `Resets 1 Dec 2026`.
    pub fn note(mut self, note: impl Render) -> Self {
        self.note = Some(note.render());
        self
    }

    /// Percent of the limit, 0 to 100, rounded down so that only a full quota reads as full. A limit of zero is full.
    fn percent(&self, amount: i128) -> Option<i64> {
        let limit = self.limit?;
        if limit <= 0 {
            return Some(100);
        }
        Some(i64::try_from((amount * 100 / i128::from(limit)).min(100)).unwrap_or(100))
    }

    fn percent_used(&self) -> Option<i64> {
        self.percent(i128::from(self.used.max(0)))
    }

    /// Used or held: what nobody else can have.
    fn percent_taken(&self) -> Option<i64> {
        self.percent(i128::from(self.used.max(0)) + i128::from(self.held.max(0)))
    }

    fn tone(&self) -> Tone {
        match self.percent_taken() {
            Some(100) => Tone::Bad,
            Some(WARN_PERCENT..) => Tone::Warn,
            _ => Tone::Accent,
        }
    }
}

impl Render for Quota {
    fn render(&self) -> Markup {
        let used = number::thousands(self.used);
        let words = match self.limit {
            Some(limit) => format!("{used} of {}", number::thousands(limit)),
            None => format!("{used}, unlimited"),
        };
        let held = (self.held > 0).then(|| format!("{} held", number::thousands(self.held)));
        let words = held.iter().fold(words, |words, held| format!("{words}, {held}"));
        html! {
            div class={ "quota " (self.tone().class()) } {
                div.quota-head {
                    span.quota-label { (self.label) }
                    span.quota-figures {
                        strong { (used) }
                        @match self.limit {
                            Some(limit) => { " of " (number::thousands(limit)) },
                            None => { " · unlimited" }
                        }
                        @if let Some(held) = &held { " · " (held) }
                    }
                }
                @if let Some(percent) = self.percent_used() {
                    div.quota-track role="meter" aria-label=(self.label) aria-valuemin="0" aria-valuemax="100"
                        aria-valuenow=(percent) aria-valuetext=(words) {
                        svg width="100%" height="6" aria-hidden="true" {
                            @if let Some(taken) = self.percent_taken().filter(|taken| *taken > percent) {
                                rect.quota-held width={ (taken) "%" } height="6" rx="3" {}
                            }
                            rect width={ (percent) "%" } height="6" rx="3" {}
                        }
                    }
                } @else { div.quota-track.quota-unlimited {} }
                @if let Some(note) = &self.note { p.quota-note { (note) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds() {
        for (used, limit, percent, tone) in [
            (0, Some(500), Some(0), Tone::Accent),
            (399, Some(500), Some(79), Tone::Accent),
            (400, Some(500), Some(80), Tone::Warn),
            (499, Some(500), Some(99), Tone::Warn),
            (500, Some(500), Some(100), Tone::Bad),
            (900, Some(500), Some(100), Tone::Bad),
            (0, Some(0), Some(100), Tone::Bad),
            (i64::MAX, Some(i64::MAX), Some(100), Tone::Bad),
            (12, None, None, Tone::Accent),
        ] {
            let quota = Quota::new("Calls", used, limit);
            assert_eq!(
                (quota.percent_used(), quota.tone()),
                (percent, tone),
                "{used} of {limit:?}"
            );
        }
    }

    #[test]
    fn what_is_held_counts_against_the_limit_and_is_told_apart() {
        let quota = Quota::new("Calls", 300, Some(500)).held(120);
        assert_eq!(
            (quota.percent_used(), quota.percent_taken(), quota.tone()),
            (Some(60), Some(84), Tone::Warn)
        );
        let markup = quota.render().into_string();
        assert!(markup.contains("aria-valuetext=\"300 of 500, 120 held\""));
        assert!(markup.contains("class=\"quota-held\" width=\"84%\""));
        let most = Quota::new("Calls", i64::MAX, Some(1)).held(i64::MAX);
        assert_eq!(most.percent_taken(), Some(100));
    }

    #[test]
    fn says_the_figures_in_words() {
        let markup = Quota::new("Calls", 1200, Some(5000)).render().into_string();
        assert!(markup.contains("aria-valuetext=\"1,200 of 5,000\""));
        assert!(
            Quota::new("Calls", 3, None)
                .render()
                .into_string()
                .contains("unlimited")
        );
    }
}
