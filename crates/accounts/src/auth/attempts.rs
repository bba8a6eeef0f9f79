//! Guessing gets slower: after some failures an account, and an address, must wait before the next attempt is looked at,
//! longer each time. Nobody is locked out: the longest wait is a quarter of an hour, and failures are forgotten one by
//! one.
//!
//! An attempt counts as failed before the password is looked at, and a right one gives its count back: a thousand guesses
//! sent at once are a thousand attempts. An account is counted whether or not it exists, so the wait tells nothing.

use std::net::IpAddr;
use std::time::Duration;

use runtime::App;
use types::id::RealmId;
use types::{Error, ErrorCode, Result, Timestamp};

use super::store;
use crate::users::Email;

/// Failures of one account before it has to wait.
pub const FREE_OF_ACCOUNT: i64 = 5;
/// Failures of one address before it has to wait: more, because a whole office may share it.
pub const FREE_OF_ADDRESS: i64 = 20;
/// The longest wait.
pub const MAX_WAIT: Duration = Duration::from_secs(15 * 60);
/// One failure is forgotten each time this has passed.
const FORGET_ONE: Duration = Duration::from_secs(15 * 60);

/// What the keys of the table are made with; changing it forgets every count.
const PURPOSE: &str = "sign-in-attempts";

/// What attempts are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Account,
    Address,
}

impl Scope {
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Account => "account",
            Scope::Address => "address",
        }
    }

    const fn free(self) -> i64 {
        match self {
            Scope::Account => FREE_OF_ACCOUNT,
            Scope::Address => FREE_OF_ADDRESS,
        }
    }
}

/// One counted thing.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub realm: RealmId,
    pub scope: Scope,
    pub key_hash: [u8; 32],
}

/// How often attempts failed of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub failures: i64,
    /// Up to when failures have been forgotten.
    pub counted_at: Timestamp,
    /// Before this, no attempt is looked at.
    pub open_at: Timestamp,
}

impl Tally {
    /// Takes one attempt, which counts as failed until it is given back.
    ///
    /// # Errors
    /// The wait that is left, when it is too early.
    fn take(self, free: i64, now: Timestamp) -> Result<Tally, Duration> {
        let left = self.open_at.since(now);
        if !left.is_zero() {
            return Err(left);
        }
        let forgotten = now.since(self.counted_at).as_micros() / FORGET_ONE.as_micros();
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        let failures = self.failures.saturating_sub(i64::from(forgotten)).max(0) + 1;
        let counted_at = if failures == 1 {
            now
        } else {
            self.counted_at + FORGET_ONE.saturating_mul(forgotten)
        };
        // Without a wait it stays where it is: another node's clock may be a little behind.
        let open_at = match wait_after(failures, free) {
            Duration::ZERO => self.open_at,
            wait => now + wait,
        };
        Ok(Tally {
            failures,
            counted_at,
            open_at,
        })
    }
}

/// The wait after so many failures: none, then 1, 2, 4, … seconds.
fn wait_after(failures: i64, free: i64) -> Duration {
    match u32::try_from(failures - free) {
        Err(_) => Duration::ZERO,
        Ok(doublings) => Duration::from_secs(1 << doublings.min(16)).min(MAX_WAIT),
    }
}

/// The subjects of one attempt, and their counts while it is under way.
pub(super) struct Attempt {
    subjects: Vec<Subject>,
}

impl Attempt {
    /// An attempt to sign in to an account from an address.
    pub fn on_account(app: &App, realm: RealmId, email: &Email, network: IpAddr) -> Self {
        let account = subject(app, realm, Scope::Account, email.normalised());
        let mut attempt = Attempt::from_address(app, realm, network);
        // The order in which rows are locked.
        attempt.subjects.insert(0, account);
        attempt
    }

    /// An attempt that is about no account yet: making one.
    pub fn from_address(app: &App, realm: RealmId, network: IpAddr) -> Self {
        Attempt {
            subjects: vec![subject(app, realm, Scope::Address, &network.to_string())],
        }
    }

    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }
}

fn subject(app: &App, realm: RealmId, scope: Scope, key: &str) -> Subject {
    let message = format!("{realm}\0{}\0{key}", scope.as_str());
    Subject {
        realm,
        scope,
        key_hash: app.root_keys().current().derive(PURPOSE).mac(message.as_bytes()),
    }
}

/// Counts an attempt as failed, before anything is looked at.
///
/// # Errors
/// `rate_limited`, with the seconds to wait, when one of its subjects has to.
pub(super) async fn take(app: &App, attempt: &Attempt) -> Result<()> {
    let now = app.now();
    app.db()
        .of(app.issuer().visitor())
        .write_locked(|mut tx| async move {
            for subject in attempt.subjects() {
                let tally = store::lock_tally(&mut tx, subject, now).await?;
                let tally = tally.take(subject.scope.free(), now).map_err(too_early)?;
                store::set_tally(&mut tx, subject, &tally).await?;
            }
            Ok(())
        })
        .await
}

/// Takes back an attempt that was no guess, or a right one.
pub(super) async fn give_back(app: &App, attempt: &Attempt) -> Result<()> {
    app.db()
        .of(app.issuer().visitor())
        .write_locked(|mut tx| async move { store::give_back(&mut tx, attempt).await })
        .await
}

fn too_early(left: Duration) -> Error {
    let secs = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Error::new(
        ErrorCode::RateLimited,
        "There were too many failed attempts. Wait as long as Retry-After says, then try again.",
    )
    .with_retry_after(secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The waits after each of so many failures that come as early as they may.
    fn waits(failures: usize) -> Vec<u64> {
        let now = Timestamp::EPOCH;
        let mut tally = Tally {
            failures: 0,
            counted_at: now,
            open_at: now,
        };
        (0..failures)
            .map(|_| {
                let now = tally.open_at;
                tally = tally.take(FREE_OF_ACCOUNT, now).unwrap();
                tally.open_at.since(now).as_secs()
            })
            .collect()
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        assert_eq!(waits(9), [0, 0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!(waits(40).last(), Some(&MAX_WAIT.as_secs()));
    }

    #[test]
    fn an_attempt_that_comes_too_early_says_how_long_is_left() {
        let now = Timestamp::EPOCH;
        let tally = Tally {
            failures: 7,
            counted_at: now,
            open_at: now + 4 * SECOND,
        };
        assert_eq!(tally.take(FREE_OF_ACCOUNT, now + SECOND), Err(3 * SECOND));
        assert!(tally.take(FREE_OF_ACCOUNT, now + 4 * SECOND).is_ok());
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let now = Timestamp::EPOCH;
        let tally = Tally {
            failures: 6,
            counted_at: now,
            open_at: now,
        };
        let later = tally
            .take(FREE_OF_ACCOUNT, now + FORGET_ONE * 2 + SECOND)
            .unwrap();
        assert_eq!((later.failures, later.counted_at), (5, now + FORGET_ONE * 2));
        let next_year = tally.take(FREE_OF_ACCOUNT, now + FORGET_ONE * 40_000).unwrap();
        assert_eq!((next_year.failures, next_year.open_at), (1, now));
    }

    #[test]
    fn a_clock_that_is_behind_another_refuses_nobody() {
        let now = Timestamp::EPOCH + SECOND;
        let tally = Tally {
            failures: 0,
            counted_at: now,
            open_at: now,
        };
        let ahead = tally.take(FREE_OF_ACCOUNT, now + SECOND).unwrap();
        assert!(ahead.take(FREE_OF_ACCOUNT, now).is_ok());
    }
}
