//! The statements of the stores on the simulated tables. Each is a round trip: everybody else may go first, and the connection
//! may break. As under READ COMMITTED, each sees what was committed when it began, and rows that it locks as they are once it
//! has them.

use std::collections::{BTreeSet, HashSet};
use std::future::poll_fn;

use ledger::{CounterKey, CounterState, Grant, MemberKey};
use types::id::{
    CustomerId, EndUserId, FeatureId, GrantId, HoldId, NodeId, UsageBatchId, UsageEventId, WorkspaceId,
};
use types::{Result, Timestamp};
use uuid::Uuid;

use super::node::pause;
use super::server::{Lock, Shared, TxNo, lock};
use super::tables::{CustomerRow, Tables};
use super::{Break, world, writing};
use crate::Shop;
use crate::customers::store::Standing;
use crate::customers::{CustomerRef, EndUserRef, Reference};
use crate::entitlements::Holdings;
use crate::features::Feature;
use crate::gates::GateRow;
use crate::usage::EventSource;
use crate::usage::commit::{Purpose, Rows, Wanted, Writes};
use crate::usage::order::Order;
use crate::usage::store::{DimensionValue, Replay, StoredEvent, StoredHold};

/// The rows of one transaction.
pub(super) struct Statements {
    server: Shared,
    pub(super) no: TxNo,
}

impl Statements {
    pub(super) fn new(server: &Shared, no: TxNo) -> Self {
        Statements {
            server: server.clone(),
            no,
        }
    }

    pub(super) async fn round_trip(&self) -> Result<()> {
        pause().await;
        lock(&self.server).statement(self.no)
    }

    pub(super) async fn lock(&self, wanted: &Lock) -> Result<()> {
        poll_fn(|_| lock(&self.server).try_lock(self.no, wanted)).await
    }

    /// Looks at what is committed.
    pub(super) fn see<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&lock(&self.server).tables)
    }

    pub(super) fn put<T>(&self, add: impl FnOnce(&mut Tables) -> T) {
        lock(&self.server).write(self.no, add);
    }

    pub(super) fn is_broken(&self, broken: Break) -> bool {
        lock(&self.server).is_broken(broken)
    }

    pub(super) fn overtaken(&self) -> types::Error {
        lock(&self.server).overtaken(self.no)
    }

    pub(super) fn has_business_with(&self, shops: BTreeSet<Shop>) {
        lock(&self.server).has_business_with(self.no, shops);
    }

    /// Looks rows up that are there, and locks each before it is looked at, unless `unlocked`.
    async fn locked<K: Copy, T>(
        &self,
        keys: impl IntoIterator<Item = K>,
        unlocked: Break,
        lock: impl Fn(K) -> Lock,
        find: impl Fn(&Tables, K) -> Option<T>,
    ) -> Result<Vec<(K, Option<T>)>> {
        self.round_trip().await?;
        let keys = keys.into_iter();
        let there: Vec<(K, bool)> =
            self.see(|tables| keys.map(|key| (key, find(tables, key).is_some())).collect());
        let mut found = Vec::with_capacity(there.len());
        for (key, is_there) in there {
            if is_there && !self.is_broken(unlocked) {
                self.lock(&lock(key)).await?;
            }
            let row = self.see(|tables| find(tables, key).filter(|_| is_there));
            found.push((key, row));
        }
        Ok(found)
    }
}

fn standing(id: CustomerId, row: &CustomerRow) -> Standing {
    Standing {
        id,
        version: row.version,
        is_archived: row.is_archived,
        anchor: world::anchor(),
    }
}

