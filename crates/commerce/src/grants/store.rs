//! The table `grants`.

use ledger::{Rollover, Scale};
use storage::{Row, System, Tenant, Tx, dialect, params};
use types::id::{CustomerId, FeatureId, GrantId};
use types::{Error, Page, PageRequest, Result, Timestamp};

use crate::{Shop, cursor};

/// A grant with its feature's key and scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GrantRow {
    /// As it was granted and used, whatever became of it.
    pub(super) state: ledger::Grant,
    pub(super) customer: CustomerId,
    /// The feature's key.
    pub(super) feature: String,
    pub(super) feature_id: FeatureId,
    pub(super) scale: Scale,
    pub(super) rollover: Option<Carry>,
    pub(super) rolled_to: Option<GrantId>,
    pub(super) reason: String,
    pub(super) created_at: Timestamp,
    pub(super) voided_at: Option<Timestamp>,
    /// When it was voided, or when its expiry was seen to.
    pub(super) closed_at: Option<Timestamp>,
}

/// What of a grant starts the next one, and how long that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carry {
    pub(super) rule: Rollover,
    /// None: it never expires.
    pub(super) lasts_secs: Option<u32>,
}

const INSERT: &str = "INSERT INTO grants (workspace_id, platform_id, mode, grant_id, customer_id, feature_id, amount, used,
        held, priority, effective_at, expires_at, rollover_min, rollover_max, rollover_secs, reason, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, $9, $10, $11, $12, $13, $14, $15)";

/// Writes a grant that nothing was taken from yet.
pub(super) async fn insert(tx: &mut Tx<Tenant>, shop: Shop, row: &GrantRow) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        row.state.id,
        row.customer,
        row.feature_id,
        row.state.amount,
        i64::from(row.state.priority),
        row.state.effective_at,
        row.state.expires_at,
        row.rollover.map(|carry| carry.rule.min),
        row.rollover.map(|carry| carry.rule.max),
        row.rollover.and_then(|carry| carry.lasts_secs),
        &row.reason,
        row.created_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

const CLOSE: &str = "UPDATE grants SET voided_at = $5, closed_at = $6, rolled_to = $7
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND grant_id = $4";

/// Writes what became of a grant that has ended.
pub(super) async fn close(tx: &mut Tx<Tenant>, shop: Shop, row: &GrantRow) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        row.state.id,
        row.voided_at,
        row.closed_at,
        row.rolled_to
    ];
    tx.execute(CLOSE, params).await.map(drop)
}

/// Grants with the keys and scales of their features.
macro_rules! select_grants {
    ($which:literal) => {
        concat!(
            "SELECT g.*, f.feature_key, f.scale FROM grants g
            JOIN features f ON f.workspace_id = g.workspace_id AND f.platform_id = g.platform_id
                AND f.mode = g.mode AND f.feature_id = g.feature_id
            WHERE g.workspace_id = $1 AND g.platform_id = $2 AND g.mode = $3 AND ",
            $which
        )
    };
}

const FIND: &str = select_grants!("g.grant_id = $4");
const FIND_LOCKED: &str = select_grants!("g.grant_id = $4 FOR UPDATE OF g");

pub(super) async fn find(tx: &mut Tx<Tenant>, shop: Shop, id: GrantId) -> Result<Option<GrantRow>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    let row = tx.fetch_optional(FIND, params).await?;
    row.as_ref().map(grant).transpose()
}

/// As [`find`], and nobody else changes it until the transaction ends. On SQLite the one writer is alone anyway.
pub(super) async fn lock_one(tx: &mut Tx<Tenant>, shop: Shop, id: GrantId) -> Result<Option<GrantRow>> {
    let sql = dialect!(tx, sqlite: FIND, postgres: FIND_LOCKED);
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    let row = tx.fetch_optional(sql, params).await?;
    row.as_ref().map(grant).transpose()
}

