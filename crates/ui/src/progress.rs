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
    limit: Option<i64>,
    note: Option<String>,
}

impl Quota {
    /// `limit` of `None` is unlimited.
    pub fn new(label: impl Into<String>, used: i64, limit: Option<i64>) -> Self {
        Quota {
            label: label.into(),
            used,
            limit,
            note: None,
        }
    }

    /// What happens next, such as `Resets 1 Dec 2026`.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Percent used, 0 to 100, rounded down so that only a full quota reads as full. A limit of zero is full.
    fn percent_used(&self) -> Option<i64> {
        let limit = self.limit?;
        let used = i128::from(self.used.max(0));
        if limit <= 0 {
            return Some(100);
        }
        Some(i64::try_from((used * 100 / i128::from(limit)).min(100)).unwrap_or(100))
    }

    fn tone(&self) -> Tone {
        match self.percent_used() {
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
                    }
                }
                @if let Some(percent) = self.percent_used() {
                    div.quota-track role="meter" aria-label=(self.label) aria-valuemin="0" aria-valuemax="100"
                        aria-valuenow=(percent) aria-valuetext=(words) {
                        svg width="100%" height="6" aria-hidden="true" {
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
