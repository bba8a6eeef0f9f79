//! What must hold of the rows once everything has come to rest, recomputed from the events and holds one by one.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Aggregation, CounterKey, HoldStatus, PeriodKind, Subject, SubjectKind, period_of};
use types::Timestamp;
use types::id::FeatureId;
use uuid::Uuid;

use super::clients::{Call, Clients, Granted};
use super::tables::{DAY_MICROS, EventRow, Fold, Group, HOUR_MICROS, Tables, group_of};
use super::{Invariant, Violation, world};
use crate::Shop;
use crate::catalogue::SHOP_ZERO;
use crate::usage::EventSource;
use crate::usage::commit::{Answer, CALLS, is_gated};
use crate::usage::order::Work;

type Checked = Result<(), Violation>;

pub(super) fn check(tables: &Tables, clients: &Clients) -> Checked {
    acknowledged(tables, clients)?;
    each_once(tables)?;
    holds(tables)?;
    counters(tables)?;
    grants(tables)?;
    rollups(tables)?;
    warnings(tables)
}

fn ensure(holds: bool, invariant: Invariant, what: impl FnOnce() -> String) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(Violation::new(invariant, what())),
    }
}

/// Whatever a client was promised is stored, in its shop, and nobody else was promised the same.
fn acknowledged(tables: &Tables, clients: &Clients) -> Checked {
    let mut promised = BTreeSet::new();
    for call in &clients.calls {
        not_counted(tables, call)?;
        for granted in &call.granted {
            kept(tables, call, granted)?;
            let is_first = granted.event.is_none_or(|event| promised.insert(event));
            ensure(is_first, Invariant::AcknowledgedIsStored, || {
                format!("somebody else was promised the same: {granted:?}")
            })?;
        }
    }
    Ok(())
}

fn kept(tables: &Tables, call: &Call, granted: &Granted) -> Checked {
    let lost = |what: &str| format!("{what} of {:?} in {:?}: {granted:?}", call.work, call.shop);
    if let Some(event) = granted.event {
        let is_there = tables.events.contains_key(&(call.shop, event));
        ensure(is_there, Invariant::AcknowledgedIsStored, || lost("no event"))?;
    }
    if let Some(hold) = granted.hold {
        let stored = tables.holds.get(&(call.shop, hold)).map(|stored| &stored.hold);
        let must_end = matches!(call.work, Work::Release(_));
        let is_right = stored.is_some_and(|hold| !must_end || hold.status != HoldStatus::Open);
        ensure(is_right, Invariant::AcknowledgedIsStored, || lost("no such hold"))?;
    }
    if let Some(key) = &call.key {
        let replay = tables.replays.get(&(call.shop, key.clone()));
        let is_kept = replay.is_some_and(|replay| replay.outcome == granted.text);
        ensure(is_kept, Invariant::Replays, || lost("no kept answer"))?;
    }
    Ok(())
}

/// What nodes said that they did not count is not there.
pub(super) fn not_counted(tables: &Tables, call: &Call) -> Checked {
    let Some(key) = &call.key else { return Ok(()) };
    let is_there = call.is_known_not_counted() && tables.replays.contains_key(&(call.shop, key.clone()));
    ensure(!is_there, Invariant::Answers, || {
        format!(
            "{key} in {:?} was counted after everybody had said that it was not",
            call.shop
        )
    })
}

/// Every event and every hold is there because of one call: it is named by one kept answer, or belongs to a hold.
fn each_once(tables: &Tables) -> Checked {
    let mut named: BTreeMap<(Shop, Uuid), u32> = BTreeMap::new();
    for ((shop, _), replay) in &tables.replays {
        let answer = serde_json::from_str(&replay.outcome);
        let id = match answer.map_err(|error| Violation::new(Invariant::Replays, error.to_string()))? {
            Answer::Used(used) => {
                let event = used.usage.as_ref().and_then(|usage| usage.event);
                let hold = used.hold.as_ref().map(|hold| hold.id.uuid());
                event.map(|event| event.uuid()).or(hold)
            }
            Answer::Recorded { event, .. } => Some(event.uuid()),
            Answer::Corrected(correction) => Some(correction.event.uuid()),
            Answer::Settled(_) | Answer::Released(_) => None,
        };
        if let Some(id) = id {
            *named.entry((*shop, id)).or_default() += 1;
        }
    }
    let pings = world::feature_id(world::PINGS);
    for ((shop, id), row) in &tables.events {
        let is_free = row.event.source == EventSource::Settle || row.event.feature == pings;
        let times = named.get(&(*shop, id.uuid())).copied().unwrap_or(0);
        ensure(is_free || times == 1, Invariant::EachOnce, || {
            format!("{:?} is there because of {times} calls", row.event)
        })?;
    }
    for ((shop, id), stored) in &tables.holds {
        let times = named.get(&(*shop, id.uuid())).copied().unwrap_or(0);
        ensure(times == 1, Invariant::EachOnce, || {
            format!("{:?} is there because of {times} calls", stored.hold)
        })?;
    }
    Ok(())
}

