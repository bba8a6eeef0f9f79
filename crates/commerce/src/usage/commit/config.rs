//! What decides about an order beside the counters: the customer, the feature, limits, end users, values of dimensions. What
//! many orders of a batch name is asked for in one statement; and what customers may use is remembered from batch to batch,
//! for as long as their version says that nothing has changed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use types::id::{CustomerId, EndUserId, FeatureId, GrantId, HoldId, UsageEventId, WorkspaceId};
use types::{Error, Mode, Result, Timestamp};

use super::super::order::{Order, Settle, Use, Work};
use super::super::store::{DimensionValue, Replay, StoredEvent, StoredHold};
use super::memory::{Known, Memory};
use super::rows::Rows;
use crate::Shop;
use crate::catalogue::{PLATFORM_ZERO, SHOP_ZERO};
use crate::customers::store::Standing;
use crate::customers::{CustomerRef, EndUserRef};
use crate::features::Feature;
use crate::gates::GateRow;

/// The feature of platform zero that live calls on a workspace's own platforms use up.
pub(in crate::usage) const CALLS: &str = "commerce.calls";

/// The most values that one dimension of a feature can have.
pub(in crate::usage) const MAX_DIMENSION_VALUES: i64 = 1_000;

/// What was found for the orders of one batch. What is missing does not exist.
#[derive(Default)]
pub(in crate::usage) struct Config {
    customers: HashMap<(Shop, CustomerRef), Arc<Known>>,
    features: HashMap<(Shop, String), Arc<Feature>>,
    features_by_id: HashMap<(Shop, FeatureId), Arc<Feature>>,
    end_users: HashMap<(CustomerId, EndUserRef), EndUserId>,
    gates: HashMap<WorkspaceId, GateRow>,
    pub replays: HashMap<(Shop, String), Replay>,
    pub holds: HashMap<(Shop, HoldId), StoredHold>,
    pub events: HashMap<(Shop, UsageEventId), StoredEvent>,
    /// Values of dimensions that are new, and have room.
    pub new_values: BTreeSet<DimensionValue>,
    full_values: HashSet<DimensionValue>,
}

impl Config {
    pub(in crate::usage) fn customer(&self, shop: Shop, named: &CustomerRef) -> Result<&Arc<Known>> {
        let known = self.customers.get(&(shop, named.clone()));
        known.ok_or_else(|| Error::not_found("customer"))
    }

    pub(in crate::usage) fn feature(&self, shop: Shop, key: &str) -> Result<&Arc<Feature>> {
        let feature = self.features.get(&(shop, key.to_owned()));
        feature.ok_or_else(|| Error::not_found("feature"))
    }

    pub(in crate::usage) fn feature_by_id(&self, shop: Shop, id: FeatureId) -> Result<&Arc<Feature>> {
        let feature = self.features_by_id.get(&(shop, id));
        feature.ok_or_else(|| Error::internal(format!("the feature {id} of an event is not there")))
    }

    pub(in crate::usage) fn end_user(&self, customer: CustomerId, named: &EndUserRef) -> Result<EndUserId> {
        let found = self.end_users.get(&(customer, named.clone()));
        found.copied().ok_or_else(|| Error::not_found("end user"))
    }

    pub(in crate::usage) fn gate(&self, workspace: WorkspaceId) -> Option<&GateRow> {
        self.gates.get(&workspace)
    }

    /// Whether a value would be one too many.
    pub(in crate::usage) fn has_no_room(&self, value: &DimensionValue) -> bool {
        self.full_values.contains(value)
    }
}

/// Whether a workspace's own plan counts the calls of the shop.
pub(in crate::usage) fn is_gated(shop: Shop) -> bool {
    shop.mode == Mode::Live && shop.platform != PLATFORM_ZERO
}

/// Under which a workspace is a customer of platform zero.
pub(in crate::usage) fn buyer(workspace: WorkspaceId) -> CustomerRef {
    CustomerRef::External(workspace.to_string())
}

