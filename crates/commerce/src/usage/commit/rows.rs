//! What the group commit asks of a database, question by question. The databases that there are answer with the statements of
//! the stores; the simulation has one that breaks off, waits and forgets, and runs everything else of a batch as it is.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use ledger::{CounterKey, CounterState, MemberKey};
use runtime::App;
use storage::{System, Tx};
use types::id::{
    CustomerId, EndUserId, FeatureId, GrantId, HoldId, NodeId, UsageBatchId, UsageEventId, WorkspaceId,
};
use types::{Result, Timestamp};

use super::super::order::Order;
use super::super::store::{self, DimensionValue, Replay, StoredEvent, StoredHold};
use super::batch;
use super::config::Purpose;
use super::decide::Writes;
use super::ready::Wanted;
use super::system;
use crate::customers::store::Standing;
use crate::customers::{CustomerRef, EndUserRef, end_users};
use crate::entitlements::Holdings;
use crate::features::Feature;
use crate::gates::GateRow;
use crate::rate_limits::{self, RateLimits};
use crate::{Shop, customers, features, gates, grants};

/// A database, as one node reaches it, and the node's clock.
#[async_trait]
pub(in crate::usage) trait Database: Sync {
    type Tx: Rows;

    fn node(&self) -> NodeId;

    fn now(&self) -> Timestamp;

    /// The shop's rate limits, which may be some seconds old.
    async fn rate_limits(&self, shop: Shop) -> Result<Arc<RateLimits>>;

    /// Writes rows that `work` locks before it decides on them. It may run several times.
    ///
    /// # Errors
    /// Nothing was written, unless the error is `outcome_unknown`: the connection broke while committing.
    async fn write_locked<T, F, Fut>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: FnMut(Self::Tx) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send;
}

/// The rows of one transaction. What stands in the stores of the same functions holds here.
pub(in crate::usage) trait Rows: Send {
    fn find_replays(
        &mut self,
        keys: &BTreeSet<(Shop, &str)>,
    ) -> impl Future<Output = Result<Vec<Replay>>> + Send;

    fn lock_events(
        &mut self,
        events: &BTreeSet<(Shop, UsageEventId)>,
    ) -> impl Future<Output = Result<Vec<StoredEvent>>> + Send;

    fn lock_holds(
        &mut self,
        holds: &BTreeSet<(Shop, HoldId)>,
    ) -> impl Future<Output = Result<Vec<StoredHold>>> + Send;

    fn standings(
        &mut self,
        customers: &[(Shop, &CustomerRef)],
    ) -> impl Future<Output = Result<Vec<Option<Standing>>>> + Send;

    fn holdings(
        &mut self,
        customers: &[(Shop, CustomerId)],
    ) -> impl Future<Output = Result<Vec<Holdings>>> + Send;

    fn live_grants(
        &mut self,
        customers: &[(Shop, CustomerId)],
        at: Timestamp,
    ) -> impl Future<Output = Result<Vec<(Shop, CustomerId, FeatureId, GrantId)>>> + Send;

    fn features_by_key(
        &mut self,
        features: &[(Shop, &str)],
    ) -> impl Future<Output = Result<Vec<Option<Feature>>>> + Send;

    fn feature(&mut self, shop: Shop, id: FeatureId) -> impl Future<Output = Result<Option<Feature>>> + Send;

    fn gates(
        &mut self,
        workspaces: &[WorkspaceId],
        feature_key: &str,
    ) -> impl Future<Output = Result<Vec<Option<GateRow>>>> + Send;

    fn end_users(
        &mut self,
        end_users: &[(Shop, CustomerId, &EndUserRef)],
    ) -> impl Future<Output = Result<Vec<Option<EndUserId>>>> + Send;

