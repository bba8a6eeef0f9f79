//! What decisions read and change. A [`Book`] holds the rows that were loaded; an [`Overlay`] lies on top of it (or of
//! another overlay), takes the changes, and either hands them over as [`Changes`] or is dropped, and then nothing
//! happened.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use types::Timestamp;
use types::id::{GrantId, HoldId};

use crate::counter::{CounterKey, CounterState};
use crate::grant::Grant;
use crate::hold::Hold;
use crate::subject::Subject;

/// A rate limit's key: who is limited, and the limit's name, such as that of the feature, key or route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateKey {
    pub subject: Subject,
    pub name: Arc<str>,
}

/// One distinct member of a unique counter: the primary key of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey {
    pub counter: CounterKey,
    /// A 128-bit hash of what is counted, such as of a user's id.
    pub member: u128,
}

/// A decision needs a row that nobody loaded. It is never taken for an empty one: that could oversell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLoaded {
    #[error("the counter {0:?} was not loaded before the decision")]
    Counter(CounterKey),
    #[error("the grant {0} was not loaded before the decision")]
    Grant(GrantId),
    #[error("the hold {0} was not loaded")]
    Hold(HoldId),
    #[error("whether {0:?} was counted already was not loaded before the decision")]
    Member(MemberKey),
}

/// Something that decisions can be made on.
pub trait Base: Sync {
    fn counter(&self, key: &CounterKey) -> Result<&CounterState, NotLoaded>;
    fn grant(&self, id: GrantId) -> Result<&Grant, NotLoaded>;
    fn hold(&self, id: HoldId) -> Result<&Hold, NotLoaded>;
    /// Whether the member was counted already.
    fn has_member(&self, key: &MemberKey) -> Result<bool, NotLoaded>;
    /// The theoretical arrival time of a rate limit, in microseconds; none if it was never asked.
    fn rate(&self, key: &RateKey) -> Option<i64>;
}

/// New states of what decisions changed, and nothing else: the rows to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order of locking. `version` is one above that of the row it replaces; 1 means that there is no row yet.
    pub counters: BTreeMap<CounterKey, CounterState>,
    pub grants: BTreeMap<GrantId, Grant>,
    pub holds: BTreeMap<HoldId, Hold>,
    /// Members that unique counters have counted for the first time.
    pub members: BTreeSet<MemberKey>,
    /// Rate limits live in memory: there is no row for them.
    pub rates: HashMap<RateKey, i64>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    fn absorb(&mut self, newer: Changes) {
        self.counters.extend(newer.counters);
        self.grants.extend(newer.grants);
        self.holds.extend(newer.holds);
        self.members.extend(newer.members);
        self.rates.extend(newer.rates);
    }
}

/// The rows that are known, as the database has them.
#[derive(Debug, Clone, Default)]
pub struct Book {
    rows: Changes,
    /// Members that have no row.
    absent: HashSet<MemberKey>,
}

impl Book {
    pub fn new() -> Book {
        Book::default()
    }

    /// Tells what the database holds for a counter: its row, or that there is none.
    pub fn load_counter(&mut self, key: CounterKey, row: Option<CounterState>) {
        self.rows.counters.insert(key, row.unwrap_or_default());
    }

    pub fn load_grant(&mut self, grant: Grant) {
        self.rows.grants.insert(grant.id, grant);
    }

    pub fn load_hold(&mut self, hold: Hold) {
        self.rows.holds.insert(hold.id, hold);
    }

    /// Tells whether the database has a row for a member of a unique counter.
    pub fn load_member(&mut self, key: MemberKey, is_there: bool) {
        if is_there {
            self.rows.members.insert(key);
        } else {
            self.absent.insert(key);
        }
    }

    /// Takes over what was committed.
    pub fn merge(&mut self, changes: Changes) {
        self.rows.absorb(changes);
    }

    /// Takes the rows of another book in place of its own: those that the next batch has loaded (and locked). Rate limits
    /// stay.
    pub fn replace_rows(&mut self, rows: Book) {
        let rates = std::mem::take(&mut self.rows.rates);
        *self = rows;
        self.rows.rates = rates;
    }

