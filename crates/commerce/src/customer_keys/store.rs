//! The table `customer_keys`.

use ledger::CounterKey;
use runtime::App;
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::cache::Channel;
use storage::{Row as Columns, System, Tenant, Tx, params};
use types::id::{self, CustomerId, CustomerKeyId};
use types::{Error, Mode, Page, PageRequest, Result, Timestamp};

use super::budget::Budget;
use super::resource::Key;
use crate::credentials::{KeyRow, StoredSecret};
use crate::customers::store::anchor;
use crate::{Shop, cursor};

const INSERT: &str = "INSERT INTO customer_keys
    (workspace_id, platform_id, mode, customer_key_id, family_id, customer_id, end_user_id, name, prefix, hint, secret_hash,
     pepper_id, permissions, metadata, limits, credits, rate_limits, enabled, created_by, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";

pub(super) async fn insert(tx: &mut Tx<Tenant>, shop: Shop, key: &Key, secret: &StoredSecret) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        key.id,
        key.family,
        key.customer,
        key.end_user,
        &key.name,
        &key.prefix,
        &key.hint,
        secret.hash.as_slice(),
        secret.pepper,
        json(&key.permissions)?,
        json(&key.metadata)?,
        json(&key.budget.limits)?,
        key.budget.credits.as_ref().map(json).transpose()?,
        json(&key.budget.rates)?,
        key.enabled,
        &key.created_by,
        key.created_at,
        key.expires_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

/// Keys with what counts of their customers.
macro_rules! select_keys {
    ($which:literal) => {
        concat!(
            "SELECT k.*, c.anchor_first, c.anchor_zone, c.archived_at FROM customer_keys k
            JOIN customers c ON c.workspace_id = k.workspace_id AND c.platform_id = k.platform_id
                AND c.mode = k.mode AND c.customer_id = k.customer_id
            WHERE k.workspace_id = $1 AND k.platform_id = $2 AND ",
            $which
        )
    };
}

const FIND: &str = select_keys!("k.mode = $3 AND k.customer_key_id = $4");

pub(super) async fn find(tx: &mut Tx<Tenant>, shop: Shop, id: CustomerKeyId) -> Result<Option<Key>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    let columns = tx.fetch_optional(FIND, params).await?;
    columns.as_ref().map(key).transpose()
}

/// A key as it is read to recognise its secret.
pub(super) struct Row {
    pub(super) shop: Shop,
    pub(super) key: Key,
    pub(super) secret: StoredSecret,
}

impl KeyRow for Row {
    type Kind = id::CustomerKey;
    const CHANGED: Channel = Channel::new("customer_keys");

    fn id(&self) -> CustomerKeyId {
        self.key.id
    }

    async fn write_uses(app: &App) -> Result<()> {
        super::write_uses(app).await
    }
}

const LOOK_UP: &str = select_keys!("k.mode IN ($3, $4) AND k.customer_key_id = $5");

/// The platform's key with that id, live or test.
pub(super) async fn look_up(tx: &mut Tx<Tenant>, shop: Shop, id: CustomerKeyId) -> Result<Option<Row>> {
    let params = params![tx.workspace(), shop.platform, Mode::Live, Mode::Test, id];
    let columns = tx.fetch_optional(LOOK_UP, params).await?;
    columns
        .map(|columns| {
            Ok(Row {
                shop: Shop {
                    mode: columns.get("mode")?,
                    ..shop
                },
                key: key(&columns)?,
                secret: StoredSecret {
                    hash: columns.get("secret_hash")?,
                    pepper: columns.get("pepper_id")?,
                },
            })
        })
        .transpose()
}

const LIST: &str =
    select_keys!("k.mode = $3 AND k.customer_key_id < $4 ORDER BY k.customer_key_id DESC LIMIT $5");

/// Everybody's, newest first.
pub(super) async fn list(tx: &mut Tx<Tenant>, shop: Shop, page: &PageRequest) -> Result<Page<Key>> {
    let before: CustomerKeyId = cursor::before(page)?;
    let params = params![tx.workspace(), shop.platform, shop.mode, before, page.limit + 1];
    page_of(&tx.fetch_all(LIST, params).await?, page)
}

const LIST_OF: &str = select_keys!(
    "k.mode = $3 AND k.customer_id = $4 AND k.customer_key_id < $5 ORDER BY k.customer_key_id DESC LIMIT $6"
);

/// One customer's, newest first.
pub(super) async fn list_of(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    page: &PageRequest,
) -> Result<Page<Key>> {
    let before: CustomerKeyId = cursor::before(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        customer,
        before,
        page.limit + 1
    ];
    page_of(&tx.fetch_all(LIST_OF, params).await?, page)
}

