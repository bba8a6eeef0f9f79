//! The table `end_users`.

use std::collections::BTreeSet;

use storage::{Row, Scope, Tenant, Tx, Value, params};
use types::id::{CustomerId, EndUserId};
use types::{Page, PageRequest, Result, Timestamp};

use super::EndUser;
use crate::customers::{EndUserRef, Reference};
use crate::{Shop, cursor, numbered};

const INSERT: &str = "INSERT INTO end_users
    (workspace_id, platform_id, mode, end_user_id, customer_id, external_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

/// False, when the customer has an end user with this external id already.
pub(super) async fn insert<S: Scope>(tx: &mut Tx<S>, shop: Shop, end_user: &EndUser) -> Result<bool> {
    let params = params![
        shop.workspace,
        shop.platform,
        shop.mode,
        end_user.id,
        end_user.customer,
        &end_user.external_id,
        end_user.created_at,
    ];
    Ok(tx.execute(INSERT, params).await? == 1)
}

const FIND: &str = "SELECT * FROM end_users
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 AND end_user_id = $5";
const FIND_EXTERNAL: &str = "SELECT * FROM end_users
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 AND external_id = $5";

/// The end user of the customer that a request named.
pub(crate) async fn find_by_ref<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    customer: CustomerId,
    reference: &EndUserRef,
) -> Result<Option<EndUser>> {
    let mut params = params![shop.workspace, shop.platform, shop.mode, customer];
    let sql = match reference {
        Reference::Id(id) => {
            params.push((*id).into());
            FIND
        }
        Reference::External(external_id) => {
            params.push(external_id.into());
            FIND_EXTERNAL
        }
    };
    let row = tx.fetch_optional(sql, params).await?;
    row.as_ref().map(end_user).transpose()
}

const IDS: &str = "WITH k (n, workspace_id, platform_id, mode, customer_id, end_user_id) AS (VALUES";
const BY_ID: &str = ") SELECT k.n, e.end_user_id FROM k CROSS JOIN end_users e
    WHERE e.workspace_id = k.workspace_id AND e.platform_id = k.platform_id AND e.mode = k.mode
        AND e.customer_id = k.customer_id AND e.end_user_id = k.end_user_id";
const EXTERNAL_IDS: &str = "WITH k (n, workspace_id, platform_id, mode, customer_id, external_id) AS (VALUES";
const BY_EXTERNAL_ID: &str = ") SELECT k.n, e.end_user_id FROM k CROSS JOIN end_users e
    WHERE e.workspace_id = k.workspace_id AND e.platform_id = k.platform_id AND e.mode = k.mode
        AND e.customer_id = k.customer_id AND e.external_id = k.external_id";

/// The end users that many requests named; none where there is no such. At most two statements.
pub(crate) async fn find_all<S: Scope>(
    tx: &mut Tx<S>,
    end_users: &[(Shop, CustomerId, &EndUserRef)],
) -> Result<Vec<Option<EndUserId>>> {
    let (mut ids, mut external_ids) = (Vec::new(), Vec::new());
    for (place, (shop, customer, named)) in (0_i64..).zip(end_users) {
        let (rows, name) = match named {
            Reference::Id(id) => (&mut ids, Value::from(*id)),
            Reference::External(external_id) => (&mut external_ids, Value::from(external_id)),
        };
        rows.push(params![
            place,
            shop.workspace,
            shop.platform,
            shop.mode,
            *customer,
            name
        ]);
    }
    let mut rows = tx.fetch_rows(IDS, ids, BY_ID).await?;
    rows.extend(tx.fetch_rows(EXTERNAL_IDS, external_ids, BY_EXTERNAL_ID).await?);
    numbered::found(end_users.len(), &rows, |row| row.get("end_user_id"))
}

const INSERT_ALL: &str = "INSERT INTO end_users
    (workspace_id, platform_id, mode, end_user_id, customer_id, external_id, created_at) VALUES";

/// Makes those end users that are not there. In the order of their names, so that two nodes make them in the same order.
pub(crate) async fn insert_missing<S: Scope>(
    tx: &mut Tx<S>,
    end_users: &BTreeSet<(Shop, CustomerId, &str)>,
    now: Timestamp,
) -> Result<()> {
    let rows = end_users.iter().map(|(shop, customer, external_id)| {
        params![
            shop.workspace,
            shop.platform,
            shop.mode,
            EndUserId::generate(),
            *customer,
            *external_id,
            now
        ]
    });
    tx.insert_rows(INSERT_ALL, rows.collect(), "ON CONFLICT DO NOTHING")
        .await
        .map(drop)
}

const LIST: &str = "SELECT * FROM end_users
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 AND end_user_id < $5
    ORDER BY end_user_id DESC LIMIT $6";

/// Newest first.
pub(super) async fn list(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    page: &PageRequest,
) -> Result<Page<EndUser>> {
    let before: EndUserId = cursor::before(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        customer,
        before,
        page.limit + 1
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let end_users = rows.iter().map(end_user).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(
        end_users,
        page.limit,
        |end_user: &EndUser| end_user.id.to_string(),
    ))
}

fn end_user(row: &Row) -> Result<EndUser> {
    Ok(EndUser {
        id: row.get("end_user_id")?,
        customer: row.get("customer_id")?,
        external_id: row.get("external_id")?,
        created_at: row.get("created_at")?,
    })
}
