//! Holds.

use std::collections::BTreeSet;

use ledger::{Charge, HoldStatus, Limit, Meter, Scale};
use serde::{Deserialize, Serialize};
use storage::{Row, Scope, System, Tenant, Tx, Value, dialect, params};
use types::id::{CustomerId, EndUserId, FeatureId, HoldId};
use types::{Error, Page, PageRequest, Result, Timestamp};

use super::super::commit::{Metered, ReadyUse};
use crate::{Shop, cursor, numbered};

/// A hold, and what it is of.
#[derive(Debug, Clone)]
pub(in crate::usage) struct StoredHold {
    pub shop: Shop,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: FeatureId,
    pub dimensions: String,
    pub hold: ledger::Hold,
    terms: Terms,
}

/// What is needed to charge more than was held, and to show it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Terms {
    scale: Scale,
    feature_key: String,
    /// One for each part of the hold.
    charges: Vec<Term>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Term {
    meter: Meter,
    limit: Limit,
    period_end: Option<Timestamp>,
}

impl StoredHold {
    pub(in crate::usage) fn new(shop: Shop, ready: &ReadyUse, metered: &Metered, hold: ledger::Hold) -> Self {
        let charges = ready.request.charges.iter().map(|charge| Term {
            meter: charge.meter,
            limit: charge.limit.clone(),
            period_end: charge.period_end,
        });
        StoredHold {
            shop,
            customer: ready.customer,
            end_user: ready.end_user,
            feature: metered.feature.id,
            dimensions: ready.dimensions.clone(),
            hold,
            terms: Terms {
                scale: metered.scale(),
                feature_key: metered.feature.key.clone(),
                charges: charges.collect(),
            },
        }
    }

    /// The same, as the hold is now.
    pub(in crate::usage) fn now(&self, hold: ledger::Hold) -> Self {
        StoredHold { hold, ..self.clone() }
    }

    /// A charge for each part, with the limits that were when the units were held.
    pub(in crate::usage) fn charges(&self) -> Vec<Charge> {
        let parts = self.hold.parts.iter().zip(&self.terms.charges);
        parts
            .map(|(part, term)| Charge {
                key: part.key,
                period_end: term.period_end,
                meter: term.meter,
                limit: term.limit.clone(),
                grants: Vec::new(),
            })
            .collect()
    }

    pub(in crate::usage) fn scale(&self) -> Scale {
        self.terms.scale
    }

    pub(in crate::usage) fn feature_key(&self) -> &str {
        &self.terms.feature_key
    }
}

const KEYS: &str = "WITH k (n, workspace_id, platform_id, mode, hold_id) AS (VALUES";
macro_rules! select_holds {
    ($lock:literal) => {
        concat!(
            ") SELECT k.n, h.* FROM k CROSS JOIN holds h
            WHERE h.workspace_id = k.workspace_id AND h.platform_id = k.platform_id AND h.mode = k.mode
                AND h.hold_id = k.hold_id",
            $lock
        )
    };
}
const HOLDS: &str = select_holds!("");
const HOLDS_LOCKED: &str = select_holds!(" ORDER BY k.n FOR UPDATE OF h");

fn key_values((shop, hold): &(Shop, HoldId)) -> Vec<Value> {
    params![shop.workspace, shop.platform, shop.mode, *hold]
}

/// Those of the holds that are there, locked until the transaction ends.
pub(in crate::usage) async fn lock_holds(
    tx: &mut Tx<System>,
    holds: &BTreeSet<(Shop, HoldId)>,
) -> Result<Vec<StoredHold>> {
    let holds: Vec<(Shop, HoldId)> = holds.iter().copied().collect();
    let select = dialect!(tx, sqlite: HOLDS, postgres: HOLDS_LOCKED);
    let rows = tx
        .fetch_rows(KEYS, numbered::rows(&holds, key_values), select)
        .await?;
    rows.iter().map(hold).collect()
}

const FIND: &str =
    "SELECT * FROM holds WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND hold_id = $4";

pub(in crate::usage) async fn find_hold<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    id: HoldId,
) -> Result<Option<StoredHold>> {
    let row = tx.fetch_optional(FIND, key_values(&(shop, id))).await?;
    row.as_ref().map(hold).transpose()
}

