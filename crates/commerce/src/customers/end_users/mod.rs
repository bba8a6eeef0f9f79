//! End users: the people behind a customer, as far as usage is counted for each. Here one is an id and
//! nothing else.

mod http;
pub(crate) mod store;

use runtime::outbox::{self, NewEvent};
use runtime::{App, audit};
use serde::{Deserialize, Serialize};
use storage::{Scope, Tx};
use types::id::{self, CustomerId, EndUserId};
use types::{Error, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::http::routes;

use super::reference::check_external_id;
use super::{EndUserRef, Reference};
use crate::{Shop, ShopCaller};

/// A person behind a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndUser {
    pub id: EndUserId,
    pub customer: CustomerId,
    /// The seller's own id of the person, unique within the customer.
    pub external_id: String,
    pub created_at: Timestamp,
}

/// The end user with that external id: a new one, or the one that is there.
///
/// # Errors
/// `permission_denied`, `validation_failed`, `not_found` for the customer, `customer_archived`.
pub async fn create(
    app: &App,
    caller: &ShopCaller,
    customer: CustomerId,
    external_id: &str,
) -> Result<EndUser> {
    caller.caller.require(Permission::CustomersManage)?;
    check_external_id::<id::EndUser>(external_id)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            super::active(&mut tx, shop, &Reference::Id(customer)).await?;
            let (end_user, is_new) = ensure(&mut tx, shop, customer, external_id, now).await?;
            if is_new {
                let entry = audit::NewEntry::new("end_user.create", "end_user", end_user.id)
                    .with_detail("customer", customer.to_string());
                audit::record(&mut tx, &caller.caller, entry, now).await?;
                let event = NewEvent::new("end_user.created", end_user.id, &end_user)?;
                outbox::emit(&mut tx, event.of_platform(shop.platform, shop.mode), now).await?;
            }
            Ok(end_user)
        })
        .await
}

/// The customer's end users, newest first.
///
/// # Errors
/// `permission_denied`, `not_found` for the customer.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    customer: CustomerId,
    page: &PageRequest,
) -> Result<Page<EndUser>> {
    caller.caller.require(Permission::CustomersRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            super::existing(&mut tx, caller.shop, &Reference::Id(customer)).await?;
            store::list(&mut tx, caller.shop, customer, page).await
        })
        .await
}

/// The end user of an existing customer with that external id, and whether it is new. The external id has
/// been checked.
pub(crate) async fn ensure<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    customer: CustomerId,
    external_id: &str,
    now: Timestamp,
) -> Result<(EndUser, bool)> {
    let end_user = EndUser {
        id: EndUserId::generate(),
        customer,
        external_id: external_id.to_owned(),
        created_at: now,
    };
    if store::insert(tx, shop, &end_user).await? {
        return Ok((end_user, true));
    }
    let reference = EndUserRef::External(external_id.to_owned());
    let existing = store::find_by_ref(tx, shop, customer, &reference).await?;
    let existing = existing.ok_or_else(|| Error::internal("an end user is there and cannot be found"))?;
    Ok((existing, false))
}
