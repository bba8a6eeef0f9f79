//! The group commit in a simulated world: one process, a clock that somebody turns, and a database that fails as real ones do.
//!
//! Everything of a batch runs as it is in production: `commit_in_parts`, the desk and what it remembers, finding, preparing,
//! deciding, the order of the locks, and the settling of a commit that broke off. What stands in for something is
//!
//! - `server`, `statements` and `writing` for the database and the SQL of the stores, behind the trait `Rows`;
//! - `node` for `storage::Db::write_locked`, behind the trait `Database`;
//! - `schedule` for the queue of the committer, the network, the clocks and the misfortunes;
//! - `clients` for those who call, and who remember what they were promised.
//!
//! A seed is a schedule: who does what when, what breaks, what is lost, doubled, overtaken or late. `check` and `limits` say
//! what must hold of each. Then the database is broken on purpose, in one way after the other ([`Break`]), and some seed must
//! notice: so what is looked at is known to be looked at.
//!
//! A seed that fails is named with how to run it again:
//!
//! ```text
//! PLINTH_SEED=42 cargo test -p commerce --lib usage::simulation
//! ```
//!
//! `PLINTH_SCHEDULES` says how many there are, and `PLINTH_FIRST_SEED` where they begin; `cargo xtask simulate` runs a
//! million, optimised.
//!
//! What is not in here: the SQL (the integration tests run all of it on both databases), real processes and disks (they are
//! killed in `crates/server/tests/it/processes`), and rate limits, which are in a node's memory alone.

mod check;
mod clients;
mod limits;
mod node;
mod rng;
mod schedule;
mod server;
mod statements;
mod tables;
mod turns;
mod world;
mod writing;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::schedule::{Outcome, run};

/// What must hold whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Invariant {
    /// Granted ≤ limit + allowed overage + recorded overrun.
    WithinLimits,
    /// What a client was promised is stored.
    AcknowledgedIsStored,
    /// What is stored is there because of one call.
    EachOnce,
    /// A key that was granted something gets the same answer again.
    Replays,
    /// The sum of the events is the counter, the grant and the rollup.
    SumsAgree,
    /// What a hold reserved is held, settled or given back.
    HoldsConserve,
    /// Nothing is charged to another workspace, platform or mode.
    KeptApart,
    /// A threshold is told once for each counter and period.
    WarnsOnce,
    /// Everybody is answered, and who is told that nothing was counted is told the truth.
    Answers,
}

/// An invariant that did not hold.
#[derive(Debug)]
struct Violation {
    invariant: Invariant,
    what: String,
}

impl Violation {
    fn new(invariant: Invariant, what: String) -> Self {
        Violation { invariant, what }
    }
}

/// A way in which the simulated database is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// Counters are neither locked nor compared with the version that they were made from.
    CountersUnguarded,
    HoldsUnlocked,
    EventsUnlocked,
    GrantsUnlocked,
    /// Commits are answered before they are on the disk.
    AnswersBeforeDurable,
    ReplaysForgotten,
    /// An answer is written over one that another node has kept meanwhile.
    ReplaysUnguarded,
    MembersForgotten,
    /// An event is written for a second time, under another id.
    EventsDoubled,
    /// Events are not added to their days.
    RollupsDropped,
    ThresholdsForgotten,
    /// What was settled of a hold is not written there.
    SettlementsForgotten,
    /// A hold expires, and its counters keep what it reserved.
    ExpiryKeepsUnits,
    /// Counters forget which workspace, platform and mode they are of.
    ShopsMixed,
    /// A changed plan does not raise the customer's version.
    VersionsStuck,
    /// Whoever asks whether a commit took place is told no.
    BatchRowIgnored,
    /// Whoever asks whether a commit took place is told yes.
    BatchRowInvented,
    /// Whoever asks whether a commit took place does not wait for one that is under way.
    BatchRowUnlocked,
}

/// As many as a build without optimisation runs in some fifteen seconds on two cores.
const SCHEDULES: u64 = 3_000;

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is {text:?}, and should be a number")))
}

