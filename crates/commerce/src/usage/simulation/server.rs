//! A database in memory that fails as real ones do. Transactions read what was committed when each statement runs (READ
//! COMMITTED), lock rows until they end, and wait for each other; one that waits in a circle is broken up. What was asked to be
//! committed is made durable later, in order, and only then seen by others and answered. A crash loses all that is under way,
//! and of what was asked to be committed as much as had not reached the disk. In SQLite's place there is one writer at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use ledger::{CounterKey, MemberKey};
use storage::Dialect;
use types::id::{CustomerId, GrantId, HoldId, UsageBatchId, UsageEventId};
use types::{Error, ErrorCode, Result, Timestamp};

use super::rng::Rng;
use super::tables::{Group, Tables};
use super::{Break, Violation, limits, world};
use crate::Shop;
use crate::usage::store::DimensionValue;

pub(super) type TxNo = u64;

/// What a transaction can lock. A row that is about to be made is locked as well: whoever makes the same one waits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Lock {
    /// All of the database: how SQLite writes.
    Writer,
    Customer(Shop, CustomerId),
    EndUser(Shop, CustomerId, String),
    Counter(CounterKey),
    Member(MemberKey),
    Grant(Shop, GrantId),
    Hold(Shop, HoldId),
    Event(Shop, UsageEventId),
    Replay(Shop, String),
    Batch(UsageBatchId),
    Value(DimensionValue),
    Hour(Group),
    Day(Group),
}

/// How often what goes wrong, in thousandths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    /// A connection breaks at a statement.
    pub statement: usize,
    /// A connection breaks on the way of a commit, before it arrives or before its answer does.
    pub commit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Its commit has arrived; it is not durable yet.
    Committing,
    /// Its connection broke, and the server has not noticed.
    Abandoned,
}

struct Transaction {
    phase: Phase,
    writes: Tables,
    held: Vec<Lock>,
    waits_for: Option<TxNo>,
    /// How many commits there had been when it began.
    began: u64,
    /// The shops that it has business with.
    shops: BTreeSet<Shop>,
    /// Whether it lost against another one, so that its work should run again.
    lost: bool,
}

pub(super) struct Server {
    pub dialect: Dialect,
    pub rng: Rng,
    pub now: Timestamp,
    pub tables: Tables,
    pub faults: Faults,
    pub broken: Option<Break>,
    pub is_up: bool,
    /// The first thing that was seen to be wrong.
    pub violation: Option<Violation>,
    /// Counts commits.
    pub commits: u64,
    transactions: BTreeMap<TxNo, Transaction>,
    /// Those whose commit has arrived, in that order.
    committing: Vec<TxNo>,
    locks: HashMap<Lock, TxNo>,
    /// Commits that are durable and whose clients wait for the answer.
    durable: BTreeSet<TxNo>,
    next: TxNo,
}

pub(super) type Shared = Arc<Mutex<Server>>;

pub(super) fn lock(server: &Shared) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connection_lost() -> Error {
    Error::unavailable("the simulated connection broke")
}

fn unknown() -> Error {
    Error::new(ErrorCode::OutcomeUnknown, "the simulated commit broke off")
}

impl Server {
    pub(super) fn new(dialect: Dialect, mut rng: Rng, broken: Option<Break>) -> Self {
        Server {
            dialect,
            now: world::START,
            tables: world::tables(&mut rng),
            rng,
            faults: Faults {
                statement: 0,
                commit: 0,
            },
            broken,
            is_up: true,
            violation: None,
            commits: 0,
            transactions: BTreeMap::new(),
            committing: Vec::new(),
            locks: HashMap::new(),
            durable: BTreeSet::new(),
            next: 1,
        }
    }