impl Rows for Statements {
    async fn find_replays(&mut self, keys: &BTreeSet<(Shop, &str)>) -> Result<Vec<Replay>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.round_trip().await?;
        Ok(self.see(|tables| {
            let keys = keys.iter().map(|(shop, key)| (*shop, (*key).to_owned()));
            keys.filter_map(|key| tables.replays.get(&key).cloned()).collect()
        }))
    }

    async fn lock_events(&mut self, events: &BTreeSet<(Shop, UsageEventId)>) -> Result<Vec<StoredEvent>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let find = |tables: &Tables, (shop, id): (Shop, UsageEventId)| {
            let row = tables.events.get(&(shop, id))?;
            let event = &row.event;
            Some(StoredEvent {
                shop,
                id,
                customer: event.customer,
                end_user: event.end_user,
                feature: event.feature,
                dimensions: event.dimensions.clone(),
                is_correction: event.source == EventSource::Correction,
                occurred_at: event.occurred_at,
                parts: row.left.clone(),
            })
        };
        let lock = |(shop, id)| Lock::Event(shop, id);
        let found = self
            .locked(events.iter().copied(), Break::EventsUnlocked, lock, find)
            .await?;
        Ok(found.into_iter().filter_map(|(_, event)| event).collect())
    }

    async fn lock_holds(&mut self, holds: &BTreeSet<(Shop, HoldId)>) -> Result<Vec<StoredHold>> {
        if holds.is_empty() {
            return Ok(Vec::new());
        }
        let find = |tables: &Tables, key: (Shop, HoldId)| tables.holds.get(&key).cloned();
        let lock = |(shop, id)| Lock::Hold(shop, id);
        let found = self
            .locked(holds.iter().copied(), Break::HoldsUnlocked, lock, find)
            .await?;
        Ok(found.into_iter().filter_map(|(_, hold)| hold).collect())
    }

    async fn standings(&mut self, customers: &[(Shop, &CustomerRef)]) -> Result<Vec<Option<Standing>>> {
        self.round_trip().await?;
        let find = |tables: &Tables, shop: Shop, named: &CustomerRef| {
            let of_shop =
                (shop, CustomerId::from_uuid(Uuid::nil()))..=(shop, CustomerId::from_uuid(Uuid::max()));
            let mut rows = tables.customers.range(of_shop);
            let is_named = |(key, row): &(&(Shop, CustomerId), &CustomerRow)| match named {
                Reference::Id(id) => key.1 == *id,
                Reference::External(external_id) => row.external_id == *external_id,
            };
            rows.find(is_named).map(|((_, id), row)| standing(*id, row))
        };
        Ok(self.see(|tables| {
            let found = customers.iter().map(|(shop, named)| find(tables, *shop, named));
            found.collect()
        }))
    }

    async fn holdings(&mut self, customers: &[(Shop, CustomerId)]) -> Result<Vec<Holdings>> {
        self.round_trip().await?;
        Ok(self.see(|tables| {
            let rows = customers.iter().map(|key| tables.customers.get(key));
            let plans = rows.map(|row| row.map(CustomerRow::plan).unwrap_or_default());
            plans.map(|plan| Holdings::of_one_plan((*plan).clone())).collect()
        }))
    }

    async fn live_grants(
        &mut self,
        customers: &[(Shop, CustomerId)],
        at: Timestamp,
    ) -> Result<Vec<(Shop, CustomerId, FeatureId, GrantId)>> {
        self.round_trip().await?;
        Ok(self.see(|tables| {
            let live = tables.grants.iter().filter(|((shop, _), row)| {
                let grant = &row.grant;
                customers.contains(&(*shop, row.customer))
                    && !row.is_closed
                    && grant.used < grant.amount
                    && grant.expires_at.is_none_or(|end| at < end)
            });
            live.map(|((shop, id), row)| (*shop, row.customer, row.feature, *id))
                .collect()
        }))
    }

    async fn features_by_key(&mut self, features: &[(Shop, &str)]) -> Result<Vec<Option<Feature>>> {
        if !features.is_empty() {
            self.round_trip().await?;
        }
        Ok(features.iter().map(|(_, key)| world::feature(key)).collect())
    }

    async fn feature(&mut self, _: Shop, id: FeatureId) -> Result<Option<Feature>> {
        self.round_trip().await?;
        Ok(world::feature_by_id(id))
    }

    async fn gates(&mut self, workspaces: &[WorkspaceId], feature_key: &str) -> Result<Vec<Option<GateRow>>> {
        if !workspaces.is_empty() {
            self.round_trip().await?;
        }
        let row = |workspace: &WorkspaceId| {
            Some(GateRow {
                feature_key: feature_key.to_owned(),
                amount: world::gate_of(*workspace),
                plan_key: "free".to_owned(),
            })
        };
        Ok(workspaces.iter().map(row).collect())
    }

    async fn end_users(
        &mut self,
        end_users: &[(Shop, CustomerId, &EndUserRef)],
    ) -> Result<Vec<Option<EndUserId>>> {
        if !end_users.is_empty() {
            self.round_trip().await?;
        }
        let server = lock(&self.server);
        let own = server.own_writes(self.no);
        let find = |(shop, customer, named): &(Shop, CustomerId, &EndUserRef)| match named {
            Reference::Id(id) => Some(*id),
            Reference::External(text) => {
                let key = (*shop, *customer, text.clone());
                let committed = server.tables.end_users.get(&key);
                committed.or_else(|| own?.end_users.get(&key)).copied()
            }
        };
        Ok(end_users.iter().map(find).collect())
    }

    async fn make_end_users(
        &mut self,
        end_users: &BTreeSet<(Shop, CustomerId, &str)>,
        _: Timestamp,
    ) -> Result<()> {
        self.round_trip().await?;
        for (shop, customer, name) in end_users {
            let key = (*shop, *customer, (*name).to_owned());
            self.lock(&Lock::EndUser(key.0, key.1, key.2.clone())).await?;
            if !self.see(|tables| tables.end_users.contains_key(&key)) {
                let id = world::end_user_id(*customer, name);
                self.put(|writes| writes.end_users.insert(key, id));
            }
        }
        Ok(())
    }

    async fn find_values(&mut self, values: &BTreeSet<DimensionValue>) -> Result<Vec<DimensionValue>> {
        self.round_trip().await?;
        Ok(self.see(|tables| values.intersection(&tables.values).cloned().collect()))
    }

    async fn count_values(&mut self, value: &DimensionValue) -> Result<i64> {
        self.round_trip().await?;
        let is_same = |other: &&DimensionValue| {
            (other.shop, other.feature, &other.name) == (value.shop, value.feature, &value.name)
        };
        Ok(self.see(|tables| tables.values.iter().filter(is_same).count() as i64))
    }

    async fn load_counters(
        &mut self,
        keys: &BTreeSet<CounterKey>,
        _: Purpose,
    ) -> Result<Vec<(CounterKey, Option<CounterState>)>> {
        let mixed = self.is_broken(Break::ShopsMixed);
        let stored = |key: CounterKey| if mixed { writing::mixed(key) } else { key };
        let find = |tables: &Tables, key: CounterKey| tables.counters.get(&stored(key)).cloned();
        let lock = |key| Lock::Counter(stored(key));
        self.locked(keys.iter().copied(), Break::CountersUnguarded, lock, find)
            .await
    }

    async fn find_members(&mut self, members: &BTreeSet<MemberKey>) -> Result<HashSet<MemberKey>> {
        self.round_trip().await?;
        Ok(self.see(|tables| members.intersection(&tables.members).copied().collect()))
    }

    async fn load_grants(&mut self, grants: &[(Shop, GrantId)], _: Purpose) -> Result<Vec<(Shop, Grant)>> {
        let find = |tables: &Tables, key: (Shop, GrantId)| {
            let row = tables.grants.get(&key)?;
            let mut grant = row.grant.clone();
            if row.is_closed {
                grant.expires_at = Some(grant.effective_at);
            }
            Some(grant)
        };
        let lock = |(shop, id)| Lock::Grant(shop, id);
        let found = self
            .locked(grants.iter().copied(), Break::GrantsUnlocked, lock, find)
            .await?;
        Ok(found
            .into_iter()
            .filter_map(|((shop, _), grant)| Some((shop, grant?)))
            .collect())
    }

    async fn write(
        &mut self,
        _: UsageBatchId,
        writes: Writes,
        wanted: &Wanted,
        orders: &[Order],
        _: Timestamp,
    ) -> Result<()> {
        writing::write(self, writes, wanted, orders).await
    }

    async fn claim_batch(&mut self, batch: UsageBatchId, _: NodeId, _: Timestamp) -> Result<bool> {
        self.round_trip().await?;
        if self.is_broken(Break::BatchRowInvented) {
            return Ok(false);
        }
        if !self.is_broken(Break::BatchRowUnlocked) {
            self.lock(&Lock::Batch(batch)).await?;
        }
        let is_there = self.see(|tables| tables.batches.contains(&batch));
        if is_there && !self.is_broken(Break::BatchRowIgnored) {
            return Ok(false);
        }
        self.put(|writes| writes.batches.insert(batch));
        Ok(true)
    }
}
