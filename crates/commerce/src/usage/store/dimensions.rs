//! Values that dimensions have had.

use std::collections::BTreeSet;

use storage::{System, Tx, Value, params};
use types::id::FeatureId;
use types::{Result, Timestamp};

use crate::{Shop, numbered};

/// One value of one dimension of a feature.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::usage) struct DimensionValue {
    pub shop: Shop,
    pub feature: FeatureId,
    pub name: String,
    pub value: String,
}

fn values_of(value: &DimensionValue) -> Vec<Value> {
    params![
        value.shop.workspace,
        value.shop.platform,
        value.shop.mode,
        value.feature,
        &value.name,
        &value.value
    ]
}

const KEYS: &str =
    "WITH k (n, workspace_id, platform_id, mode, feature_id, dimension, dimension_value) AS (VALUES";
const FIND: &str = ") SELECT k.n FROM k CROSS JOIN dimension_values v
    WHERE v.workspace_id = k.workspace_id AND v.platform_id = k.platform_id AND v.mode = k.mode
        AND v.feature_id = k.feature_id AND v.dimension = k.dimension AND v.dimension_value = k.dimension_value";

/// Those of the values that there have been before.
pub(in crate::usage) async fn find_values(
    tx: &mut Tx<System>,
    values: &BTreeSet<DimensionValue>,
) -> Result<Vec<DimensionValue>> {
    let values: Vec<DimensionValue> = values.iter().cloned().collect();
    let rows = tx
        .fetch_rows(KEYS, numbered::rows(&values, values_of), FIND)
        .await?;
    let found = numbered::found(values.len(), &rows, |_| Ok(()))?;
    Ok(values
        .into_iter()
        .zip(found)
        .filter_map(|(value, found)| found.map(|()| value))
        .collect())
}

const COUNT: &str = "SELECT COUNT(*) AS n FROM dimension_values
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4 AND dimension = $5";

/// How many values the dimension of this one has had.
pub(in crate::usage) async fn count_values(tx: &mut Tx<System>, value: &DimensionValue) -> Result<i64> {
    let mut params = values_of(value);
    params.truncate(5);
    tx.fetch_one(COUNT, params).await?.get("n")
}

const INSERT: &str = "INSERT INTO dimension_values
    (workspace_id, platform_id, mode, feature_id, dimension, dimension_value, first_seen_at) VALUES";

/// In their order, so that two nodes write them in the same order.
pub(in crate::usage) async fn insert_values(
    tx: &mut Tx<System>,
    values: &BTreeSet<DimensionValue>,
    now: Timestamp,
) -> Result<()> {
    let rows = values.iter().map(|value| {
        let mut row = values_of(value);
        row.push(Value::from(now));
        row
    });
    tx.insert_rows(INSERT, rows.collect(), "ON CONFLICT DO NOTHING")
        .await
        .map(drop)
}
