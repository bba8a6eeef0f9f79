//! What must hold of every commit: nothing is granted beyond a limit that was in force while its transaction ran, beside what
//! overage allows and what is recorded as overrun; and a transaction touches nothing of shops that it has no business with.

use std::collections::BTreeSet;

use ledger::{Aggregation, CounterKey, CounterState, Limit, Overage, SubjectKind};
use types::id::{CustomerId, WorkspaceId};

use super::tables::{EventRow, Tables};
use super::{Invariant, Violation, world};
use crate::Shop;
use crate::catalogue::SHOP_ZERO;
use crate::usage::EventSource;

pub(super) fn check(
    tables: &Tables,
    writes: &Tables,
    began: u64,
    shops: &BTreeSet<Shop>,
) -> Result<(), Violation> {
    at_home(writes, shops)?;
    for (key, after) in &writes.counters {
        let before = tables.counters.get(key).cloned().unwrap_or_default();
        within_limit(
            (key, has_given_back(writes, key)),
            &before,
            after,
            &limits(tables, key, began),
        )?;
    }
    for (key, row) in &writes.grants {
        let grant = &row.grant;
        if grant.used < 0 || grant.held < 0 || grant.used + grant.held > grant.amount {
            return Err(Violation::new(
                Invariant::WithinLimits,
                format!("{key:?} carries {grant:?}"),
            ));
        }
    }
    Ok(())
}

/// Every limit that was in force for a counter since a transaction began; none: it is not in the plan.
fn limits(tables: &Tables, key: &CounterKey, began: u64) -> Vec<Option<Limit>> {
    let shop = shop_of(key);
    match key.subject.kind {
        SubjectKind::Customer => {}
        SubjectKind::ApiKey => return vec![Some(Limit::deny_above(world::MOST_BY_KEY))],
        _ => return vec![Some(Limit::unlimited())],
    }
    let customer = (shop, CustomerId::from_uuid(key.subject.id));
    if shop == SHOP_ZERO {
        let buyer = WorkspaceId::from_uuid(key.subject.id);
        return vec![Some(
            world::gate_of(buyer).map_or_else(Limit::unlimited, Limit::deny_above),
        )];
    }
    let Some(row) = tables.customers.get(&customer) else {
        return vec![None];
    };
    let old = row
        .plans
        .iter()
        .rposition(|(since, _)| *since <= began)
        .unwrap_or(0);
    let in_force = row.plans[old..].iter();
    in_force
        .map(|(_, plan)| plan.get(&key.feature).cloned())
        .collect()
}

/// Whether a correction in the same transaction took units from a counter.
fn has_given_back(writes: &Tables, key: &CounterKey) -> bool {
    writes.events.values().any(|EventRow { event, .. }| {
        let is_same = (event.shop, event.feature) == (shop_of(key), key.feature);
        event.source == EventSource::Correction && is_same
    })
}

/// A counter's load grows only below a limit, or by what is recorded as overrun; so does what is sold beyond it.
fn within_limit(
    (key, has_given_back): (&CounterKey, bool),
    before: &CounterState,
    after: &CounterState,
    limits: &[Option<Limit>],
) -> Result<(), Violation> {
    let is_gauge = world::feature_by_id(key.feature)
        .and_then(|feature| feature.meter)
        .is_some_and(|meter| meter.window().is_some() || meter.aggregation == Aggregation::Last);
    let (mut most, mut most_sold) = (0, 0);
    for limit in limits.iter().flatten() {
        let amount = limit.amount.unwrap_or(i64::MAX);
        let (given, sold) = match limit.overage {
            Overage::Deny => (0, 0),
            Overage::Soft { cap } => (cap, 0),
            Overage::Bill { cap } if is_gauge => (cap.unwrap_or(i64::MAX), 0),
            Overage::Bill { cap } => (0, cap.unwrap_or(i64::MAX)),
        };
        most = most.max(amount.saturating_add(given));
        most_sold = most_sold.max(sold);
    }
    let overrun = (after.overrun - before.overrun).max(0);
    let mut load = most.max(before.plan_load()).saturating_add(overrun);
    if is_gauge || has_given_back {
        // What was there before may have left, overrun and all, before something was granted.
        load = load.max(most.saturating_add(after.overrun));
    }
    let sold = most_sold.max(before.overage).saturating_add(overrun);
    let what = || format!("{key:?} went from {before:?} to {after:?} under {limits:?}");
    if after.held < 0 {
        return Err(Violation::new(Invariant::HoldsConserve, what()));
    }
    if after.used < 0 || after.from_grants < 0 || after.overage < 0 || after.overrun > after.used {
        return Err(Violation::new(Invariant::SumsAgree, what()));
    }
    if after.plan_load() > load || after.overage > sold {
        return Err(Violation::new(Invariant::WithinLimits, what()));
    }
    Ok(())
}

fn shop_of(key: &CounterKey) -> Shop {
    Shop {
        workspace: key.subject.workspace,
        platform: key.subject.platform,
        mode: key.subject.mode,
    }
}

/// Every row belongs to a shop that some order of the batch is of, or is the counter of its workspace at platform zero.
fn at_home(writes: &Tables, shops: &BTreeSet<Shop>) -> Result<(), Violation> {
    let is_buyer = |key: &CounterKey| {
        shop_of(key) == SHOP_ZERO && shops.iter().any(|shop| shop.workspace.uuid() == key.subject.id)
    };
    let counters = writes.counters.keys().filter(|key| !is_buyer(key)).map(shop_of);
    let rows = counters
        .chain(writes.grants.keys().map(|key| key.0))
        .chain(writes.holds.keys().map(|key| key.0))
        .chain(writes.events.keys().map(|key| key.0))
        .chain(writes.replays.keys().map(|key| key.0))
        .chain(writes.warnings.iter().map(|warning| warning.0));
    for shop in rows {
        if !shops.contains(&shop) {
            let what = format!("a batch of {shops:?} wrote a row of {shop:?}");
            return Err(Violation::new(Invariant::KeptApart, what));
        }
    }
    Ok(())
}
