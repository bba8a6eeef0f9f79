//! What the simulated database holds. The writes of a transaction are tables as well: the rows that it makes or replaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ledger::{CounterKey, CounterState, Grant, Limit, MemberKey};
use runtime::outbox::NewEvent as Warning;
use types::id::{CustomerId, EndUserId, FeatureId, GrantId, HoldId, UsageBatchId, UsageEventId};

use crate::Shop;
use crate::usage::EventSource;
use crate::usage::store::{ChargedPart, DimensionValue, NewEvent, Replay, StoredHold};

/// What a plan gives, feature by feature; what is missing it does not give.
pub(super) type Plan = HashMap<FeatureId, Limit>;

/// What is folded together: events of one feature, customer, stretch of time and dimensions.
pub(super) type Group = (Shop, FeatureId, CustomerId, i64, String);

#[derive(Debug, Clone)]
pub(super) struct CustomerRow {
    pub external_id: String,
    pub version: i64,
    pub is_archived: bool,
    /// Every plan that the customer had, and since which commit; the last is that of now.
    pub plans: Vec<(u64, Arc<Plan>)>,
}

#[derive(Debug, Clone)]
pub(super) struct GrantRow {
    pub grant: Grant,
    pub customer: CustomerId,
    pub feature: FeatureId,
    pub is_closed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct EventRow {
    pub event: NewEvent,
    /// What corrections have left of it.
    pub left: Vec<ChargedPart>,
}

/// Usage of an hour or a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fold {
    pub amount: i64,
    pub events: i64,
    pub highest: i64,
}

#[derive(Default)]
pub(super) struct Tables {
    pub customers: BTreeMap<(Shop, CustomerId), CustomerRow>,
    pub end_users: BTreeMap<(Shop, CustomerId, String), EndUserId>,
    pub counters: BTreeMap<CounterKey, CounterState>,
    pub members: BTreeSet<MemberKey>,
    pub grants: BTreeMap<(Shop, GrantId), GrantRow>,
    pub holds: BTreeMap<(Shop, HoldId), StoredHold>,
    pub events: BTreeMap<(Shop, UsageEventId), EventRow>,
    pub replays: BTreeMap<(Shop, String), Replay>,
    pub batches: BTreeSet<UsageBatchId>,
    pub values: BTreeSet<DimensionValue>,
    pub hours: BTreeMap<Group, Fold>,
    pub days: BTreeMap<Group, Fold>,
    pub warnings: Vec<(Shop, Warning)>,
}

pub(super) const HOUR_MICROS: i64 = 3_600_000_000;
pub(super) const DAY_MICROS: i64 = 24 * HOUR_MICROS;

impl CustomerRow {
    pub(super) fn plan(&self) -> Arc<Plan> {
        self.plans
            .last()
            .map(|(_, plan)| plan.clone())
            .unwrap_or_default()
    }
}

impl Fold {
    /// With one more event.
    pub(super) fn with(before: Option<Fold>, event: &NewEvent) -> Fold {
        let before = before.unwrap_or(Fold {
            amount: 0,
            events: 0,
            highest: i64::MIN,
        });
        let is_correction = event.source == EventSource::Correction;
        Fold {
            amount: before.amount + if event.is_value { 0 } else { event.amount },
            events: before.events + i64::from(!is_correction),
            highest: before.highest.max(event.amount),
        }
    }
}

/// Where an event is folded into, by stretches of `step` microseconds.
pub(super) fn group_of(event: &NewEvent, step: i64) -> Group {
    let start = event.occurred_at.as_micros().div_euclid(step) * step;
    (
        event.shop,
        event.feature,
        event.customer,
        start,
        event.dimensions.clone(),
    )
}

impl Tables {
    /// The folds by stretches of that length: an hour or a day.
    pub(super) fn folds(&self, step: i64) -> &BTreeMap<Group, Fold> {
        if step == HOUR_MICROS {
            &self.hours
        } else {
            &self.days
        }
    }

    pub(super) fn folds_mut(&mut self, step: i64) -> &mut BTreeMap<Group, Fold> {
        if step == HOUR_MICROS {
            &mut self.hours
        } else {
            &mut self.days
        }
    }

    /// Takes over what a transaction wrote.
    pub(super) fn absorb(&mut self, writes: Tables) {
        self.customers.extend(writes.customers);
        self.end_users.extend(writes.end_users);
        self.counters.extend(writes.counters);
        self.members.extend(writes.members);
        self.grants.extend(writes.grants);
        self.holds.extend(writes.holds);
        self.events.extend(writes.events);
        self.replays.extend(writes.replays);
        self.batches.extend(writes.batches);
        self.values.extend(writes.values);
        self.hours.extend(writes.hours);
        self.days.extend(writes.days);
        self.warnings.extend(writes.warnings);
    }
}