const LIST: &str = select_grants!(
    "g.customer_id = $4 AND g.grant_id < $5 AND ($6 OR g.feature_id = $7) ORDER BY g.grant_id DESC LIMIT $8"
);

/// A customer's, newest first; of one feature, if it is named.
pub(super) async fn list(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    feature: Option<FeatureId>,
    page: &PageRequest,
) -> Result<Page<GrantRow>> {
    let before: GrantId = cursor::before(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        customer,
        before,
        feature.is_none(),
        feature,
        page.limit + 1
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let rows = rows.iter().map(grant).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(rows, page.limit, |row: &GrantRow| {
        row.state.id.to_string()
    }))
}

const COUNT_OPEN: &str = "SELECT COUNT(*) AS n FROM grants
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 AND feature_id = $5
        AND closed_at IS NULL AND used < amount";

/// Grants of a customer and feature that have not ended and are not used up.
pub(super) async fn count_open(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    feature: FeatureId,
) -> Result<i64> {
    let params = params![tx.workspace(), shop.platform, shop.mode, customer, feature];
    tx.fetch_one(COUNT_OPEN, params).await?.get("n")
}

/// A row with its feature's key and scale.
fn grant(row: &Row) -> Result<GrantRow> {
    let places = u8::try_from(row.get::<i64>("scale")?).map_err(Error::internal)?;
    Ok(GrantRow {
        state: state(row)?,
        customer: row.get("customer_id")?,
        feature: row.get("feature_key")?,
        feature_id: row.get("feature_id")?,
        scale: Scale::new(places).map_err(Error::internal)?,
        rollover: carry(row)?,
        rolled_to: row.get("rolled_to")?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
        voided_at: row.get("voided_at")?,
        closed_at: row.get("closed_at")?,
    })
}

fn carry(row: &Row) -> Result<Option<Carry>> {
    let (Some(min), Some(max)) = (row.get("rollover_min")?, row.get("rollover_max")?) else {
        return Ok(None);
    };
    let lasts_secs = row.get::<Option<i64>>("rollover_secs")?.map(u32::try_from);
    Ok(Some(Carry {
        rule: Rollover { min, max },
        lasts_secs: lasts_secs.transpose().map_err(Error::internal)?,
    }))
}

fn state(row: &Row) -> Result<ledger::Grant> {
    Ok(ledger::Grant {
        id: row.get("grant_id")?,
        amount: row.get("amount")?,
        used: row.get("used")?,
        held: row.get("held")?,
        priority: i16::try_from(row.get::<i64>("priority")?).map_err(Error::internal)?,
        effective_at: row.get("effective_at")?,
        expires_at: row.get("expires_at")?,
    })
}

const CUSTOMERS: &str = "WITH k (workspace_id, platform_id, mode, customer_id, seen_at) AS (VALUES";
const LIVE: &str = ") SELECT g.workspace_id, g.platform_id, g.mode, g.customer_id, g.feature_id, g.grant_id
    FROM k CROSS JOIN grants g
    WHERE g.workspace_id = k.workspace_id AND g.platform_id = k.platform_id AND g.mode = k.mode
        AND g.customer_id = k.customer_id AND g.closed_at IS NULL AND g.used < g.amount
        AND (g.expires_at IS NULL OR g.expires_at > k.seen_at)";

/// The grants that calls of these customers may burn at that instant or later: neither ended nor used up. They stay those
/// until the customer's version is raised, one of them ends, or something is given back to one.
pub async fn live_ids(
    tx: &mut Tx<System>,
    customers: &[(Shop, CustomerId)],
    at: Timestamp,
) -> Result<Vec<(Shop, CustomerId, FeatureId, GrantId)>> {
    let keys = customers
        .iter()
        .map(|(shop, customer)| params![shop.workspace, shop.platform, shop.mode, *customer, at])
        .collect();
    let rows = tx.fetch_rows(CUSTOMERS, keys, LIVE).await?;
    rows.iter()
        .map(|row| {
            Ok((
                shop_of(row)?,
                row.get("customer_id")?,
                row.get("feature_id")?,
                row.get("grant_id")?,
            ))
        })
        .collect()
}

