//! The windows that a report of usage is cut into: hours, days, weeks and months of the calendar in UTC, or all in one.

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use types::{Error, Result, Timestamp};
use utoipa::ToSchema;

use super::store::{Rollup, Source};

/// How finely usage is cut. In UTC; weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    Hour,
    Day,
    Week,
    Month,
    /// Not at all: one sum.
    Total,
}

impl Granularity {
    /// As it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Granularity::Hour => "hour",
            Granularity::Day => "day",
            Granularity::Week => "week",
            Granularity::Month => "month",
            Granularity::Total => "total",
        }
    }
}

/// The most windows of one report: a month of hours, two years of days.
pub const MAX_WINDOWS: usize = 31 * 24;

/// A total is exact to the hour as far as this, and to the day beyond.
const MAX_TOTAL_OF_HOURS: i64 = 31 * Rollup::Days.micros();

const WEEK_MICROS: i64 = 7 * Rollup::Days.micros();
/// 5 January 1970, a Monday.
const A_MONDAY: i64 = 4 * Rollup::Days.micros();

/// Half-open windows, each beginning where the one before ends; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows {
    pub spans: Vec<(Timestamp, Timestamp)>,
    /// What they can be read from exactly.
    pub source: Source,
}

impl Windows {
    /// The whole windows that cover `from` to `to`.
    ///
    /// # Errors
    /// `validation_failed`, when there is none or there are too many.
    pub(super) fn covering(granularity: Granularity, from: Timestamp, to: Timestamp) -> Result<Self> {
        if to <= from {
            return Err(Error::invalid("to", "must be after `from`"));
        }
        let (hour, day) = (Rollup::Hours.micros(), Rollup::Days.micros());
        let (spans, source) = match granularity {
            Granularity::Hour => (steps(from, to, hour, 0), Source::Hours),
            Granularity::Day => (steps(from, to, day, 0), Source::Days),
            Granularity::Week => (steps(from, to, WEEK_MICROS, A_MONDAY), Source::Days),
            Granularity::Month => (months(from, to), Source::Days),
            Granularity::Total if to.as_micros() - from.as_micros() <= MAX_TOTAL_OF_HOURS => {
                (Some(vec![whole(from, to, hour)]), Source::Hours)
            }
            Granularity::Total => (Some(vec![whole(from, to, day)]), Source::Days),
        };
        let spans = spans.ok_or_else(|| {
            let unit = granularity.as_str();
            Error::invalid(
                "to",
                format!("at most {MAX_WINDOWS} of the granularity {unit} after `from`"),
            )
        })?;
        Ok(Windows { spans, source })
    }

    /// From the start of the first to the end of the last.
    pub(super) fn span(&self) -> (Timestamp, Timestamp) {
        let (first, last) = (self.spans.first(), self.spans.last());
        first
            .zip(last)
            .map_or((Timestamp::MIN, Timestamp::MIN), |(first, last)| {
                (first.0, last.1)
            })
    }
}

/// Windows of `step` microseconds, of which one begins at `origin`; none when there are too many.
fn steps(from: Timestamp, to: Timestamp, step: i64, origin: i64) -> Option<Vec<(Timestamp, Timestamp)>> {
    let first = (from.as_micros() - origin).div_euclid(step);
    let end = (to.as_micros() - origin - 1).div_euclid(step) + 1;
    let at = |index: i64| Timestamp::from_micros(origin + index * step);
    let is_few = usize::try_from(end - first).is_ok_and(|count| count <= MAX_WINDOWS);
    is_few.then(|| (first..end).map(|index| (at(index), at(index + 1))).collect())
}

/// The span from `from` to `to`, widened to whole steps.
fn whole(from: Timestamp, to: Timestamp, step: i64) -> (Timestamp, Timestamp) {
    let first = from.as_micros().div_euclid(step) * step;
    let end = ((to.as_micros() - 1).div_euclid(step) + 1) * step;
    (Timestamp::from_micros(first), Timestamp::from_micros(end))
}

fn months(from: Timestamp, to: Timestamp) -> Option<Vec<(Timestamp, Timestamp)>> {
    let number = |at: Timestamp| {
        let date = TimeZone::UTC.to_datetime(at.to_jiff());
        i64::from(date.year()) * 12 + i64::from(date.month()) - 1
    };
    let first = number(from);
    let last = number(Timestamp::from_micros(to.as_micros() - 1));
    let is_few = usize::try_from(last - first).is_ok_and(|more| more < MAX_WINDOWS);
    is_few.then(|| {
        (first..=last)
            .map(|month| (start_of_month(month), start_of_month(month + 1)))
            .collect()
    })
}