    /// Gives back what was taken from rate limits, in microseconds of each.
    pub fn give_back(&mut self, taken: HashMap<RateKey, i64>) {
        for (key, micros) in taken {
            if let Some(arrival) = self.rows.rates.get_mut(&key) {
                *arrival -= micros;
            }
        }
    }

    /// Forgets rate limits whose whole burst is available again: they are as good as never asked.
    pub fn prune_rates(&mut self, now: Timestamp) {
        self.rows.rates.retain(|_, arrival| *arrival > now.as_micros());
    }
}

impl Base for Book {
    fn counter(&self, key: &CounterKey) -> Result<&CounterState, NotLoaded> {
        self.rows.counters.get(key).ok_or(NotLoaded::Counter(*key))
    }

    fn grant(&self, id: GrantId) -> Result<&Grant, NotLoaded> {
        self.rows.grants.get(&id).ok_or(NotLoaded::Grant(id))
    }

    fn hold(&self, id: HoldId) -> Result<&Hold, NotLoaded> {
        self.rows.holds.get(&id).ok_or(NotLoaded::Hold(id))
    }

    fn has_member(&self, key: &MemberKey) -> Result<bool, NotLoaded> {
        if self.rows.members.contains(key) {
            return Ok(true);
        }
        let absent = self.absent.contains(key);
        absent.then_some(false).ok_or(NotLoaded::Member(*key))
    }

    fn rate(&self, key: &RateKey) -> Option<i64> {
        self.rows.rates.get(key).copied()
    }
}

/// Changes on top of something that they do not touch. Reads see the changes first. Dropping it takes them all back.
pub struct Overlay<'a> {
    under: &'a dyn Base,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    pub fn begin(under: &'a dyn Base) -> Overlay<'a> {
        Overlay {
            under,
            changes: Changes::default(),
        }
    }

    /// What was changed so far: the rows to write before [`Overlay::into_changes`] may be merged.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Ends the overlay and hands over what it changed, for [`Book::merge`] or [`Overlay::merge`].
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// Takes over the changes of an overlay that lay on top of this one.
    pub fn merge(&mut self, mut newer: Changes) {
        // However many overlays a change went through, it is one write of the row underneath.
        for (key, state) in &mut newer.counters {
            state.version = self.next_version(key);
        }
        self.changes.absorb(newer);
    }

    pub(crate) fn put_counter(&mut self, key: CounterKey, mut state: CounterState) {
        state.version = self.next_version(&key);
        self.changes.counters.insert(key, state);
    }

    pub(crate) fn put_grant(&mut self, grant: Grant) {
        self.changes.grants.insert(grant.id, grant);
    }

    pub(crate) fn put_hold(&mut self, hold: Hold) {
        self.changes.holds.insert(hold.id, hold);
    }

    pub(crate) fn put_member(&mut self, key: MemberKey) {
        self.changes.members.insert(key);
    }

    pub(crate) fn put_rate(&mut self, key: RateKey, arrival_micros: i64) {
        self.changes.rates.insert(key, arrival_micros);
    }

    fn next_version(&self, key: &CounterKey) -> i64 {
        self.under.counter(key).map_or(0, |row| row.version) + 1
    }
}

impl Base for Overlay<'_> {
    fn counter(&self, key: &CounterKey) -> Result<&CounterState, NotLoaded> {
        match self.changes.counters.get(key) {
            Some(state) => Ok(state),
            None => self.under.counter(key),
        }
    }

    fn grant(&self, id: GrantId) -> Result<&Grant, NotLoaded> {
        match self.changes.grants.get(&id) {
            Some(grant) => Ok(grant),
            None => self.under.grant(id),
        }
    }

    fn hold(&self, id: HoldId) -> Result<&Hold, NotLoaded> {
        match self.changes.holds.get(&id) {
            Some(hold) => Ok(hold),
            None => self.under.hold(id),
        }
    }

    fn has_member(&self, key: &MemberKey) -> Result<bool, NotLoaded> {
        if self.changes.members.contains(key) {
            return Ok(true);
        }
        self.under.has_member(key)
    }

    fn rate(&self, key: &RateKey) -> Option<i64> {
        match self.changes.rates.get(key) {
            Some(arrival) => Some(*arrival),
            None => self.under.rate(key),
        }
    }
}
