//! Anchors: where a customer's periods begin.

use jiff::Span;
use jiff::civil::{Date, DateTime, Time, date, time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use types::Timestamp;

/// Where a customer's periods begin: a local date and time in a time zone. Any past or future one does; what counts is
/// its minute (hours), time (days), weekday (weeks), day (months), and day and month (years).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AnchorText", into = "AnchorText")]
pub struct Anchor {
    first: DateTime,
    zone: TimeZone,
}

/// An anchor as it is stored and sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorText {
    /// Local date and time, such as `2026-01-31T00:00:00`.
    first: DateTime,
    /// IANA name, such as `Europe/Berlin`.
    zone: String,
}

/// Why there is no such anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    #[error("there is no time zone {0:?}; use an IANA name, such as Europe/Berlin")]
    Zone(String),
    #[error("a day of the month is from 1 to 31")]
    Day,
    #[error("the anchor's year is from 1900 to 2999")]
    Year,
}

/// The distance between two boundaries of a calendar period.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Days(i64),
    Months(i64),
}

impl Anchor {
    /// Periods of the calendar: midnight, Monday, the first of the month, 1 January, in the zone of that IANA name.
    pub fn calendar(zone: &str) -> Result<Anchor, AnchorError> {
        Anchor::monthly(1, Time::midnight(), zone)
    }

    /// Months (and years, from January) that start on that day, 1 to 31, at that local time.
    pub fn monthly(day: i8, time: Time, zone: &str) -> Result<Anchor, AnchorError> {
        if !(1..=31).contains(&day) {
            return Err(AnchorError::Day);
        }
        // January 2024 has 31 days and starts on a Monday.
        Anchor::new(date(2024, 1, day).to_datetime(time), zone)
    }

    /// Periods that start at the local date and time of that instant: the start of a subscription.
    pub fn at(instant: Timestamp, zone: &str) -> Result<Anchor, AnchorError> {
        let local = time_zone(zone)?.to_datetime(instant.to_jiff());
        Anchor::new(local, zone)
    }

    /// Periods that start at a local date and time; fractions of a second are cut off.
    pub fn new(first: DateTime, zone: &str) -> Result<Anchor, AnchorError> {
        if !(1900..=2999).contains(&first.year()) {
            return Err(AnchorError::Year);
        }
        Ok(Anchor {
            first: first
                .date()
                .to_datetime(time(first.hour(), first.minute(), first.second(), 0)),
            zone: time_zone(zone)?,
        })
    }

    /// The local date and time that periods are counted from.
    pub fn first(&self) -> DateTime {
        self.first
    }

    /// The time zone's IANA name.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The local date in its time zone at that instant.
    pub(crate) fn date_at(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at.to_jiff()).date()
    }

    /// The start of the n-th calendar period from the anchor (negative: before it). A local time that daylight saving
    /// skips is the same distance after the gap; one that happens twice is the first of the two.
    ///
    /// Always counted from the anchor itself, never from the period before: that is what keeps day 31.
    pub(crate) fn boundary(&self, step: Step, n: i64) -> Option<jiff::Timestamp> {
        let span: Span = match step {
            Step::Days(days) => Span::new().try_days(days.checked_mul(n)?).ok()?,
            Step::Months(months) => Span::new().try_months(months.checked_mul(n)?).ok()?,
        };
        let date = self.first.date().checked_add(span).ok()?;
        let local = date.to_datetime(self.first.time());
        self.zone.to_ambiguous_timestamp(local).compatible().ok()
    }
}

/// Looks the zone up in the database that is compiled in: the same on every node, and no file is read.
fn time_zone(name: &str) -> Result<TimeZone, AnchorError> {
    TimeZoneDatabase::bundled()
        .get(name)
        .ok()
        .filter(|zone| !zone.is_unknown())
        .ok_or_else(|| AnchorError::Zone(name.to_owned()))
}

impl TryFrom<AnchorText> for Anchor {
    type Error = AnchorError;

    fn try_from(text: AnchorText) -> Result<Anchor, AnchorError> {
        Anchor::new(text.first, &text.zone)
    }
}

impl From<Anchor> for AnchorText {
    fn from(anchor: Anchor) -> AnchorText {
        AnchorText {
            first: anchor.first,
            zone: anchor.zone().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_that_cannot_be_are_refused() {
        assert_eq!(
            Anchor::calendar("Mars/Base"),
            Err(AnchorError::Zone("Mars/Base".into()))
        );
        assert!(Anchor::calendar("Etc/Unknown").is_err());
        assert_eq!(
            Anchor::monthly(32, Time::midnight(), "UTC"),
            Err(AnchorError::Day)
        );
        assert_eq!(
            Anchor::new(date(1, 1, 1).at(0, 0, 0, 0), "UTC"),
            Err(AnchorError::Year)
        );
    }

    #[test]
    fn an_anchor_survives_storage() {
        let anchor = Anchor::monthly(31, time(9, 30, 0, 0), "Asia/Kolkata").unwrap();
        let text = serde_json::to_string(&anchor).unwrap();
        assert_eq!(text, r#"{"first":"2024-01-31T09:30:00","zone":"Asia/Kolkata"}"#);
        assert_eq!(serde_json::from_str::<Anchor>(&text).unwrap(), anchor);
    }
}