/// Start of a month, counted from January of the year 0.
fn start_of_month(month: i64) -> Timestamp {
    let year = i16::try_from(month.div_euclid(12));
    let month = i8::try_from(month.rem_euclid(12) + 1);
    let date = year
        .ok()
        .zip(month.ok())
        .and_then(|(year, month)| civil::Date::new(year, month, 1).ok());
    let start = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    // Only what follows the last month that can be told has no start.
    start.map_or(Timestamp::MAX, |start| Timestamp::from_jiff(start.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(granularity: Granularity, from: &str, to: &str) -> Vec<String> {
        let windows = Windows::covering(granularity, from.parse().unwrap(), to.parse().unwrap()).unwrap();
        let joined = windows.spans.windows(2).all(|pair| pair[0].1 == pair[1].0);
        assert!(joined, "{windows:?}");
        let mut starts: Vec<Timestamp> = windows.spans.iter().map(|span| span.0).collect();
        starts.push(windows.span().1);
        let texts = starts.iter().map(ToString::to_string);
        texts.map(|text| text[..13].to_owned()).collect()
    }

    #[test]
    fn windows_cover_what_was_asked_for() {
        let day = |from, to| windows(Granularity::Day, from, to);
        assert_eq!(
            day("2026-01-01T10:00:00Z", "2026-01-02T00:00:00Z"),
            ["2026-01-01T00", "2026-01-02T00"]
        );
        assert_eq!(
            day("2026-01-01T00:00:00Z", "2026-01-02T00:00:00.000001Z"),
            ["2026-01-01T00", "2026-01-02T00", "2026-01-03T00"]
        );
        assert_eq!(
            windows(Granularity::Hour, "1969-12-31T22:30:00Z", "1970-01-01T00:00:00Z"),
            ["1969-12-31T22", "1969-12-31T23", "1970-01-01T00"]
        );
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        // 1 January 2026 is a Thursday.
        assert_eq!(
            windows(Granularity::Week, "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z"),
            ["2025-12-29T00", "2026-01-05T00"]
        );
        assert_eq!(
            windows(Granularity::Week, "1969-12-28T00:00:00Z", "1969-12-30T00:00:00Z"),
            ["1969-12-22T00", "1969-12-29T00", "1970-01-05T00"]
        );
        assert_eq!(
            windows(Granularity::Month, "2025-11-30T00:00:00Z", "2026-03-01T00:00:00Z"),
            [
                "2025-11-01T00",
                "2025-12-01T00",
                "2026-01-01T00",
                "2026-02-01T00",
                "2026-03-01T00"
            ]
        );
    }

    #[test]
    fn a_total_is_one_window_of_hours_or_of_days() {
        let total = |from: &str, to: &str| {
            Windows::covering(Granularity::Total, from.parse().unwrap(), to.parse().unwrap()).unwrap()
        };
        let short = total("2026-01-01T10:30:00Z", "2026-01-01T12:30:00Z");
        assert_eq!(short.source, Source::Hours);
        assert_eq!(short.span().0.to_string(), "2026-01-01T10:00:00.000000Z");
        assert_eq!(short.span().1.to_string(), "2026-01-01T13:00:00.000000Z");
        let long = total("2020-01-01T10:30:00Z", "2026-01-01T12:30:00Z");
        assert_eq!((long.source, long.spans.len()), (Source::Days, 1));
        assert_eq!(long.span().1.to_string(), "2026-01-02T00:00:00.000000Z");
    }

    #[test]
    fn too_many_windows_and_none_are_refused() {
        let all = [
            Granularity::Hour,
            Granularity::Day,
            Granularity::Week,
            Granularity::Month,
        ];
        for granularity in all {
            let refused = Windows::covering(granularity, Timestamp::MIN, Timestamp::MAX);
            assert!(refused.is_err(), "{granularity:?}");
            assert!(Windows::covering(granularity, Timestamp::EPOCH, Timestamp::EPOCH).is_err());
            let last = Timestamp::from_micros(Timestamp::MAX.as_micros() - 1);
            assert!(
                Windows::covering(granularity, last, Timestamp::MAX).is_ok(),
                "{granularity:?}"
            );
            let second = Timestamp::from_micros(Timestamp::MIN.as_micros() + 1);
            assert!(
                Windows::covering(granularity, Timestamp::MIN, second).is_ok(),
                "{granularity:?}"
            );
        }
        assert!(Windows::covering(Granularity::Total, Timestamp::MIN, Timestamp::MAX).is_ok());
    }
}