    pub(super) fn has_one_writer(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    pub(super) fn is_broken(&self, broken: Break) -> bool {
        self.broken == Some(broken)
    }

    pub(super) fn report(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    pub(super) fn begin(&mut self) -> Result<TxNo> {
        if !self.is_up {
            return Err(connection_lost());
        }
        let no = self.next;
        self.next += 1;
        let transaction = Transaction {
            phase: Phase::Open,
            writes: Tables::default(),
            held: Vec::new(),
            waits_for: None,
            began: self.commits,
            shops: BTreeSet::new(),
            lost: false,
        };
        self.transactions.insert(no, transaction);
        Ok(no)
    }

    /// One statement arrives, or its connection breaks.
    pub(super) fn statement(&mut self, no: TxNo) -> Result<()> {
        let breaks = self.rng.permille(self.faults.statement);
        let Some(transaction) = self.transactions.get_mut(&no) else {
            return Err(connection_lost());
        };
        if breaks {
            transaction.phase = Phase::Abandoned;
        }
        match transaction.phase {
            Phase::Open => Ok(()),
            Phase::Committing | Phase::Abandoned => Err(connection_lost()),
        }
    }

    /// Takes a lock, or waits for it.
    ///
    /// # Errors
    /// When the transaction waits for one that waits for it: then it has lost.
    pub(super) fn try_lock(&mut self, no: TxNo, wanted: &Lock) -> Poll<Result<()>> {
        if !self.transactions.contains_key(&no) {
            return Poll::Ready(Err(connection_lost()));
        }
        let is_needed = *wanted == Lock::Writer || self.dialect == Dialect::Postgres;
        let owner = self.locks.get(wanted).copied().filter(|owner| *owner != no);
        if is_needed && owner.is_some() {
            return self.wait(no, owner);
        }
        if let Some(transaction) = self.transactions.get_mut(&no) {
            transaction.waits_for = None;
            if is_needed && self.locks.insert(wanted.clone(), no).is_none() {
                transaction.held.push(wanted.clone());
            }
        }
        Poll::Ready(Ok(()))
    }

    fn wait(&mut self, no: TxNo, owner: Option<TxNo>) -> Poll<Result<()>> {
        let mut next = owner;
        while let Some(other) = next.filter(|other| *other != no) {
            next = self.transactions.get(&other).and_then(|other| other.waits_for);
        }
        let is_circle = next.is_some();
        if let Some(transaction) = self.transactions.get_mut(&no) {
            transaction.waits_for = owner.filter(|_| !is_circle);
            transaction.lost |= is_circle;
        }
        match is_circle {
            true => Poll::Ready(Err(connection_lost())),
            false => Poll::Pending,
        }
    }

    /// Whether nobody holds it.
    pub(super) fn is_free(&self, wanted: &Lock) -> bool {
        !self.locks.contains_key(wanted) && !self.locks.contains_key(&Lock::Writer)
    }

    /// Adds to what a transaction has written, if it is still there.
    pub(super) fn write<T>(&mut self, no: TxNo, add: impl FnOnce(&mut Tables) -> T) {
        if let Some(transaction) = self.transactions.get_mut(&no) {
            let _ = add(&mut transaction.writes);
        }
    }

    pub(super) fn own_writes(&self, no: TxNo) -> Option<&Tables> {
        self.transactions.get(&no).map(|transaction| &transaction.writes)
    }

    pub(super) fn has_business_with(&mut self, no: TxNo, shops: BTreeSet<Shop>) {
        if let Some(transaction) = self.transactions.get_mut(&no) {
            transaction.shops = shops;
        }
    }

    /// What a statement finds out that counted on another's not being there.
    pub(super) fn overtaken(&mut self, no: TxNo) -> Error {
        if let Some(transaction) = self.transactions.get_mut(&no) {
            transaction.lost = true;
        }
        storage::overtaken()
    }

    pub(super) fn has_lost(&self, no: TxNo) -> bool {
        self.transactions
            .get(&no)
            .is_some_and(|transaction| transaction.lost)
    }

    pub(super) fn ask_commit(&mut self, no: TxNo) -> Result<()> {
        let breaks = self.rng.permille(self.faults.commit);
        match self.transactions.get_mut(&no) {
            Some(transaction) if transaction.phase == Phase::Open && !breaks => {
                transaction.phase = Phase::Committing;
                self.committing.push(no);
                Ok(())
            }
            Some(transaction) => {
                transaction.phase = Phase::Abandoned;
                Err(unknown())
            }
            None => Err(unknown()),
        }
    }

    /// The answer to a commit that has arrived.
    pub(super) fn answer_commit(&mut self, no: TxNo) -> Poll<Result<()>> {
        let is_under_way = self.transactions.contains_key(&no);
        if is_under_way && self.is_broken(Break::AnswersBeforeDurable) {
            return Poll::Ready(Ok(()));
        }
        if self.rng.permille(self.faults.commit) {
            self.durable.remove(&no);
            return Poll::Ready(Err(unknown()));
        }
        if is_under_way {
            return Poll::Pending;
        }
        Poll::Ready(if self.durable.remove(&no) {
            Ok(())
        } else {
            Err(unknown())
        })
    }

    /// Makes some of what waits for it durable.
    pub(super) fn sync(&mut self) {
        if !self.committing.is_empty() && self.is_up {
            let most = self.committing.len();
            let count = 1 + self.rng.below(most);
            for no in self.committing.drain(..count).collect::<Vec<_>>() {
                self.apply(no);
                self.durable.insert(no);
            }
        }
    }

    fn apply(&mut self, no: TxNo) {
        let Some(transaction) = self.transactions.remove(&no) else {
            return;
        };
        self.release(no, &transaction.held);
        self.commits += 1;
        let seen = limits::check(
            &self.tables,
            &transaction.writes,
            transaction.began,
            &transaction.shops,
        );
        if let Err(violation) = seen {
            self.report(violation);
        }
        self.tables.absorb(transaction.writes);
    }

    fn release(&mut self, no: TxNo, held: &[Lock]) {
        for lock in held {
            if self.locks.get(lock) == Some(&no) {
                self.locks.remove(lock);
            }
        }
    }

    /// Undoes a transaction at its client's wish, if the client can still be heard.
    pub(super) fn roll_back(&mut self, no: TxNo) {
        if self
            .transactions
            .get(&no)
            .is_some_and(|transaction| transaction.phase == Phase::Open)
        {
            self.undo(no);
        }
    }

    fn undo(&mut self, no: TxNo) {
        if let Some(transaction) = self.transactions.remove(&no) {
            self.release(no, &transaction.held);
        }
    }

    /// The client is gone. A commit that has arrived goes on; everything else the server notices later.
    pub(super) fn abandon(&mut self, no: TxNo) {
        self.durable.remove(&no);
        if let Some(transaction) = self.transactions.get_mut(&no)
            && transaction.phase == Phase::Open
        {
            transaction.phase = Phase::Abandoned;
            transaction.waits_for = None;
        }
    }

    /// Notices whose clients are gone, and undoes what they did.
    pub(super) fn notice(&mut self) {
        let is_gone =
            |(no, transaction): (&TxNo, &Transaction)| (transaction.phase == Phase::Abandoned).then_some(*no);
        let gone: Vec<TxNo> = self.transactions.iter().filter_map(is_gone).collect();
        for no in gone {
            self.undo(no);
        }
    }

    /// Stops as if the power had failed. Of the commits under way, the first ones may have reached the disk.
    pub(super) fn crash(&mut self) {
        let survivors = self.rng.below(self.committing.len() + 1);
        for no in self.committing.drain(..).take(survivors).collect::<Vec<_>>() {
            self.apply(no);
        }
        self.transactions.clear();
        self.locks.clear();
        self.is_up = false;
    }

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.transactions.is_empty()
    }
}
