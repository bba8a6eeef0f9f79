//! Rate limits by the generic cell rate algorithm. The whole state of a limit is one instant: when the bucket would be
//! empty again, the *theoretical arrival time*, in microseconds since the Unix epoch.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::Timestamp;

/// So many units per stretch of time on average, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RateParts", into = "RateParts")]
pub struct Rate {
    units: u32,
    per_ms: u32,
    burst: u32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateParts {
    units: u32,
    per_ms: u32,
    burst: u32,
}

/// Why there is no such rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    #[error("a rate and its burst are at least 1, and its time at least a millisecond")]
    Zero,
    #[error("a rate is at most one unit a microsecond")]
    TooFast,
}

/// What one request does to a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    /// The state to keep: the new theoretical arrival time, or the old one when refused.
    pub arrival_micros: i64,
    /// Units that could be taken at once right now.
    pub remaining: u32,
    /// Until the whole burst is available again.
    pub reset_after: Duration,
    /// Until the same request would be allowed; none if it is allowed now, or never (it costs more than the burst).
    pub retry_after: Option<Duration>,
}

impl Rate {
    /// `units` per `per_ms` milliseconds on average, at most `burst` at once.
    pub const fn new(units: u32, per_ms: u32, burst: u32) -> Result<Rate, RateError> {
        if units == 0 || per_ms == 0 || burst == 0 {
            return Err(RateError::Zero);
        }
        if units as u64 > per_ms as u64 * 1_000 {
            return Err(RateError::TooFast);
        }
        Ok(Rate { units, per_ms, burst })
    }

    /// `units` a minute on average, at most `burst` at once.
    pub const fn per_minute(units: u32, burst: u32) -> Result<Rate, RateError> {
        Rate::new(units, 60_000, burst)
    }

    pub const fn units(self) -> u32 {
        self.units
    }

    pub const fn per(self) -> Duration {
        Duration::from_millis(self.per_ms as u64)
    }

    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Microseconds that one unit takes at the average rate, rounded up: never faster than promised, and slower by less
    /// than a microsecond a unit.
    fn unit_micros(self) -> i64 {
        let units = i64::from(self.units);
        (i64::from(self.per_ms) * 1_000 + units - 1) / units
    }
}

impl TryFrom<RateParts> for Rate {
    type Error = RateError;

    fn try_from(parts: RateParts) -> Result<Rate, RateError> {
        Rate::new(parts.units, parts.per_ms, parts.burst)
    }
}

impl From<Rate> for RateParts {
    fn from(rate: Rate) -> RateParts {
        RateParts {
            units: rate.units,
            per_ms: rate.per_ms,
            burst: rate.burst,
        }
    }
}

