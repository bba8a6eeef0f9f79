//! The table `features`.

use ledger::{Aggregation, Meter, PeriodKind, Scale};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::{Row, Scope, Tenant, Tx, params};
use types::id::FeatureId;
use types::{Error, Page, PageRequest, Result};

use super::{Feature, FeatureKind};
use crate::{Shop, cursor, numbered};

const INSERT: &str =
    "INSERT INTO features (workspace_id, platform_id, mode, feature_id, feature_key, name, kind, unit,
        aggregation, scale, period, dimensions, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";

/// False, when the shop has a feature with this key already.
pub(crate) async fn insert(tx: &mut Tx<Tenant>, shop: Shop, feature: &Feature) -> Result<bool> {
    let meter = feature.meter.as_ref();
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        feature.id,
        &feature.key,
        &feature.name,
        feature.kind.as_str(),
        feature.unit.clone(),
        meter.map(|meter| text(&meter.aggregation)).transpose()?,
        meter.map(|meter| i64::from(meter.scale.places())),
        meter.map(|meter| text(&meter.period)).transpose()?,
        text(&feature.dimensions)?,
        feature.created_at,
    ];
    Ok(tx.execute(INSERT, params).await? == 1)
}

const FIND: &str = "SELECT * FROM features
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4";

/// The feature with that id, archived or not.
pub(crate) async fn find<S: Scope>(tx: &mut Tx<S>, shop: Shop, id: FeatureId) -> Result<Option<Feature>> {
    let params = params![shop.workspace, shop.platform, shop.mode, id];
    let row = tx.fetch_optional(FIND, params).await?;
    row.as_ref().map(feature).transpose()
}

const FIND_BY_KEY: &str = "SELECT * FROM features
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_key = $4";

/// The shop's feature with that key, archived or not; none when there is no such.
pub async fn by_key<S: Scope>(tx: &mut Tx<S>, shop: Shop, key: &str) -> Result<Option<Feature>> {
    let params = params![shop.workspace, shop.platform, shop.mode, key];
    let row = tx.fetch_optional(FIND_BY_KEY, params).await?;
    row.as_ref().map(feature).transpose()
}

const KEYS: &str = "WITH k (n, workspace_id, platform_id, mode, feature_key) AS (VALUES";
const BY_KEYS: &str = ") SELECT k.n, f.* FROM k CROSS JOIN features f
    WHERE f.workspace_id = k.workspace_id AND f.platform_id = k.platform_id AND f.mode = k.mode
        AND f.feature_key = k.feature_key";

/// As [`by_key`], for many.
pub(crate) async fn by_keys<S: Scope>(
    tx: &mut Tx<S>,
    features: &[(Shop, &str)],
) -> Result<Vec<Option<Feature>>> {
    let keys = numbered::rows(features, |(shop, key)| {
        params![shop.workspace, shop.platform, shop.mode, *key]
    });
    let rows = tx.fetch_rows(KEYS, keys, BY_KEYS).await?;
    numbered::found(features.len(), &rows, feature)
}

const LIST: &str = "SELECT * FROM features
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id > $4 AND ($5 OR archived_at IS NULL)
    ORDER BY feature_id LIMIT $6";

pub(super) async fn list(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Feature>> {
    let after: FeatureId = cursor::after(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        after,
        with_archived,
        page.limit + 1
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let features = rows.iter().map(feature).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(features, page.limit, |feature: &Feature| {
        feature.id.to_string()
    }))
}

const ALL: &str = "SELECT * FROM features
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 ORDER BY feature_id";

/// Every feature of the shop, archived or not: for reading a plan or the catalogue against them.
pub(crate) async fn all<S: Scope>(tx: &mut Tx<S>, shop: Shop) -> Result<Vec<Feature>> {
    let params = params![shop.workspace, shop.platform, shop.mode];
    let rows = tx.fetch_all(ALL, params).await?;
    rows.iter().map(feature).collect()
}

const UPDATE: &str = "UPDATE features SET name = $5, unit = $6, archived_at = $7
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4";

/// Writes what of a feature can change.
pub(crate) async fn update(tx: &mut Tx<Tenant>, shop: Shop, feature: &Feature) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        feature.id,
        &feature.name,
        feature.unit.clone(),
        feature.archived_at
    ];
    tx.execute(UPDATE, params).await.map(drop)
}

/// The feature of a row that has all columns of the table.
pub(crate) fn feature(row: &Row) -> Result<Feature> {
    let kind = match row.get::<String>("kind")?.as_str() {
        "boolean" => FeatureKind::Boolean,
        "integer" => FeatureKind::Integer,
        "metered" => FeatureKind::Metered,
        other => return Err(Error::internal(format!("{other:?} is no kind of feature"))),
    };
    let meter = match kind {
        FeatureKind::Metered => Some(meter(row)?),
        FeatureKind::Boolean | FeatureKind::Integer => None,
    };
    Ok(Feature {
        id: row.get("feature_id")?,
        key: row.get("feature_key")?,
        name: row.get("name")?,
        kind,
        unit: row.get("unit")?,
        meter,
        dimensions: from_text(&row.get::<String>("dimensions")?)?,
        created_at: row.get("created_at")?,
        archived_at: row.get("archived_at")?,
    })
}

fn meter(row: &Row) -> Result<Meter> {
    let aggregation: Aggregation = from_text(&row.get::<String>("aggregation")?)?;
    let period: PeriodKind = from_text(&row.get::<String>("period")?)?;
    let places = u8::try_from(row.get::<i64>("scale")?).map_err(Error::internal)?;
    let scale = Scale::new(places).map_err(Error::internal)?;
    Meter::new(aggregation, scale, period).map_err(Error::internal)
}

/// The ledger's own JSON of an aggregation or a period.
fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

fn from_text<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::internal)
}
