//! The table `customers`.

use ledger::Anchor;
use serde_json::json;
use storage::{Row, Scope, Tenant, Tx, Value, params};
use types::id::CustomerId;
use types::{Error, Page, PageRequest, Result, Timestamp};

use super::{Customer, CustomerRef, Reference};
use crate::{Shop, cursor, numbered};

const INSERT: &str =
    "INSERT INTO customers (workspace_id, platform_id, mode, customer_id, external_id, name, email,
        metadata, anchor_first, anchor_zone, version, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, $11) ON CONFLICT DO NOTHING";

/// False, when the shop has a customer with this external id already.
pub(super) async fn insert(tx: &mut Tx<Tenant>, shop: Shop, customer: &Customer) -> Result<bool> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        customer.id,
        customer.external_id.clone(),
        customer.name.clone(),
        customer.email.clone(),
        metadata_text(customer)?,
        customer.anchor.first().to_string(),
        customer.anchor.zone(),
        customer.created_at,
    ];
    Ok(tx.execute(INSERT, params).await? == 1)
}

const FIND: &str = "SELECT * FROM customers
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4";

/// The customer with that id, archived or not.
pub(crate) async fn find<S: Scope>(tx: &mut Tx<S>, shop: Shop, id: CustomerId) -> Result<Option<Customer>> {
    let params = params![shop.workspace, shop.platform, shop.mode, id];
    let row = tx.fetch_optional(FIND, params).await?;
    row.as_ref().map(customer).transpose()
}

const FIND_EXTERNAL: &str = "SELECT * FROM customers
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND external_id = $4";

/// The customer that a request named, archived or not.
pub(crate) async fn find_by_ref<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    reference: &CustomerRef,
) -> Result<Option<Customer>> {
    let external_id = match reference {
        Reference::Id(id) => return find(tx, shop, *id).await,
        Reference::External(external_id) => external_id,
    };
    let params = params![shop.workspace, shop.platform, shop.mode, external_id];
    let row = tx.fetch_optional(FIND_EXTERNAL, params).await?;
    row.as_ref().map(customer).transpose()
}

/// What decides about a customer's usage, beside what they have subscribed to.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) id: CustomerId,
    /// Raised whenever what the customer may use changes.
    pub(crate) version: i64,
    pub(crate) is_archived: bool,
    pub(crate) anchor: Anchor,
}

macro_rules! select_standing {
    ($key:literal) => {
        concat!(
            ") SELECT k.n, c.customer_id, c.version, c.archived_at, c.anchor_first, c.anchor_zone
            FROM k CROSS JOIN customers c
            WHERE c.workspace_id = k.workspace_id AND c.platform_id = k.platform_id AND c.mode = k.mode AND c.",
            $key,
            " = k.",
            $key
        )
    };
}

const IDS: &str = "WITH k (n, workspace_id, platform_id, mode, customer_id) AS (VALUES";
const STANDING_BY_ID: &str = select_standing!("customer_id");
const EXTERNAL_IDS: &str = "WITH k (n, workspace_id, platform_id, mode, external_id) AS (VALUES";
const STANDING_BY_EXTERNAL_ID: &str = select_standing!("external_id");

/// How each of the customers stands; none where there is no such. At most two statements.
pub(crate) async fn standings<S: Scope>(
    tx: &mut Tx<S>,
    customers: &[(Shop, &CustomerRef)],
) -> Result<Vec<Option<Standing>>> {
    let named = |(shop, _): &(Shop, &CustomerRef), name: Value| {
        params![shop.workspace, shop.platform, shop.mode, name]
    };
    let (mut ids, mut external_ids) = (Vec::new(), Vec::new());
    for (place, customer) in (0_i64..).zip(customers) {
        let (rows, name) = match customer.1 {
            Reference::Id(id) => (&mut ids, Value::from(*id)),
            Reference::External(external_id) => (&mut external_ids, Value::from(external_id)),
        };
        let mut row = vec![Value::from(place)];
        row.extend(named(customer, name));
        rows.push(row);
    }
    let mut rows = tx.fetch_rows(IDS, ids, STANDING_BY_ID).await?;
    rows.extend(
        tx.fetch_rows(EXTERNAL_IDS, external_ids, STANDING_BY_EXTERNAL_ID)
            .await?,
    );
    numbered::found(customers.len(), &rows, |row| {
        Ok(Standing {
            id: row.get("customer_id")?,
            version: row.get("version")?,
            is_archived: row.get::<Option<i64>>("archived_at")?.is_some(),
            anchor: anchor(row)?,
        })
    })
}

const LIST: &str = "SELECT * FROM customers
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id < $4
        AND ($5 OR archived_at IS NULL)
    ORDER BY customer_id DESC LIMIT $6";

/// Newest first.
pub(super) async fn list(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Customer>> {
    let before: CustomerId = cursor::before(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        before,
        with_archived,
        page.limit + 1
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let customers = rows.iter().map(customer).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(
        customers,
        page.limit,
        |customer: &Customer| customer.id.to_string(),
    ))
}

const UPDATE: &str =
    "UPDATE customers SET external_id = $5, name = $6, email = $7, metadata = $8, version = version + 1
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4";

pub(super) async fn update(tx: &mut Tx<Tenant>, shop: Shop, customer: &Customer) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        customer.id,
        customer.external_id.clone(),
        customer.name.clone(),
        customer.email.clone(),
        metadata_text(customer)?,
    ];
    tx.execute(UPDATE, params).await.map(drop)
}

const SET_ARCHIVED: &str = "UPDATE customers SET archived_at = $5, version = version + 1
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4";

pub(super) async fn set_archived(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    id: CustomerId,
    archived_at: Option<Timestamp>,
) -> Result<()> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id, archived_at];
    tx.execute(SET_ARCHIVED, params).await.map(drop)
}

const TOUCH: &str = "UPDATE customers SET version = version + 1
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4";

/// Raises the customer's version: what they may use is about to change in this transaction.
pub(crate) async fn touch<S: Scope>(tx: &mut Tx<S>, shop: Shop, id: CustomerId) -> Result<()> {
    let params = params![shop.workspace, shop.platform, shop.mode, id];
    tx.execute(TOUCH, params).await.map(drop)
}

fn metadata_text(customer: &Customer) -> Result<String> {
    serde_json::to_string(&customer.metadata).map_err(Error::internal)
}

fn customer(row: &Row) -> Result<Customer> {
    let metadata: String = row.get("metadata")?;
    Ok(Customer {
        id: row.get("customer_id")?,
        external_id: row.get("external_id")?,
        name: row.get("name")?,
        email: row.get("email")?,
        metadata: serde_json::from_str(&metadata).map_err(Error::internal)?,
        anchor: anchor(row)?,
        created_at: row.get("created_at")?,
        archived_at: row.get("archived_at")?,
    })
}

pub(crate) fn anchor(row: &Row) -> Result<Anchor> {
    let anchor = json!({
        "first": row.get::<String>("anchor_first")?,
        "zone": row.get::<String>("anchor_zone")?,
    });
    serde_json::from_value(anchor).map_err(Error::internal)
}