/// Asks a rate limit for `cost` units (at least 1) at `now`. `arrival_micros` is the state it was left in; none when it
/// was never asked. Pure: the caller keeps [`Verdict::arrival_micros`] if it goes on with the request.
pub fn ask(rate: Rate, arrival_micros: Option<i64>, cost: i64, now: Timestamp) -> Verdict {
    let now = now.as_micros();
    let unit = rate.unit_micros();
    let depth = unit.saturating_mul(i64::from(rate.burst));
    // A clock that went back, or a burst that was made smaller, must not lock anybody out for longer than a full burst.
    let latest = now.saturating_add(depth);
    let arrival = arrival_micros.unwrap_or(now).clamp(now, latest);
    let next = arrival.saturating_add(unit.saturating_mul(cost));
    let allowed = next <= latest;
    let kept = if allowed { next } else { arrival };
    let never = cost > i64::from(rate.burst);
    let micros = |span: i64| Duration::from_micros(u64::try_from(span).unwrap_or(0));
    Verdict {
        allowed,
        arrival_micros: kept,
        remaining: u32::try_from((latest - kept) / unit).unwrap_or(rate.burst),
        reset_after: micros(kept - now),
        retry_after: (!allowed && !never).then(|| micros(next - latest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn a_burst_and_then_the_average() {
        let rate = Rate::per_minute(60, 5).unwrap();
        let mut arrival = None;
        for left in [4, 3, 2, 1, 0] {
            let verdict = ask(rate, arrival, 1, START);
            assert!(verdict.allowed);
            assert_eq!(verdict.remaining, left);
            arrival = Some(verdict.arrival_micros);
        }
        let refused = ask(rate, arrival, 1, START);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
        assert_eq!(refused.reset_after, Duration::from_secs(5));
        assert!(ask(rate, arrival, 1, START + Duration::from_secs(1)).allowed);
    }

    #[test]
    fn a_cost_above_the_burst_is_never_worth_waiting_for() {
        let verdict = ask(Rate::per_minute(60, 5).unwrap(), None, 6, START);
        assert!(!verdict.allowed);
        assert_eq!((verdict.retry_after, verdict.remaining), (None, 5));
    }

    #[test]
    fn a_clock_that_went_back_locks_nobody_out() {
        let rate = Rate::per_minute(60, 5).unwrap();
        let arrival = Some((START + Duration::from_secs(86_400)).as_micros());
        assert_eq!(
            ask(rate, arrival, 1, START).retry_after,
            Some(Duration::from_secs(1))
        );
    }

    #[test]
    fn a_rate_that_microseconds_cannot_say_is_kept_below() {
        let rate = Rate::new(700, 1, 1).unwrap();
        let mut arrival = None;
        let mut granted = 0;
        for micros in 0..1_000 {
            let verdict = ask(rate, arrival, 1, START + Duration::from_micros(micros));
            arrival = Some(verdict.arrival_micros);
            granted += i32::from(verdict.allowed);
        }
        assert_eq!(granted, 500, "one every two microseconds, not every one");
    }

    #[test]
    fn rates_that_cannot_be_kept_are_refused() {
        assert_eq!(Rate::new(0, 1, 1), Err(RateError::Zero));
        assert_eq!(Rate::new(1_001, 1, 1), Err(RateError::TooFast));
        assert!(serde_json::from_str::<Rate>(r#"{"units":1,"per_ms":0,"burst":1}"#).is_err());
    }

    proptest! {
        /// In any stretch of time no more is given than the burst and what the average earns, and one who waits as
        /// long as told is let through.
        #[test]
        fn never_more_than_burst_and_average(
            (units, per_ms, burst) in (1_u32..1_000, 1_u32..100_000, 1_u32..100)
                .prop_filter("too fast", |(units, per_ms, _)| *units <= per_ms * 1_000),
            asks in prop::collection::vec((0_u64..5_000_000, 1_i64..20), 1..80),
        ) {
            let rate = Rate::new(units, per_ms, burst).unwrap();
            let (mut now, mut arrival) = (START, None);
            let mut granted: Vec<(Timestamp, i64)> = Vec::new();
            for (pause, cost) in asks {
                now = now + Duration::from_micros(pause);
                let verdict = ask(rate, arrival, cost, now);
                if verdict.allowed {
                    arrival = Some(verdict.arrival_micros);
                    granted.push((now, cost));
                } else if let Some(wait) = verdict.retry_after {
                    prop_assert!(ask(rate, arrival, cost, now + wait).allowed);
                    prop_assert!(!ask(rate, arrival, cost, now + (wait - Duration::from_micros(1))).allowed);
                }
            }
            for (first, (start, _)) in granted.iter().enumerate() {
                let mut sum = 0_i128;
                for (at, cost) in &granted[first..] {
                    sum += i128::from(*cost);
                    let earned = at.since(*start).as_micros() as i128 * i128::from(units);
                    let burst = i128::from(burst) * i128::from(per_ms) * 1_000;
                    prop_assert!(sum * i128::from(per_ms) * 1_000 <= burst + earned);
                }
            }
        }
    }
}
