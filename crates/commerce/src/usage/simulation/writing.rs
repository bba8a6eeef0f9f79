//! What a batch came to, written into the simulated tables: the order and the guards are those of the stores.

use std::collections::BTreeSet;

use ledger::{CounterKey, CounterState, HoldStatus};
use types::id::{CustomerId, UsageEventId};
use types::{Error, Result};

use super::server::Lock;
use super::statements::Statements;
use super::tables::{DAY_MICROS, EventRow, Fold, Group, HOUR_MICROS, group_of};
use super::{Break, world};
use crate::Shop;
use crate::usage::EventSource;
use crate::usage::commit::{Wanted, Writes};
use crate::usage::order::Order;
use crate::usage::store::{ChargedPart, NewEvent, Replay};

pub(super) async fn write(tx: &Statements, writes: Writes, wanted: &Wanted, orders: &[Order]) -> Result<()> {
    tx.has_business_with(orders.iter().map(|order| order.shop).collect());
    write_counters(tx, &writes).await?;
    write_members(tx, &writes).await?;
    write_grants(tx, &writes, wanted).await?;
    write_holds(tx, &writes, orders).await?;
    for value in writes.values {
        tx.lock(&Lock::Value(value.clone())).await?;
        tx.put(|rows| rows.values.insert(value));
    }
    write_left(tx, &writes.corrected);
    touch(tx, &writes.refunded).await?;
    write_events(tx, &writes.events).await?;
    write_replays(tx, writes.replays).await?;
    tx.put(|rows| rows.warnings.extend(writes.warnings));
    Ok(())
}

/// The key of a counter in a database that forgets whose it is.
pub(super) fn mixed(mut key: CounterKey) -> CounterKey {
    let [first, ..] = world::shops();
    let subject = &mut key.subject;
    (subject.workspace, subject.platform, subject.mode) = (first.workspace, first.platform, first.mode);
    key
}

async fn write_counters(tx: &Statements, writes: &Writes) -> Result<()> {
    if writes.changes.counters.is_empty() {
        return Ok(());
    }
    tx.round_trip().await?;
    let kept = if tx.is_broken(Break::ExpiryKeepsUnits) {
        expired(writes)
    } else {
        BTreeSet::new()
    };
    for (key, state) in &writes.changes.counters {
        let stored = if tx.is_broken(Break::ShopsMixed) {
            mixed(*key)
        } else {
            *key
        };
        tx.lock(&Lock::Counter(stored)).await?;
        let before: Option<CounterState> = tx.see(|tables| tables.counters.get(&stored).cloned());
        let version = before.as_ref().map_or(0, |before| before.version);
        if version != state.version - 1 && !tx.is_broken(Break::CountersUnguarded) {
            return Err(tx.overtaken());
        }
        let mut state = state.clone();
        if kept.contains(key) {
            state.held = before.map_or(0, |before| before.held);
        }
        if tx.is_broken(Break::ThresholdsForgotten) {
            state.threshold = 0;
        }
        tx.put(|rows| rows.counters.insert(stored, state));
    }
    Ok(())
}

/// Counters of holds that have expired.
fn expired(writes: &Writes) -> BTreeSet<CounterKey> {
    let holds = writes.changes.holds.values();
    let expired = holds.filter(|hold| hold.status == HoldStatus::Expired);
    expired
        .flat_map(|hold| hold.parts.iter().map(|part| part.key))
        .collect()
}

async fn write_members(tx: &Statements, writes: &Writes) -> Result<()> {
    for member in &writes.changes.members {
        tx.lock(&Lock::Member(*member)).await?;
        if tx.see(|tables| tables.members.contains(member)) {
            return Err(tx.overtaken());
        }
        if !tx.is_broken(Break::MembersForgotten) {
            tx.put(|rows| rows.members.insert(*member));
        }
    }
    Ok(())
}

async fn write_grants(tx: &Statements, writes: &Writes, wanted: &Wanted) -> Result<()> {
    for key in &wanted.grants {
        if let Some(grant) = writes.changes.grants.get(&key.1) {
            tx.lock(&Lock::Grant(key.0, key.1)).await?;
            let row = tx.see(|tables| tables.grants.get(key).cloned());
            if let Some(mut row) = row {
                (row.grant.used, row.grant.held) = (grant.used, grant.held);
                tx.put(|rows| rows.grants.insert(*key, row));
            }
        }
    }
    Ok(())
}