/// Whether a batch writes: a check makes nobody and locks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usage) enum Purpose {
    Commit,
    Check,
}

/// Finds what the orders name.
pub(in crate::usage) async fn load(
    tx: &mut impl Rows,
    memory: &Memory,
    orders: &[Order],
    purpose: Purpose,
    now: Timestamp,
) -> Result<Config> {
    let mut config = Config::default();
    load_replays(tx, &mut config, orders).await?;
    load_events_and_holds(tx, &mut config, orders, purpose).await?;
    load_customers(tx, memory, &mut config, orders, now).await?;
    load_features(tx, memory, &mut config, orders).await?;
    load_gates(tx, &mut config, orders).await?;
    load_end_users(tx, &mut config, orders, purpose, now).await?;
    load_values(tx, memory, &mut config, orders).await?;
    Ok(config)
}

fn uses(orders: &[Order]) -> impl Iterator<Item = (Shop, &Use)> {
    orders.iter().filter_map(|order| match &order.work {
        Work::Use(wanted) => Some((order.shop, &**wanted)),
        _ => None,
    })
}

async fn load_replays(tx: &mut impl Rows, config: &mut Config, orders: &[Order]) -> Result<()> {
    let keys: BTreeSet<(Shop, &str)> = orders
        .iter()
        .filter_map(|order| Some((order.shop, order.key.as_ref()?.text.as_str())))
        .collect();
    for replay in tx.find_replays(&keys).await? {
        config.replays.insert((replay.shop, replay.key.clone()), replay);
    }
    Ok(())
}

/// Locked in this order by every batch: events, holds, counters, grants; each kind in the order of its keys.
async fn load_events_and_holds(
    tx: &mut impl Rows,
    config: &mut Config,
    orders: &[Order],
    purpose: Purpose,
) -> Result<()> {
    let mut events = BTreeSet::new();
    let mut holds = BTreeSet::new();
    for order in orders {
        match &order.work {
            Work::Correct(wanted) => {
                events.insert((order.shop, wanted.event));
            }
            Work::Settle(Settle { hold, .. }) | Work::Release(hold) | Work::Expire(hold) => {
                holds.insert((order.shop, *hold));
            }
            Work::Use(_) => {}
        }
    }
    if purpose == Purpose::Check {
        return Ok(());
    }
    for event in tx.lock_events(&events).await? {
        config.events.insert((event.shop, event.id), event);
    }
    for hold in tx.lock_holds(&holds).await? {
        config.holds.insert((hold.shop, hold.hold.id), hold);
    }
    Ok(())
}

async fn load_customers(
    tx: &mut impl Rows,
    memory: &Memory,
    config: &mut Config,
    orders: &[Order],
    now: Timestamp,
) -> Result<()> {
    let mut named: HashSet<(Shop, CustomerRef)> = HashSet::new();
    for (shop, wanted) in uses(orders) {
        named.insert((shop, wanted.customer.clone()));
        if is_gated(shop) {
            named.insert((SHOP_ZERO, buyer(shop.workspace)));
        }
    }
    let events = config.events.values().map(|event| (event.shop, event.customer));
    let holds = config.holds.values().map(|hold| (hold.shop, hold.customer));
    for (shop, customer) in events.chain(holds) {
        named.insert((shop, CustomerRef::Id(customer)));
    }
    let named: Vec<(Shop, CustomerRef)> = named.into_iter().collect();
    let asked: Vec<(Shop, &CustomerRef)> = named.iter().map(|(shop, named)| (*shop, named)).collect();
    let standings = tx.standings(&asked).await?;
    let found: Vec<(Shop, CustomerRef, Standing)> = named
        .into_iter()
        .zip(standings)
        .filter_map(|((shop, named), standing)| Some((shop, named, standing?)))
        .collect();
    let stale = found
        .iter()
        .filter(|(shop, _, standing)| {
            let known = memory.customers.get(&(*shop, standing.id));
            known.is_none_or(|known| known.version != standing.version)
        })
        .map(|(shop, _, standing)| ((*shop, standing.id), standing))
        .collect();
    let mut fresh = remember(tx, memory, stale, now).await?;
    for (shop, named, standing) in found {
        let known = match fresh.get(&(shop, standing.id)) {
            Some(known) => known.clone(),
            None => match memory.customers.get(&(shop, standing.id)) {
                Some(known) => known,
                // Driven out of memory by others of this very batch.
                None => {
                    let one = HashMap::from([((shop, standing.id), &standing)]);
                    let again = remember(tx, memory, one, now).await?;
                    let known = again.into_values().next();
                    known.ok_or_else(|| Error::internal("what a customer may use was not loaded"))?
                }
            },
        };
        fresh.insert((shop, standing.id), known.clone());
        config.customers.insert((shop, named), known);
    }
    Ok(())
}

