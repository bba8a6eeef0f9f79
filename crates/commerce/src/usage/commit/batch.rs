//! One batch as one transaction: find what the orders name, lock the rows that they touch, decide, write, commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use ledger::{Book, RateKey};
use runtime::{audit, outbox};
use storage::{System, Tx};
use types::id::{HoldId, UsageBatchId};
use types::{Error, ErrorCode, Result, Timestamp};

use super::super::order::Order;
use super::super::store;
use super::answer::Answer;
use super::config::{self, Config, Purpose};
use super::decide::{Decided, Writes, decide};
use super::memory::Memory;
use super::prepare::{Rules, prepare};
use super::ready::{Stage, Wanted};
use super::rows::{Database, Rows};
use crate::{Shop, customers, grants};

/// What a node keeps from batch to batch.
#[derive(Default)]
pub(in crate::usage) struct Desk {
    pub(in crate::usage) memory: Memory,
    /// Where rate limits stand. They are in memory alone.
    rates: Mutex<Rates>,
}

#[derive(Default)]
struct Rates {
    book: Book,
    batches: u32,
}

/// Batches after which rate limits that are full again are forgotten.
const PRUNE_EVERY: u32 = 1_024;

impl Desk {
    /// Decides and commits a batch; the answers are in its order. An error is about the whole batch: nothing of it was
    /// counted, unless the error is `outcome_unknown`.
    pub(super) async fn commit(&self, db: &impl Database, orders: &[Order]) -> Result<Vec<Result<Answer>>> {
        let (batch, node, now) = (UsageBatchId::generate(), db.node(), db.now());
        let rules = &rules(db, orders).await?;
        let answers = Mutex::new(Vec::new());
        let taken = &Mutex::new(HashMap::new());
        let outcome = db
            .write_locked(|mut tx| {
                let answers = &answers;
                async move {
                    let (decided, wanted) = self.decide(&mut tx, orders, rules, taken, now).await?;
                    tx.write(batch, decided.writes, &wanted, orders, now).await?;
                    tx.claim_batch(batch, node, now).await?;
                    *answers.lock().unwrap_or_else(PoisonError::into_inner) = decided.answers;
                    Ok(())
                }
            })
            .await;
        let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => Ok(answers),
            // Refused before the end: there was no commit.
            Err(error) if answers.is_empty() => Err(error),
            Err(error) => match was_committed(db, batch).await {
                Ok(true) => Ok(answers),
                // Now it never will be.
                Ok(false) if error.is(ErrorCode::OutcomeUnknown) => Err(Error::unavailable(
                    "The database broke off. Nothing was counted; try again in a moment.",
                )
                .with_source(error)),
                Ok(false) => Err(error),
                Err(_) => Err(Error::new(
                    ErrorCode::OutcomeUnknown,
                    "The database did not say whether this was counted. Retry with the same idempotency key.",
                )
                .with_retry_after(1)),
            },
        }
    }

    async fn decide(
        &self,
        tx: &mut impl Rows,
        orders: &[Order],
        rules: &Rules,
        taken: &Mutex<HashMap<RateKey, i64>>,
        now: Timestamp,
    ) -> Result<(Decided, Wanted)> {
        let config = config::load(tx, &self.memory, orders, Purpose::Commit, now).await?;
        let stages: Vec<Stage> = orders
            .iter()
            .map(|order| prepare(order, &config, rules))
            .collect();
        let ready = orders
            .iter()
            .zip(&stages)
            .filter_map(|(order, stage)| match stage {
                Stage::Open(ready) => Some((order.shop, &**ready)),
                Stage::Done(_) => None,
            });
        let wanted = Wanted::of(ready);
        let rows = load_book(tx, &wanted, &config, Purpose::Commit).await?;
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.book.replace_rows(rows);
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        // An attempt that was overtaken: its calls are made now.
        rates.book.give_back(std::mem::take(&mut *taken));
        let mut decided = decide(&mut rates.book, orders, stages, &config.new_values, now)?;
        *taken = std::mem::take(&mut decided.taken);
        rates.batches += 1;
        if rates.batches.is_multiple_of(PRUNE_EVERY) {
            rates.book.prune_rates(now);
        }
        Ok((decided, wanted))
    }
}