async fn write_holds(tx: &Statements, writes: &Writes, orders: &[Order]) -> Result<()> {
    if !writes.new_holds.is_empty() || !writes.changes.holds.is_empty() {
        tx.round_trip().await?;
    }
    for made in &writes.new_holds {
        tx.put(|rows| rows.holds.insert((made.shop, made.hold.id), made.clone()));
    }
    let named: BTreeSet<_> = orders
        .iter()
        .filter_map(|order| Some((order.shop, order.hold()?)))
        .collect();
    for key in named {
        let row = tx.see(|tables| tables.holds.get(&key).cloned());
        if let (Some(hold), Some(row)) = (writes.changes.holds.get(&key.1), row) {
            if hold.settled > row.hold.settled && tx.is_broken(Break::SettlementsForgotten) {
                continue;
            }
            tx.lock(&Lock::Hold(key.0, key.1)).await?;
            tx.put(|rows| drop(rows.holds.insert(key, row.now(hold.clone()))));
        }
    }
    Ok(())
}

fn write_left(tx: &Statements, corrected: &[(Shop, UsageEventId, Vec<ChargedPart>)]) {
    for (shop, event, left) in corrected {
        let row = tx.see(|tables| tables.events.get(&(*shop, *event)).cloned());
        if let Some(row) = row {
            let row = EventRow {
                left: left.clone(),
                ..row
            };
            tx.put(|rows| rows.events.insert((*shop, *event), row));
        }
    }
}

async fn touch(tx: &Statements, refunded: &BTreeSet<(Shop, CustomerId)>) -> Result<()> {
    for key in refunded {
        tx.lock(&Lock::Customer(key.0, key.1)).await?;
        if let Some(mut row) = tx.see(|tables| tables.customers.get(key).cloned()) {
            row.version += 1;
            tx.put(|rows| rows.customers.insert(*key, row));
        }
    }
    Ok(())
}

async fn write_events(tx: &Statements, events: &[NewEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    tx.round_trip().await?;
    let tokens = world::feature_id(world::TOKENS);
    let is_told = |event: &NewEvent| event.source != EventSource::Settle;
    let is_too_much = |event: &NewEvent| event.feature == tokens && event.amount == world::UNSTORABLE;
    if events.iter().any(|event| is_told(event) && is_too_much(event)) {
        return Err(Error::internal("the simulated database cannot store that"));
    }
    for event in events {
        let row = EventRow {
            event: event.clone(),
            left: event.parts.clone(),
        };
        if tx.is_broken(Break::EventsDoubled) {
            tx.put(|rows| {
                rows.events
                    .insert((event.shop, UsageEventId::generate()), row.clone())
            });
        }
        tx.put(|rows| rows.events.insert((event.shop, event.id), row));
    }
    fold(tx, events, HOUR_MICROS, Lock::Hour).await?;
    if !tx.is_broken(Break::RollupsDropped) {
        fold(tx, events, DAY_MICROS, Lock::Day).await?;
    }
    Ok(())
}

async fn fold(tx: &Statements, events: &[NewEvent], step: i64, lock: fn(Group) -> Lock) -> Result<()> {
    tx.round_trip().await?;
    let groups: BTreeSet<Group> = events.iter().map(|event| group_of(event, step)).collect();
    for group in groups {
        tx.lock(&lock(group.clone())).await?;
        let mut folded = tx.see(|tables| tables.folds(step).get(&group).copied());
        for event in events.iter().filter(|event| group_of(event, step) == group) {
            folded = Some(Fold::with(folded, event));
        }
        if let Some(folded) = folded {
            tx.put(|rows| rows.folds_mut(step).insert(group, folded));
        }
    }
    Ok(())
}

async fn write_replays(tx: &Statements, mut replays: Vec<Replay>) -> Result<()> {
    if replays.is_empty() {
        return Ok(());
    }
    tx.round_trip().await?;
    replays.sort_unstable_by(|a, b| (a.shop, &a.key).cmp(&(b.shop, &b.key)));
    for replay in replays {
        let key = (replay.shop, replay.key.clone());
        tx.lock(&Lock::Replay(key.0, key.1.clone())).await?;
        let is_there = tx.see(|tables| tables.replays.contains_key(&key));
        if is_there && !tx.is_broken(Break::ReplaysUnguarded) {
            return Err(tx.overtaken());
        }
        if !tx.is_broken(Break::ReplaysForgotten) {
            tx.put(|rows| rows.replays.insert(key, replay));
        }
    }
    Ok(())
}