/// What a hold reserved is held, was settled, or was given back; and it was settled by events.
fn holds(tables: &Tables) -> Checked {
    let mut settled: BTreeMap<(Shop, Uuid), i64> = BTreeMap::new();
    for row in tables
        .events
        .values()
        .filter(|row| row.event.source == EventSource::Settle)
    {
        if let Some(hold) = row.event.about {
            *settled.entry((row.event.shop, hold)).or_default() += row.event.amount;
        }
    }
    for ((shop, id), stored) in &tables.holds {
        let hold = &stored.hold;
        let of_events = settled.remove(&(*shop, id.uuid())).unwrap_or(0);
        let is_whole = hold.parts.iter().all(|part| part.held.total() == hold.held());
        let is_sane = hold.held() >= 0 && hold.overrun >= 0 && hold.settled >= hold.overrun;
        ensure(
            is_whole && is_sane && of_events == hold.settled,
            Invariant::HoldsConserve,
            || format!("events settled {of_events} of {hold:?}"),
        )?;
    }
    ensure(settled.is_empty(), Invariant::HoldsConserve, || {
        format!("settled without a hold: {settled:?}")
    })
}

/// What a counter should hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    used: i64,
    held: i64,
    from_grants: i64,
    overage: i64,
    /// What was used before anything was given back.
    charged: i64,
}

fn counter_key(shop: Shop, kind: SubjectKind, id: Uuid, feature: FeatureId, start: Timestamp) -> CounterKey {
    CounterKey {
        subject: Subject {
            workspace: shop.workspace,
            platform: shop.platform,
            mode: shop.mode,
            kind,
            id,
        },
        feature,
        period_start: start,
    }
}

/// The counter of a workspace at platform zero, for a live call at that instant.
fn gate_key(shop: Shop, at: Timestamp) -> Option<CounterKey> {
    let period = period_of(PeriodKind::Month, &world::anchor(), at);
    let (kind, id) = (SubjectKind::Customer, shop.workspace.uuid());
    let key = counter_key(SHOP_ZERO, kind, id, world::feature_id(CALLS), period.start);
    is_gated(shop).then_some(key)
}

fn expected(tables: &Tables) -> BTreeMap<CounterKey, Sums> {
    let mut sums: BTreeMap<CounterKey, Sums> = BTreeMap::new();
    for EventRow { event, .. } in tables.events.values() {
        let sign = if event.source == EventSource::Correction {
            -1
        } else {
            1
        };
        for part in &event.parts {
            let feature = part.feature.unwrap_or(event.feature);
            let key = counter_key(event.shop, part.kind, part.id, feature, part.period_start);
            let sum = sums.entry(key).or_default();
            sum.used += sign * part.units.total();
            sum.charged += if sign > 0 { part.units.total() } else { 0 };
            sum.from_grants += sign * part.units.from_grants();
            sum.overage += sign * part.units.overage;
        }
        let is_call = !matches!(event.source, EventSource::Correction | EventSource::Settle);
        for part in event
            .parts
            .iter()
            .filter(|part| is_call && part.kind == SubjectKind::ApiKey)
        {
            let by_key = world::feature_id(world::BY_KEY);
            let key = counter_key(event.shop, part.kind, part.id, by_key, Timestamp::MIN);
            sums.entry(key).or_default().used += 1;
        }
        if let Some(key) = gate_key(event.shop, event.occurred_at).filter(|_| is_call) {
            sums.entry(key).or_default().used += 1;
        }
    }
    for stored in tables.holds.values() {
        for part in &stored.hold.parts {
            let sum = sums.entry(part.key).or_default();
            sum.held += part.held.total();
            sum.from_grants += part.held.from_grants();
            sum.overage += part.held.overage;
        }
        if let Some(key) = gate_key(stored.shop, stored.hold.created_at) {
            sums.entry(key).or_default().used += 1;
        }
    }
    sums
}

