//! The table `end_users`.

use storage::{Row, Scope, Tenant, Tx, params};
use types::id::{CustomerId, EndUserId};
use types::{Page, PageRequest, Result};

use super::EndUser;
use crate::customers::{EndUserRef, Reference};
use crate::{Shop, cursor};

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