async fn remember(
    tx: &mut impl Rows,
    memory: &Memory,
    stale: HashMap<(Shop, CustomerId), &Standing>,
    now: Timestamp,
) -> Result<HashMap<(Shop, CustomerId), Arc<Known>>> {
    if stale.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<(Shop, CustomerId)> = stale.keys().copied().collect();
    let holdings = tx.holdings(&ids).await?;
    let mut of_customer: HashMap<(Shop, CustomerId), HashMap<FeatureId, Vec<GrantId>>> = HashMap::new();
    for (shop, customer, feature, grant) in tx.live_grants(&ids, now).await? {
        let of_feature = of_customer.entry((shop, customer)).or_default();
        of_feature.entry(feature).or_default().push(grant);
    }
    let mut fresh = HashMap::new();
    for (id, holdings) in ids.into_iter().zip(holdings) {
        let Some(standing) = stale.get(&id) else { continue };
        let known = Arc::new(Known {
            id: standing.id,
            version: standing.version,
            is_archived: standing.is_archived,
            anchor: standing.anchor.clone(),
            holdings,
            grants: of_customer.remove(&id).unwrap_or_default(),
        });
        memory.customers.insert(id, known.clone());
        fresh.insert(id, known);
    }
    Ok(fresh)
}

async fn load_features(
    tx: &mut impl Rows,
    memory: &Memory,
    config: &mut Config,
    orders: &[Order],
) -> Result<()> {
    let mut unknown = BTreeSet::new();
    let gated = uses(orders).any(|(shop, _)| is_gated(shop));
    let calls = gated.then_some((SHOP_ZERO, CALLS));
    let named = uses(orders).filter_map(|(shop, wanted)| Some((shop, wanted.feature.as_deref()?)));
    for (shop, key) in named.chain(calls) {
        let name = (shop, key.to_owned());
        if let Some(feature) = memory.features.get(&name) {
            config.features.insert(name, feature);
        } else {
            unknown.insert((shop, key));
        }
    }
    let unknown: Vec<(Shop, &str)> = unknown.into_iter().collect();
    let found = tx.features_by_key(&unknown).await?;
    for ((shop, key), feature) in unknown.into_iter().zip(found) {
        if let Some(feature) = feature.map(Arc::new) {
            memory.features.insert((shop, key.to_owned()), feature.clone());
            config.features.insert((shop, key.to_owned()), feature);
        }
    }
    let events = config.events.values().map(|event| (event.shop, event.feature));
    let holds = config.holds.values().map(|hold| (hold.shop, hold.feature));
    let by_id: BTreeSet<(Shop, FeatureId)> = events.chain(holds).collect();
    for (shop, id) in by_id {
        let feature = match memory.features_by_id.get(&(shop, id)) {
            Some(feature) => feature,
            None => match tx.feature(shop, id).await? {
                Some(feature) => Arc::new(feature),
                None => continue,
            },
        };
        memory.features_by_id.insert((shop, id), feature.clone());
        config.features_by_id.insert((shop, id), feature);
    }
    Ok(())
}