/// The sum of the events is what the counter says.
fn counters(tables: &Tables) -> Checked {
    let expected = expected(tables);
    let keys: BTreeSet<&CounterKey> = tables.counters.keys().chain(expected.keys()).collect();
    for key in keys {
        let state = tables.counters.get(key).cloned().unwrap_or_default();
        let wanted = expected.get(key).copied().unwrap_or_default();
        let mut found = Sums {
            used: state.used,
            held: state.held,
            from_grants: state.from_grants,
            overage: state.overage,
            charged: wanted.charged,
        };
        let meter = world::feature_by_id(key.feature).and_then(|feature| feature.meter);
        if meter.is_some_and(|meter| meter.window().is_some()) && found.used <= wanted.charged {
            // What has left the window is not counted any more, and cannot be given back.
            found.used = wanted.used;
        }
        ensure(found == wanted, Invariant::SumsAgree, || {
            format!("{key:?} is {state:?}, and its events come to {wanted:?}")
        })?;
        if let Some(Aggregation::Unique { .. }) = meter.map(|meter| meter.aggregation) {
            let members = tables
                .members
                .iter()
                .filter(|member| member.counter == *key)
                .count();
            ensure(state.used == members as i64, Invariant::SumsAgree, || {
                format!("{key:?} is {state:?}, and has {members} members")
            })?;
        }
    }
    Ok(())
}

/// The sum of what events and holds took of a grant is what the grant says.
fn grants(tables: &Tables) -> Checked {
    let mut sums: BTreeMap<(Shop, Uuid), (i64, i64)> = BTreeMap::new();
    for EventRow { event, .. } in tables.events.values() {
        let sign = if event.source == EventSource::Correction {
            -1
        } else {
            1
        };
        for share in event.parts.iter().flat_map(|part| &part.units.grants) {
            sums.entry((event.shop, share.grant.uuid())).or_default().0 += sign * share.units;
        }
    }
    for stored in tables.holds.values() {
        for share in stored.hold.parts.iter().flat_map(|part| &part.held.grants) {
            sums.entry((stored.shop, share.grant.uuid())).or_default().1 += share.units;
        }
    }
    for ((shop, id), row) in &tables.grants {
        let wanted = sums.remove(&(*shop, id.uuid())).unwrap_or_default();
        ensure(
            (row.grant.used, row.grant.held) == wanted,
            Invariant::SumsAgree,
            || format!("{:?} should have used and held {wanted:?}", row.grant),
        )?;
    }
    ensure(sums.is_empty(), Invariant::SumsAgree, || {
        format!("burned from no grant: {sums:?}")
    })
}

/// The hours and days are what their events come to.
fn rollups(tables: &Tables) -> Checked {
    for step in [HOUR_MICROS, DAY_MICROS] {
        let mut folds: BTreeMap<Group, Fold> = BTreeMap::new();
        for EventRow { event, .. } in tables.events.values() {
            let group = group_of(event, step);
            let folded = Fold::with(folds.get(&group).copied(), event);
            folds.insert(group, folded);
        }
        ensure(folds == *tables.folds(step), Invariant::SumsAgree, || {
            format!("events come to {folds:?} and not to {:?}", tables.folds(step))
        })?;
    }
    Ok(())
}

/// Each threshold of a counter and period was told once.
fn warnings(tables: &Tables) -> Checked {
    let mut told = BTreeSet::new();
    // A rolling counter warns again once its use has fallen below.
    let rolls = |data: &serde_json::Value| data["feature"] == world::BURST;
    for (shop, warning) in tables
        .warnings
        .iter()
        .filter(|(_, warning)| !rolls(&warning.data))
    {
        let data = &warning.data;
        let of = ["feature", "reset_at", "threshold_percent"].map(|name| data[name].to_string());
        ensure(
            told.insert((*shop, &warning.object, of)),
            Invariant::WarnsOnce,
            || format!("told twice: {data}"),
        )?;
    }
    Ok(())
}