const LIST: &str = "SELECT * FROM holds
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND hold_id < $4
        AND ($5 = 0 OR customer_id = $6) AND ($7 = 0 OR status = 'open')
    ORDER BY hold_id DESC LIMIT $8";

/// Newest first, of one customer if one is named.
pub(in crate::usage) async fn list_holds(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: Option<CustomerId>,
    open_only: bool,
    page: &PageRequest,
) -> Result<Page<StoredHold>> {
    let before: HoldId = cursor::before(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        before,
        i64::from(customer.is_some()),
        customer.map_or(uuid::Uuid::nil(), |id| id.uuid()),
        i64::from(open_only),
        page.limit + 1,
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let holds = rows.iter().map(hold).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(holds, page.limit, |stored: &StoredHold| {
        stored.hold.id.to_string()
    }))
}

const OVERDUE: &str = "SELECT workspace_id, platform_id, mode, hold_id FROM holds
    WHERE status = 'open' AND expires_at <= $1 ORDER BY expires_at LIMIT $2";

/// Open holds whose time is over, the oldest first.
pub(in crate::usage) async fn overdue_holds(
    tx: &mut Tx<System>,
    now: Timestamp,
    most: u32,
) -> Result<Vec<(Shop, HoldId)>> {
    let rows = tx.fetch_all(OVERDUE, params![now, most]).await?;
    rows.iter()
        .map(|row| Ok((shop(row)?, row.get("hold_id")?)))
        .collect()
}

const WRITE: &str =
    "INSERT INTO holds (workspace_id, platform_id, mode, hold_id, customer_id, end_user_id, feature_id, dimensions,
        status, amount, settled, overrun, parts, charges, created_at, expires_at) VALUES";

pub(in crate::usage) async fn insert_holds(tx: &mut Tx<System>, holds: &[StoredHold]) -> Result<()> {
    let mut rows = Vec::with_capacity(holds.len());
    for stored in holds {
        let hold = &stored.hold;
        rows.push(params![
            stored.shop.workspace,
            stored.shop.platform,
            stored.shop.mode,
            hold.id,
            stored.customer,
            stored.end_user,
            stored.feature,
            &stored.dimensions,
            hold.status.as_str(),
            hold.amount,
            hold.settled,
            hold.overrun,
            json(&hold.parts)?,
            json(&stored.terms)?,
            hold.created_at,
            hold.expires_at,
        ]);
    }
    tx.insert_rows(WRITE, rows, "").await.map(drop)
}

const UPDATE: &str = "UPDATE holds SET status = $5, settled = $6, overrun = $7, parts = $8
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND hold_id = $4";

/// Writes a hold that was locked.
pub(in crate::usage) async fn write_hold(tx: &mut Tx<System>, shop: Shop, hold: &ledger::Hold) -> Result<()> {
    let mut params = key_values(&(shop, hold.id));
    params.extend(params![
        hold.status.as_str(),
        hold.settled,
        hold.overrun,
        json(&hold.parts)?
    ]);
    tx.execute(UPDATE, params).await.map(drop)
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

fn shop(row: &Row) -> Result<Shop> {
    Ok(Shop {
        workspace: row.get("workspace_id")?,
        platform: row.get("platform_id")?,
        mode: row.get("mode")?,
    })
}

fn hold(row: &Row) -> Result<StoredHold> {
    let parts: String = row.get("parts")?;
    let terms: String = row.get("charges")?;
    let status: String = row.get("status")?;
    let status = [
        HoldStatus::Open,
        HoldStatus::Settled,
        HoldStatus::Released,
        HoldStatus::Expired,
    ]
    .into_iter()
    .find(|known| known.as_str() == status);
    Ok(StoredHold {
        shop: shop(row)?,
        customer: row.get("customer_id")?,
        end_user: row.get("end_user_id")?,
        feature: row.get("feature_id")?,
        dimensions: row.get("dimensions")?,
        hold: ledger::Hold {
            id: row.get("hold_id")?,
            status: status.ok_or_else(|| Error::internal("a hold with an unknown status"))?,
            amount: row.get("amount")?,
            settled: row.get("settled")?,
            overrun: row.get("overrun")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            parts: serde_json::from_str(&parts).map_err(Error::internal)?,
        },
        terms: serde_json::from_str(&terms).map_err(Error::internal)?,
    })
}