/// Runs seed after seed on every core; the first that does not hold.
fn first_failure(seeds: Range<u64>) -> Option<(u64, Violation)> {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(None);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Some(violation) = run(seed, None, false).violation {
                next.store(seeds.end, Ordering::Relaxed);
                failed.lock().unwrap().get_or_insert((seed, violation));
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner().unwrap()
}

#[test]
fn every_invariant_holds_in_every_schedule() {
    if let Some(seed) = number_from("PLINTH_SEED") {
        let Outcome { violation, log, .. } = run(seed, None, true);
        assert!(
            violation.is_none(),
            "{}\nseed {seed}: {violation:?}",
            log.join("\n")
        );
        return;
    }
    let first = number_from("PLINTH_FIRST_SEED").unwrap_or(0);
    let count = number_from("PLINTH_SCHEDULES").unwrap_or(SCHEDULES);
    if let Some((seed, violation)) = first_failure(first..first + count) {
        panic!(
            "{:?} does not hold with seed {seed}: {}\n\nrun it again: PLINTH_SEED={seed} cargo test -p commerce --lib \
             usage::simulation",
            violation.invariant, violation.what
        );
    }
}

#[test]
fn a_seed_is_a_schedule() {
    for seed in 0..20 {
        let (once, again) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(once.digest, again.digest, "seed {seed} went two ways");
    }
}

#[test]
fn a_good_part_of_what_is_asked_for_is_granted() {
    let outcomes = || (0..50).map(|seed| run(seed, None, false));
    let granted: usize = outcomes().map(|outcome| outcome.granted).sum();
    let commits: u64 = outcomes().map(|outcome| outcome.commits).sum();
    assert!(
        granted > 500 && commits > 500,
        "{granted} calls in {commits} commits"
    );
}

/// Seeds that a break is looked for with. Each is found within the first hundreds.
const SEEDS: u64 = 2_000;

/// Some schedule sees one of the invariants broken, and no schedule before it sees another one broken.
fn caught(broken: Break, by: &[Invariant]) {
    let seen = (0..SEEDS).find_map(|seed| run(seed, Some(broken), false).violation);
    let seen = seen.unwrap_or_else(|| panic!("no schedule of {SEEDS} notices {broken:?}"));
    assert!(by.contains(&seen.invariant), "{broken:?} is noticed by {seen:?}");
}

macro_rules! caught {
    ($($name:ident: $broken:ident by $($invariant:ident)|+;)+) => {
        $(#[test]
        fn $name() {
            caught(Break::$broken, &[$(Invariant::$invariant),+]);
        })+
    };
}

caught! {
    counters_without_guard_are_noticed: CountersUnguarded by WithinLimits | SumsAgree;
    plans_that_change_in_silence_are_noticed: VersionsStuck by WithinLimits;
    answers_before_the_disk_are_noticed: AnswersBeforeDurable by AcknowledgedIsStored | Replays;
    an_invented_batch_row_is_noticed: BatchRowInvented by AcknowledgedIsStored | Replays;
    an_ignored_batch_row_is_noticed: BatchRowIgnored by Answers;
    a_batch_row_that_nobody_waits_for_is_noticed: BatchRowUnlocked by Answers;
    forgotten_answers_are_noticed: ReplaysForgotten by Replays | EachOnce;
    two_answers_under_a_key_are_noticed: ReplaysUnguarded by Replays | EachOnce;
    doubled_events_are_noticed: EventsDoubled by EachOnce;
    forgotten_settlements_are_noticed: SettlementsForgotten by HoldsConserve;
    dropped_rollups_are_noticed: RollupsDropped by SumsAgree;
    forgotten_members_are_noticed: MembersForgotten by SumsAgree;
    grants_without_lock_are_noticed: GrantsUnlocked by SumsAgree | WithinLimits;
    events_without_lock_are_noticed: EventsUnlocked by SumsAgree | WithinLimits;
    holds_without_lock_are_noticed: HoldsUnlocked by HoldsConserve | SumsAgree;
    units_of_expired_holds_are_noticed: ExpiryKeepsUnits by HoldsConserve | SumsAgree;
    mixed_shops_are_noticed: ShopsMixed by KeptApart;
    thresholds_told_twice_are_noticed: ThresholdsForgotten by WarnsOnce;
}
