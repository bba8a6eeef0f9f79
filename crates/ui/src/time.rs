//! Instants on a page: readable UTC without a script, the reader's own zone with one.

use std::time::Duration;

use maud::{Markup, html};
use types::Timestamp;

/// Date and minute: `20 Nov 2026, 12:34 UTC`.
pub fn instant(at: Timestamp) -> Markup {
    element(at, "minute", &minute_text(at))
}

/// The day alone: `20 Nov 2026`. In UTC for every reader: a day of a billing period is not moved by a time zone.
pub fn date(at: Timestamp) -> Markup {
    html! { time datetime=(at.to_jiff().strftime("%Y-%m-%d").to_string()) { (date_text(at)) } }
}

/// How long before `now`, with the instant as its tooltip: `3 hours ago`; a date when it is over thirty days.
pub fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let age = now.since(at);
    if at > now || age > Duration::from_secs(30 * DAY_SECS) {
        return instant(at);
    }
    element(at, "title", &ago_text(age))
}

/// The text of [`instant`], for places that hold no element, such as a chart's label.
pub fn minute_text(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// The text of [`date`].
pub fn date_text(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %b %Y").to_string()
}

/// Day and month, for an axis: `20 Nov`.
pub fn day_text(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %b").to_string()
}

const MINUTE_SECS: u64 = 60;
const HOUR_SECS: u64 = 60 * MINUTE_SECS;
const DAY_SECS: u64 = 24 * HOUR_SECS;

fn ago_text(age: Duration) -> String {
    let secs = age.as_secs();
    let (count, unit) = match secs {
        0..MINUTE_SECS => return "just now".to_owned(),
        MINUTE_SECS..HOUR_SECS => (secs / MINUTE_SECS, "minute"),
        HOUR_SECS..DAY_SECS => (secs / HOUR_SECS, "hour"),
        _ => (secs / DAY_SECS, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// `local` tells the script what to put into the reader's zone: the text, or only the tooltip.
fn element(at: Timestamp, local: &str, text: &str) -> Markup {
    let machine = at.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let exact = at.to_jiff().strftime("%-d %b %Y, %H:%M:%S UTC").to_string();
    html! { time datetime=(machine) title=(exact) data-local=(local) { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_says_its_zone_and_carries_the_machine_form() {
        let markup = instant(at("2026-11-20T12:34:56.789Z")).into_string();
        assert_eq!(
            markup,
            "<time datetime=\"2026-11-20T12:34:56Z\" title=\"20 Nov 2026, 12:34:56 UTC\" data-local=\"minute\">\
             20 Nov 2026, 12:34 UTC</time>"
        );
        assert!(
            date(at("2026-02-01T00:00:00Z"))
                .into_string()
                .contains(">1 Feb 2026<")
        );
    }

    #[test]
    fn ages_round_down_and_end_in_dates() {
        let now = at("2026-11-20T12:00:00Z");
        for (then, text) in [
            ("2026-11-20T11:59:01Z", ">just now<"),
            ("2026-11-20T11:58:01Z", ">1 minute ago<"),
            ("2026-11-20T09:00:01Z", ">2 hours ago<"),
            ("2026-11-18T12:00:00Z", ">2 days ago<"),
            ("2026-09-01T12:00:00Z", ">1 Sep 2026, 12:00 UTC<"),
            ("2026-11-20T12:00:01Z", ">20 Nov 2026, 12:00 UTC<"),
        ] {
            assert!(ago(at(then), now).into_string().contains(text), "{then}");
        }
    }
}