/// The rate limits of every shop in the batch.
async fn rules(db: &impl Database, orders: &[Order]) -> Result<Rules> {
    let shops: BTreeSet<Shop> = orders.iter().map(|order| order.shop).collect();
    let mut rules = Rules::new();
    for shop in shops {
        rules.insert(shop, db.rate_limits(shop).await?);
    }
    Ok(rules)
}

/// Loads the rows that decisions look at, in the order in which every batch locks them.
pub(in crate::usage) async fn load_book(
    tx: &mut impl Rows,
    wanted: &Wanted,
    config: &Config,
    purpose: Purpose,
) -> Result<Book> {
    let mut book = Book::new();
    for (key, row) in tx.load_counters(&wanted.counters, purpose).await? {
        book.load_counter(key, row);
    }
    if !wanted.members.is_empty() {
        let there = tx.find_members(&wanted.members).await?;
        for member in &wanted.members {
            book.load_member(*member, there.contains(member));
        }
    }
    if !wanted.grants.is_empty() {
        let keys: Vec<_> = wanted.grants.iter().copied().collect();
        for (_, grant) in tx.load_grants(&keys, purpose).await? {
            book.load_grant(grant);
        }
    }
    for stored in config.holds.values() {
        book.load_hold(stored.hold.clone());
    }
    Ok(book)
}

/// Writes what a batch came to. What is empty costs no statement.
pub(super) async fn write(
    tx: &mut Tx<System>,
    batch: UsageBatchId,
    writes: Writes,
    wanted: &Wanted,
    orders: &[Order],
    now: Timestamp,
) -> Result<()> {
    store::write_counters(tx, &writes.changes.counters, now).await?;
    store::insert_members(tx, &writes.changes.members).await?;
    let changed: Vec<_> = wanted
        .grants
        .iter()
        .filter_map(|(shop, id)| Some((*shop, writes.changes.grants.get(id)?.clone())))
        .collect();
    grants::store::write(tx, &changed).await?;
    store::insert_holds(tx, &writes.new_holds).await?;
    for (shop, hold) in holds_of(orders) {
        if let Some(hold) = writes.changes.holds.get(&hold) {
            store::write_hold(tx, shop, hold).await?;
        }
    }
    store::insert_values(tx, &writes.values, now).await?;
    store::write_left(tx, &writes.corrected).await?;
    for (shop, customer) in writes.refunded {
        customers::touch(tx, shop, customer).await?;
    }
    store::insert_events(tx, batch, &writes.events, now).await?;
    store::add_to_rollups(tx, &writes.events).await?;
    store::insert_replays(tx, &writes.replays).await?;
    for (shop, wanted, entry) in writes.audits {
        audit::record_for(tx, shop.workspace, wanted.actor, wanted.request, entry, now).await?;
    }
    for (shop, event) in writes.warnings {
        outbox::emit_for(tx, shop.workspace, event, now).await?;
    }
    Ok(())
}

/// The holds that orders name, each once.
fn holds_of(orders: &[Order]) -> BTreeSet<(Shop, HoldId)> {
    let named = orders
        .iter()
        .filter_map(|order| Some((order.shop, order.hold()?)));
    named.collect()
}

/// Decides whether a commit that broke off took place, for good.
async fn was_committed(db: &impl Database, batch: UsageBatchId) -> Result<bool> {
    let (node, now) = (db.node(), db.now());
    let claimed = db
        .write_locked(|mut tx| async move { tx.claim_batch(batch, node, now).await })
        .await?;
    Ok(!claimed)
}