    fn make_end_users(
        &mut self,
        end_users: &BTreeSet<(Shop, CustomerId, &str)>,
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    fn find_values(
        &mut self,
        values: &BTreeSet<DimensionValue>,
    ) -> impl Future<Output = Result<Vec<DimensionValue>>> + Send;

    fn count_values(&mut self, value: &DimensionValue) -> impl Future<Output = Result<i64>> + Send;

    fn load_counters(
        &mut self,
        keys: &BTreeSet<CounterKey>,
        purpose: Purpose,
    ) -> impl Future<Output = Result<Vec<(CounterKey, Option<CounterState>)>>> + Send;

    fn find_members(
        &mut self,
        members: &BTreeSet<MemberKey>,
    ) -> impl Future<Output = Result<HashSet<MemberKey>>> + Send;

    fn load_grants(
        &mut self,
        grants: &[(Shop, GrantId)],
        purpose: Purpose,
    ) -> impl Future<Output = Result<Vec<(Shop, ledger::Grant)>>> + Send;

    /// Writes what a batch came to.
    fn write(
        &mut self,
        batch: UsageBatchId,
        writes: Writes,
        wanted: &Wanted,
        orders: &[Order],
        now: Timestamp,
    ) -> impl Future<Output = Result<()>> + Send;

    fn claim_batch(
        &mut self,
        batch: UsageBatchId,
        node: NodeId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;
}

#[async_trait]
impl Database for App {
    type Tx = Tx<System>;

    fn node(&self) -> NodeId {
        App::node(self).id
    }

    fn now(&self) -> Timestamp {
        App::now(self)
    }

    async fn rate_limits(&self, shop: Shop) -> Result<Arc<RateLimits>> {
        let known = self.service::<rate_limits::Known>()?;
        known.of(self, shop).await
    }

    async fn write_locked<T, F, Fut>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: FnMut(Tx<System>) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.db().of(system(self)).write_locked(work).await
    }
}

impl Rows for Tx<System> {
    async fn find_replays(&mut self, keys: &BTreeSet<(Shop, &str)>) -> Result<Vec<Replay>> {
        store::find_replays(self, keys).await
    }

    async fn lock_events(&mut self, events: &BTreeSet<(Shop, UsageEventId)>) -> Result<Vec<StoredEvent>> {
        store::lock_events(self, events).await
    }

    async fn lock_holds(&mut self, holds: &BTreeSet<(Shop, HoldId)>) -> Result<Vec<StoredHold>> {
        store::lock_holds(self, holds).await
    }

    async fn standings(&mut self, customers: &[(Shop, &CustomerRef)]) -> Result<Vec<Option<Standing>>> {
        customers::store::standings(self, customers).await
    }

    async fn holdings(&mut self, customers: &[(Shop, CustomerId)]) -> Result<Vec<Holdings>> {
        Holdings::load_all(self, customers).await
    }

    async fn live_grants(
        &mut self,
        customers: &[(Shop, CustomerId)],
        at: Timestamp,
    ) -> Result<Vec<(Shop, CustomerId, FeatureId, GrantId)>> {
        grants::store::live_ids(self, customers, at).await
    }

    async fn features_by_key(&mut self, features: &[(Shop, &str)]) -> Result<Vec<Option<Feature>>> {
        features::store::by_keys(self, features).await
    }

    async fn feature(&mut self, shop: Shop, id: FeatureId) -> Result<Option<Feature>> {
        features::store::find(self, shop, id).await
    }

    async fn gates(&mut self, workspaces: &[WorkspaceId], feature_key: &str) -> Result<Vec<Option<GateRow>>> {
        gates::limits_of(self, workspaces, feature_key).await
    }

    async fn end_users(
        &mut self,
        end_users: &[(Shop, CustomerId, &EndUserRef)],
    ) -> Result<Vec<Option<EndUserId>>> {
        end_users::store::find_all(self, end_users).await
    }

    async fn make_end_users(
        &mut self,
        end_users: &BTreeSet<(Shop, CustomerId, &str)>,
        now: Timestamp,
    ) -> Result<()> {
        end_users::store::insert_missing(self, end_users, now).await
    }

    async fn find_values(&mut self, values: &BTreeSet<DimensionValue>) -> Result<Vec<DimensionValue>> {
        store::find_values(self, values).await
    }

    async fn count_values(&mut self, value: &DimensionValue) -> Result<i64> {
        store::count_values(self, value).await
    }

    async fn load_counters(
        &mut self,
        keys: &BTreeSet<CounterKey>,
        purpose: Purpose,
    ) -> Result<Vec<(CounterKey, Option<CounterState>)>> {
        store::load_counters(self, keys, purpose).await
    }

    async fn find_members(&mut self, members: &BTreeSet<MemberKey>) -> Result<HashSet<MemberKey>> {
        store::find_members(self, members).await
    }

    async fn load_grants(
        &mut self,
        grants: &[(Shop, GrantId)],
        purpose: Purpose,
    ) -> Result<Vec<(Shop, ledger::Grant)>> {
        match purpose {
            Purpose::Commit => grants::store::lock(self, grants).await,
            Purpose::Check => grants::store::read(self, grants).await,
        }
    }

    async fn write(
        &mut self,
        batch: UsageBatchId,
        writes: Writes,
        wanted: &Wanted,
        orders: &[Order],
        now: Timestamp,
    ) -> Result<()> {
        batch::write(self, batch, writes, wanted, orders, now).await
    }

    async fn claim_batch(&mut self, batch: UsageBatchId, node: NodeId, now: Timestamp) -> Result<bool> {
        store::claim_batch(self, batch, node, now).await
    }
}
