//! Rolling windows: "the last so many seconds", kept as a ring of sub-buckets.
//!
//! The bucket that is filling up and all whole buckets before it that the window touches are counted: what is counted
//! covers at least the window and at most one bucket more. So a limit holds in *every* stretch of the window's length,
//! and a unit is given back at most one bucket late.

use serde::{Deserialize, Serialize};
use types::Timestamp;

/// The length of a rolling window and how finely it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "WindowParts", into = "WindowParts")]
pub struct Window {
    secs: u32,
    buckets: u16,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowParts {
    secs: u32,
    buckets: u16,
}

/// Why there is no such window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("a rolling window has 1 to {} buckets", Window::MAX_BUCKETS)]
    Buckets,
    #[error("a rolling window lasts at least one second per bucket and at most {} days", Window::MAX_SECS / 86_400)]
    Length,
}

impl Window {
    pub const MAX_BUCKETS: u16 = 120;
    /// 400 days.
    pub const MAX_SECS: u32 = 400 * 86_400;

    /// A window of so many seconds, kept in so many buckets of at least a second each.
    pub const fn new(secs: u32, buckets: u16) -> Result<Window, WindowError> {
        if buckets == 0 || buckets > Self::MAX_BUCKETS {
            return Err(WindowError::Buckets);
        }
        if secs < buckets as u32 || secs > Self::MAX_SECS {
            return Err(WindowError::Length);
        }
        Ok(Window { secs, buckets })
    }

    pub const fn secs(self) -> u32 {
        self.secs
    }

    pub const fn buckets(self) -> u16 {
        self.buckets
    }

    /// Microseconds of one bucket, rounded up so that all of them cover the window.
    fn width_micros(self) -> i64 {
        let buckets = i64::from(self.buckets);
        (i64::from(self.secs) * 1_000_000 + buckets - 1) / buckets
    }

    fn bucket_of(self, at: Timestamp) -> i64 {
        at.as_micros().div_euclid(self.width_micros())
    }

    /// When the units of a bucket are no longer counted.
    fn leaves_at(self, bucket: i64) -> Timestamp {
        let past = bucket.saturating_add(i64::from(self.buckets) + 1);
        Timestamp::from_micros(past.saturating_mul(self.width_micros()))
    }
}

impl TryFrom<WindowParts> for Window {
    type Error = WindowError;

    fn try_from(parts: WindowParts) -> Result<Window, WindowError> {
        Window::new(parts.secs, parts.buckets)
    }
}

impl From<Window> for WindowParts {
    fn from(window: Window) -> WindowParts {
        WindowParts {
            secs: window.secs,
            buckets: window.buckets,
        }
    }
}

/// The units of the buckets that still count, oldest first. At most `buckets + 1` of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ring {
    /// Number of the first bucket, counted from the Unix epoch.
    first: i64,
    units: Vec<i64>,
}

impl Ring {
    /// Drops the buckets that have left the window. A clock that went back drops nothing.
    pub fn advance(&mut self, window: Window, now: Timestamp) {
        let oldest = window.bucket_of(now) - i64::from(window.buckets);
        let stale = usize::try_from(oldest.saturating_sub(self.first)).unwrap_or(0);
        if stale >= self.units.len() {
            self.units.clear();
        } else {
            self.units.drain(..stale);
            self.first += i64::try_from(stale).unwrap_or(0);
        }
    }

    /// What is counted now: the sum of the buckets, after [`Ring::advance`].
    pub fn total(&self) -> i64 {
        self.units.iter().fold(0, |sum, units| sum.saturating_add(*units))
    }

    /// Adds units of the instant `at`, or takes some back. Units of an instant that has left the window are not counted;
    /// a bucket never falls below zero.
    ///
    /// Time does not go back here: what is used now, by a clock that is behind the newest bucket, is of that bucket.
    /// Otherwise a clock that jumps to and fro could give the same units twice.
    pub fn add(&mut self, window: Window, at: Timestamp, now: Timestamp, amount: i64) {
        self.advance(window, now);
        // At most 121 buckets: the cast loses nothing.
        let newest = window
            .bucket_of(now)
            .max(self.first + self.units.len() as i64 - 1);
        let bucket = if at < now {
            window.bucket_of(at).min(newest)
        } else {
            newest
        };
        if bucket < newest - i64::from(window.buckets) {
            return;
        }
        if self.units.is_empty() {
            self.first = bucket;
        }
        while bucket < self.first {
            self.units.insert(0, 0);
            self.first -= 1;
        }
        let place = usize::try_from(bucket - self.first).unwrap_or(0);
        if place >= self.units.len() {
            self.units.resize(place + 1, 0);
        }
        self.units[place] = self.units[place].saturating_add(amount).max(0);
    }

    /// The first instant at which at least so many units will have left the window; none if it never holds as many.
    pub fn frees_at(&self, window: Window, amount: i64) -> Option<Timestamp> {
        let mut freed = 0_i64;
        (self.first..).zip(&self.units).find_map(|(bucket, units)| {
            freed = freed.saturating_add(*units);
            (freed >= amount).then(|| window.leaves_at(bucket))
        })
    }
}
