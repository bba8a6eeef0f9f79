//! Periods: which half-open stretch of time `[start, end)` an instant belongs to. The kind belongs to the feature,
//! the [`Anchor`] to the customer. Because the start is part of a counter's key, a new period needs no reset job.

use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::anchor::{Anchor, Step};
use crate::rolling::Window;

const HOUR_MICROS: i64 = 3_600_000_000;

/// How long a counter counts before it starts again from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodKind {
    /// 3,600 seconds, on daylight-saving days too, counted from the anchor.
    Hour,
    /// From the anchor's time of day to the next day's; 23 or 25 hours on daylight-saving days.
    Day,
    /// From the anchor's weekday and time to the next week's.
    Week,
    /// From the anchor's day of the month; a month that lacks the day starts on its last one.
    Month,
    /// From the anchor's day of the year; 29 February is 28 February in other years.
    Year,
    /// One period for ever.
    Never,
    /// No period: the last so many seconds at any instant.
    Rolling(Window),
}

/// A half-open stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    pub start: Timestamp,
    /// The first instant that is not in it; none when it never ends.
    pub end: Option<Timestamp>,
}

impl Period {
    /// All of time: the period of a counter that never starts again.
    pub const ALWAYS: Period = Period {
        start: Timestamp::MIN,
        end: None,
    };

    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

/// The period of that kind and anchor that contains the instant. The periods of one kind and anchor tile all of time:
/// no gap, no overlap.
pub fn period_of(kind: PeriodKind, anchor: &Anchor, at: Timestamp) -> Period {
    match kind {
        PeriodKind::Hour => hour(anchor, at),
        PeriodKind::Day => calendar_period(anchor, Step::Days(1), at),
        PeriodKind::Week => calendar_period(anchor, Step::Days(7), at),
        PeriodKind::Month => calendar_period(anchor, Step::Months(1), at),
        PeriodKind::Year => calendar_period(anchor, Step::Months(12), at),
        PeriodKind::Never | PeriodKind::Rolling(_) => Period::ALWAYS,
    }
}

fn calendar_period(anchor: &Anchor, step: Step, at: Timestamp) -> Period {
    let instant = at.to_jiff();
    let today = anchor.date_at(at);
    let first = anchor.first().date();
    // A first guess by the local date. The time of day, days that a zone skipped and midnights that come twice move it by
    // a step or two.
    let mut n = match step {
        Step::Days(days) => {
            let elapsed_days = first.duration_until(today).as_hours() / 24;
            elapsed_days.div_euclid(days)
        }
        Step::Months(months) => {
            let years = i64::from(today.year()) - i64::from(first.year());
            (years * 12 + i64::from(today.month()) - i64::from(first.month())).div_euclid(months)
        }
    };
    while anchor.boundary(step, n).is_some_and(|start| start > instant) {
        n -= 1;
    }
    while anchor.boundary(step, n + 1).is_some_and(|end| end <= instant) {
        n += 1;
    }
    let start = anchor
        .boundary(step, n)
        .map_or(Timestamp::MIN, Timestamp::from_jiff);
    let end = anchor.boundary(step, n + 1).map(Timestamp::from_jiff);
    Period {
        start,
        // An end beyond the last instant that is told is no end.
        end: end.filter(|end| *end > at),
    }
}

fn hour(anchor: &Anchor, at: Timestamp) -> Period {
    let first = anchor
        .boundary(Step::Days(1), 0)
        .map_or(0, |first| first.as_microsecond());
    let into = (at.as_micros() - first).rem_euclid(HOUR_MICROS);
    let start = at.as_micros() - into;
    let end = Timestamp::from_micros(start + HOUR_MICROS);
    Period {
        start: Timestamp::from_micros(start),
        end: Some(end).filter(|end| *end > at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Span;
    use jiff::civil::{Time, date};
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Zones that break naive calendars: a skipped day, half-hour offsets, half-hour daylight saving, gaps at midnight.
    const ZONES: &[&str] = &[
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Kwajalein",
        "Africa/Casablanca",
        "America/St_Johns",
    ];

    const CALENDAR: &[PeriodKind] = &[
        PeriodKind::Hour,
        PeriodKind::Day,
        PeriodKind::Week,
        PeriodKind::Month,
        PeriodKind::Year,
    ];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn period(kind: PeriodKind, anchor: &Anchor, instant: &str) -> (String, String) {
        let period = period_of(kind, anchor, at(instant));
        (period.start.to_string(), period.end.unwrap().to_string())
    }

    #[test]
    fn day_31_is_kept() {
        let anchor = Anchor::monthly(31, Time::midnight(), "UTC").unwrap();
        let starts: Vec<String> = (1..=5)
            .map(|month| {
                period(
                    PeriodKind::Month,
                    &anchor,
                    &format!("2026-{month:02}-28T12:00:00Z"),
                )
                .1
            })
            .map(|end| end[..10].to_owned())
            .collect();
        assert_eq!(
            starts,
            [
                "2026-01-31",
                "2026-03-31",
                "2026-03-31",
                "2026-04-30",
                "2026-05-31"
            ]
        );
    }

    #[test]
    fn days_follow_daylight_saving() {
        let berlin = Anchor::calendar("Europe/Berlin").unwrap();
        let hours = |instant: &str| {
            let day = period_of(PeriodKind::Day, &berlin, at(instant));
            day.end.unwrap().since(day.start).as_secs() / 3600
        };
        assert_eq!(hours("2026-03-29T12:00:00Z"), 23);
        assert_eq!(hours("2026-10-25T12:00:00Z"), 25);
        assert_eq!(hours("2026-06-01T12:00:00Z"), 24);
    }

    #[test]
    fn the_calendar_starts_where_people_expect() {
        let new_york = Anchor::calendar("America/New_York").unwrap();
        let start = |kind| period(kind, &new_york, "2026-11-20T15:30:00Z").0;
        assert_eq!(start(PeriodKind::Hour), "2026-11-20T15:00:00.000000Z");
        assert_eq!(start(PeriodKind::Day), "2026-11-20T05:00:00.000000Z");
        assert_eq!(start(PeriodKind::Week), "2026-11-16T05:00:00.000000Z");
        assert_eq!(start(PeriodKind::Month), "2026-11-01T04:00:00.000000Z");
        assert_eq!(start(PeriodKind::Year), "2026-01-01T05:00:00.000000Z");
    }

    #[test]
    fn a_leap_day_anchor_comes_back_in_leap_years() {
        let anchor = Anchor::at(at("2024-02-29T10:00:00Z"), "UTC").unwrap();
        let (start, end) = period(PeriodKind::Year, &anchor, "2027-06-01T00:00:00Z");
        assert_eq!((&start[..10], &end[..10]), ("2027-02-28", "2028-02-29"));
    }

    #[test]
    fn a_skipped_day_is_no_period() {
        // Samoa went from 29 to 31 December 2011.
        let apia = Anchor::calendar("Pacific/Apia").unwrap();
        let before = period_of(PeriodKind::Day, &apia, at("2011-12-30T09:59:59Z"));
        assert_eq!(before.end, Some(at("2011-12-30T10:00:00Z")));
        let after = period_of(PeriodKind::Day, &apia, at("2011-12-30T10:00:00Z"));
        assert_eq!(after.end, Some(at("2011-12-31T10:00:00Z")));
    }

    #[test]
    fn a_midnight_that_comes_twice_starts_one_day() {
        // In St John's the clocks of 2010 went back at one past midnight, to the day before.
        let anchor = Anchor::calendar("America/St_Johns").unwrap();
        let day = period(PeriodKind::Day, &anchor, "2010-11-07T02:45:00Z");
        assert_eq!(day.0, "2010-11-07T02:30:00.000000Z");
        assert_eq!(day.1, "2010-11-08T03:30:00.000000Z");
    }

    #[test]
    fn the_ends_of_time_have_periods() {
        let anchor = Anchor::calendar("Asia/Kolkata").unwrap();
        for kind in CALENDAR {
            for instant in [Timestamp::MIN, Timestamp::MAX] {
                assert!(
                    period_of(*kind, &anchor, instant).contains(instant),
                    "{kind:?} {instant}"
                );
            }
        }
    }

    prop_compose! {
        fn anchors()(
            day in 0_i32..40_000,
            second in 0_i32..86_400,
            zone in select(ZONES),
        ) -> Anchor {
            let first = date(1950, 1, 1).at(0, 0, 0, 0);
            let first = first + Span::new().days(day).seconds(second);
            Anchor::new(first, zone).unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Every instant is in its period; the period before ends where it starts; the next starts where it ends; and
        /// every instant in it has the same period.
        #[test]
        fn periods_tile_time(
            kind in select(CALENDAR),
            anchor in anchors(),
            micros in 0_i64..4_102_444_800_000_000,
            share in 0.0_f64..1.0,
        ) {
            let instant = Timestamp::from_micros(micros);
            let here = period_of(kind, &anchor, instant);
            let end = here.end.unwrap();
            prop_assert!(here.contains(instant));
            prop_assert!(here.start < end);
            let before = period_of(kind, &anchor, Timestamp::from_micros(here.start.as_micros() - 1));
            prop_assert_eq!(before.end, Some(here.start));
            prop_assert_eq!(period_of(kind, &anchor, end).start, end);
            let length = end.as_micros() - here.start.as_micros();
            let inside = here.start.as_micros() + (length as f64 * share) as i64;
            prop_assert_eq!(period_of(kind, &anchor, Timestamp::from_micros(inside)), here);
        }
    }
}