fn page_of(rows: &[Columns], page: &PageRequest) -> Result<Page<Key>> {
    let keys = rows.iter().map(key).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(keys, page.limit, |key: &Key| {
        key.id.to_string()
    }))
}

const COUNT_USABLE: &str = "SELECT COUNT(*) AS usable FROM customer_keys
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4
        AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $5)";

pub(super) async fn count_usable(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    now: Timestamp,
) -> Result<i64> {
    let params = params![tx.workspace(), shop.platform, shop.mode, customer, now];
    tx.fetch_one(COUNT_USABLE, params).await?.get("usable")
}

const UPDATE: &str =
    "UPDATE customer_keys SET name = $5, permissions = $6, metadata = $7, enabled = $8, expires_at = $9,
        revoked_at = $10, rotated_to = $11
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_key_id = $4";

/// Writes what may change about a key alone.
pub(super) async fn update(tx: &mut Tx<Tenant>, shop: Shop, key: &Key) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        key.id,
        &key.name,
        json(&key.permissions)?,
        json(&key.metadata)?,
        key.enabled,
        key.expires_at,
        key.revoked_at,
        key.rotated_to,
    ];
    tx.execute(UPDATE, params).await.map(drop)
}

const UPDATE_BUDGETS: &str = "UPDATE customer_keys SET limits = $5, credits = $6, rate_limits = $7
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND family_id = $4 RETURNING customer_key_id";

/// Writes what the keys of a family may use up; the keys.
pub(super) async fn update_budgets(tx: &mut Tx<Tenant>, shop: Shop, key: &Key) -> Result<Vec<CustomerKeyId>> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        key.family,
        json(&key.budget.limits)?,
        key.budget.credits.as_ref().map(json).transpose()?,
        json(&key.budget.rates)?,
    ];
    let rows = tx.fetch_all(UPDATE_BUDGETS, params).await?;
    rows.iter().map(|row| row.get("customer_key_id")).collect()
}

const USED: &str = "SELECT used, held FROM counters
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND subject_kind = $4 AND subject_id = $5
        AND feature_id = $6 AND period_start = $7";

/// What a counter carries.
pub(super) async fn used(tx: &mut Tx<Tenant>, counter: &CounterKey) -> Result<i64> {
    let subject = counter.subject;
    let params = params![
        tx.workspace(),
        subject.platform,
        subject.mode,
        subject.kind.as_str(),
        subject.id,
        counter.feature,
        counter.period_start,
    ];
    match tx.fetch_optional(USED, params).await? {
        None => Ok(0),
        Some(row) => Ok(row.get::<i64>("used")?.saturating_add(row.get("held")?)),
    }
}

const WRITE_USE: &str = "UPDATE customer_keys SET last_used_at = $5
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_key_id = $4
        AND (last_used_at IS NULL OR last_used_at < $5)";

pub(super) async fn write_use(
    tx: &mut Tx<System>,
    key: CustomerKeyId,
    shop: Shop,
    at: Timestamp,
) -> Result<()> {
    let params = params![shop.workspace, shop.platform, shop.mode, key, at];
    tx.execute(WRITE_USE, params).await.map(drop)
}

fn key(columns: &Columns) -> Result<Key> {
    let credits: Option<String> = columns.get("credits")?;
    Ok(Key {
        id: columns.get("customer_key_id")?,
        family: columns.get("family_id")?,
        customer: columns.get("customer_id")?,
        end_user: columns.get("end_user_id")?,
        name: columns.get("name")?,
        prefix: columns.get("prefix")?,
        hint: columns.get("hint")?,
        permissions: parsed(&columns.get::<String>("permissions")?)?,
        metadata: parsed(&columns.get::<String>("metadata")?)?,
        budget: Budget {
            limits: parsed(&columns.get::<String>("limits")?)?,
            credits: credits.as_deref().map(parsed).transpose()?,
            rates: parsed(&columns.get::<String>("rate_limits")?)?,
        },
        enabled: columns.get("enabled")?,
        created_by: columns.get("created_by")?,
        created_at: columns.get("created_at")?,
        expires_at: columns.get("expires_at")?,
        revoked_at: columns.get("revoked_at")?,
        rotated_to: columns.get("rotated_to")?,
        last_used_at: columns.get("last_used_at")?,
        anchor: anchor(columns)?,
        customer_archived: columns.get::<Option<Timestamp>>("archived_at")?.is_some(),
    })
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::internal)
}