const GRANTS: &str = "WITH k (workspace_id, platform_id, mode, grant_id) AS (VALUES";
const WANTED: &str = ") SELECT g.* FROM k CROSS JOIN grants g
    WHERE g.workspace_id = k.workspace_id AND g.platform_id = k.platform_id AND g.mode = k.mode
        AND g.grant_id = k.grant_id
    ORDER BY g.workspace_id, g.platform_id, g.mode, g.grant_id";
const WANTED_LOCKED: &str = ") SELECT g.* FROM k CROSS JOIN grants g
    WHERE g.workspace_id = k.workspace_id AND g.platform_id = k.platform_id AND g.mode = k.mode
        AND g.grant_id = k.grant_id
    ORDER BY g.workspace_id, g.platform_id, g.mode, g.grant_id FOR UPDATE OF g";

/// These grants as the ledger sees them, locked in the order of their keys until the transaction ends. One that has ended
/// is effective at no instant: also a call that arrived before its end burns nothing of it, since what was left may have
/// rolled over. One that does not exist is left out.
pub async fn lock(tx: &mut Tx<System>, grants: &[(Shop, GrantId)]) -> Result<Vec<(Shop, ledger::Grant)>> {
    let wanted = dialect!(tx, sqlite: WANTED, postgres: WANTED_LOCKED);
    fetch(tx, grants, wanted).await
}

/// As [`lock`], for whoever only looks: nobody waits.
pub async fn read(tx: &mut Tx<System>, grants: &[(Shop, GrantId)]) -> Result<Vec<(Shop, ledger::Grant)>> {
    fetch(tx, grants, WANTED).await
}

async fn fetch(
    tx: &mut Tx<System>,
    grants: &[(Shop, GrantId)],
    wanted: &'static str,
) -> Result<Vec<(Shop, ledger::Grant)>> {
    let mut keys = grants.to_vec();
    // So that the order holds also where they take several statements.
    keys.sort_unstable();
    keys.dedup();
    let keys = keys
        .into_iter()
        .map(|(shop, id)| params![shop.workspace, shop.platform, shop.mode, id])
        .collect();
    let rows = tx.fetch_rows(GRANTS, keys, wanted).await?;
    rows.iter().map(in_ledger).collect()
}

fn in_ledger(row: &Row) -> Result<(Shop, ledger::Grant)> {
    let mut grant = state(row)?;
    if row.get::<Option<Timestamp>>("closed_at")?.is_some() {
        grant.expires_at = Some(grant.effective_at);
    }
    Ok((shop_of(row)?, grant))
}

const BALANCES: &str = "WITH k (workspace_id, platform_id, mode, grant_id, used, held) AS (VALUES";
const SET_BALANCES: &str = ") UPDATE grants SET used = k.used, held = k.held FROM k
    WHERE grants.workspace_id = k.workspace_id AND grants.platform_id = k.platform_id AND grants.mode = k.mode
        AND grants.grant_id = k.grant_id";

/// Writes what was used and held of grants that were locked.
///
/// # Errors
/// Internal, when one of them does not exist.
pub async fn write(tx: &mut Tx<System>, grants: &[(Shop, ledger::Grant)]) -> Result<()> {
    let rows = grants
        .iter()
        .map(|(shop, grant)| {
            params![
                shop.workspace,
                shop.platform,
                shop.mode,
                grant.id,
                grant.used,
                grant.held
            ]
        })
        .collect();
    match tx.insert_rows(BALANCES, rows, SET_BALANCES).await? {
        written if written == grants.len() as u64 => Ok(()),
        written => Err(Error::internal(format!(
            "{written} of {} grants were written",
            grants.len()
        ))),
    }
}

fn shop_of(row: &Row) -> Result<Shop> {
    Ok(Shop {
        workspace: row.get("workspace_id")?,
        platform: row.get("platform_id")?,
        mode: row.get("mode")?,
    })
}