async fn load_gates(tx: &mut impl Rows, config: &mut Config, orders: &[Order]) -> Result<()> {
    let gated = uses(orders).filter(|(shop, _)| is_gated(*shop));
    let workspaces: BTreeSet<WorkspaceId> = gated.map(|(shop, _)| shop.workspace).collect();
    let workspaces: Vec<WorkspaceId> = workspaces.into_iter().collect();
    let rows = tx.gates(&workspaces, CALLS).await?;
    let found = workspaces.into_iter().zip(rows);
    config
        .gates
        .extend(found.filter_map(|(workspace, row)| Some((workspace, row?))));
    Ok(())
}

/// End users that calls name. One who is named by the seller's own id for the first time is made: sellers need not tell of
/// each before their first call. A check makes nobody, so a new one stands for an id that nothing is counted under.
async fn load_end_users(
    tx: &mut impl Rows,
    config: &mut Config,
    orders: &[Order],
    purpose: Purpose,
    now: Timestamp,
) -> Result<()> {
    let mut named: HashSet<(Shop, CustomerId, &EndUserRef)> = HashSet::new();
    for (shop, wanted) in uses(orders) {
        if let (Some(end_user), Ok(customer)) = (&wanted.end_user, config.customer(shop, &wanted.customer)) {
            named.insert((shop, customer.id, end_user));
        }
    }
    let named: Vec<_> = named.into_iter().collect();
    let mut found = tx.end_users(&named).await?;
    let missing: BTreeSet<(Shop, CustomerId, &str)> = named
        .iter()
        .zip(&found)
        .filter_map(|((shop, customer, named), found)| match (named, found) {
            (EndUserRef::External(text), None) => Some((*shop, *customer, text.as_str())),
            _ => None,
        })
        .collect();
    if !missing.is_empty() && purpose == Purpose::Commit {
        tx.make_end_users(&missing, now).await?;
        found = tx.end_users(&named).await?;
    }
    for ((_, customer, named), found) in named.into_iter().zip(found) {
        let id = match (named, found) {
            (_, Some(id)) => id,
            (EndUserRef::External(_), None) => EndUserId::generate(),
            (EndUserRef::Id(_), None) => continue,
        };
        config.end_users.insert((customer, named.clone()), id);
    }
    Ok(())
}

/// Values that dimensions have for the first time, as far as there is room for them.
async fn load_values(
    tx: &mut impl Rows,
    memory: &Memory,
    config: &mut Config,
    orders: &[Order],
) -> Result<()> {
    let mut unseen = BTreeSet::new();
    for (shop, wanted) in uses(orders) {
        let Some(Ok(feature)) = wanted.feature.as_deref().map(|key| config.feature(shop, key)) else {
            continue;
        };
        let declared = |name: &String| feature.dimensions.contains(name);
        for (name, value) in wanted.dimensions.iter().filter(|(name, _)| declared(name)) {
            let value = DimensionValue {
                shop,
                feature: feature.id,
                name: name.clone(),
                value: value.clone(),
            };
            if memory.values.get(&value).is_none() {
                unseen.insert(value);
            }
        }
    }
    if unseen.is_empty() {
        return Ok(());
    }
    for seen in tx.find_values(&unseen).await? {
        unseen.remove(&seen);
        memory.values.insert(seen, ());
    }
    let mut counts: HashMap<(FeatureId, String), i64> = HashMap::new();
    for value in unseen {
        let dimension = (value.feature, value.name.clone());
        let count = match counts.get(&dimension) {
            Some(count) => *count,
            None => tx.count_values(&value).await?,
        };
        if count < MAX_DIMENSION_VALUES {
            counts.insert(dimension, count + 1);
            config.new_values.insert(value);
        } else {
            counts.insert(dimension, count);
            config.full_values.insert(value);
        }
    }
    Ok(())
}
