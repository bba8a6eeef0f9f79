//! What is remembered from batch to batch: for as long as a customer's version says that nothing has changed.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::Anchor;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use types::id::{CustomerId, FeatureId, GrantId};

use super::super::store::DimensionValue;
use crate::Shop;
use crate::entitlements::Holdings;
use crate::features::Feature;

/// Customers whose rights are remembered.
const MAX_CUSTOMERS: u64 = 100_000;
const MAX_FEATURES: u64 = 10_000;
const MAX_VALUES: u64 = 100_000;
/// What a customer may use, as of one version of it.
#[derive(Debug)]
pub(in crate::usage) struct Known {
    pub id: CustomerId,
    pub(super) version: i64,
    pub is_archived: bool,
    pub anchor: Anchor,
    pub holdings: Holdings,
    pub(super) grants: HashMap<FeatureId, Vec<GrantId>>,
}

impl Known {
    /// Grants that may pay for the feature now or later.
    pub(in crate::usage) fn grants(&self, feature: FeatureId) -> Vec<GrantId> {
        self.grants.get(&feature).cloned().unwrap_or_default()
    }
}

/// What is remembered from batch to batch.
pub(in crate::usage) struct Memory {
    pub(super) customers: Cache<(Shop, CustomerId), Arc<Known>>,
    /// How a feature counts never changes, nor does its key.
    pub(super) features: Cache<(Shop, String), Arc<Feature>>,
    pub(super) features_by_id: Cache<(Shop, FeatureId), Arc<Feature>>,
    /// Values that dimensions have had.
    pub(super) values: Cache<DimensionValue, ()>,
}

impl Default for Memory {
    fn default() -> Self {
        fn cache<K, V>(most: u64) -> Cache<K, V>
        where
            K: std::hash::Hash + Eq + Send + Sync + 'static,
            V: Clone + Send + Sync + 'static,
        {
            Cache::builder()
                .max_capacity(most)
                .eviction_policy(EvictionPolicy::lru())
                .build()
        }
        Memory {
            customers: cache(MAX_CUSTOMERS),
            features: cache(MAX_FEATURES),
            features_by_id: cache(MAX_FEATURES),
            values: cache(MAX_VALUES),
        }
    }
}
