//! Customers: who buys from a platform. A customer is an id with the seller's own names for it; people are
//! elsewhere.

pub mod end_users;
mod http;
mod reference;
mod rules;
pub(crate) mod store;

use std::collections::BTreeMap;

use ledger::Anchor;
use runtime::outbox::{self, NewEvent};
use runtime::{App, audit};
use serde::{Deserialize, Serialize};
use storage::{Scope, Tenant, Tx};
use types::id::{self, CustomerId};
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

pub(crate) use self::http::routes;
pub use self::reference::{CustomerRef, EndUserRef, MAX_EXTERNAL_ID_CHARS, Reference};
pub(crate) use self::rules::check_metadata;
pub use self::rules::{
    MAX_EMAIL_CHARS, MAX_METADATA_ENTRIES, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS, MAX_NAME_CHARS,
};
pub(crate) use self::store::touch;

use crate::patch::present;
use crate::subscriptions;
use crate::{Shop, ShopCaller};

/// Who buys from a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    pub id: CustomerId,
    /// The seller's own id of the customer, if there is one.
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    /// The seller's own notes.
    pub metadata: BTreeMap<String, String>,
    /// Where the customer's periods begin.
    #[schema(schema_with = anchor_schema)]
    pub anchor: Anchor,
    pub created_at: Timestamp,
    /// An archived customer keeps everything and can use nothing.
    pub archived_at: Option<Timestamp>,
}

/// A new customer.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerCreate {
    /// Your own id of the customer, unique on the platform: usage can be reported under it.
    #[schema(min_length = 1, max_length = 255)]
    pub external_id: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    #[schema(min_length = 3, max_length = 254)]
    pub email: Option<String>,
    /// Notes of yours: at most 50 entries, keys of 40 and values of 500 characters.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// IANA time zone that the customer's periods begin in, such as `Europe/Berlin`; UTC when absent.
    #[schema(min_length = 1, max_length = 64)]
    pub time_zone: Option<String>,
    /// Day that the customer's months begin on, at midnight; a month that lacks it begins on its last day.
    /// The first when absent.
    #[schema(minimum = 1, maximum = 31)]
    pub anchor_day: Option<i8>,
    /// In place of `anchor_day`: an instant that a period begins at, such as the start of a contract.
    pub anchor_at: Option<Timestamp>,
}

/// What of a customer changes: what is absent stays, null clears. The anchor never changes, since that would
/// begin every running period anew.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerUpdate {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub external_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 3, max_length = 254)]
    pub email: Option<Option<String>>,
    /// Takes the place of all metadata there is.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Makes a customer, and subscribes them to the default plan of each group that has one.
///
/// # Errors
/// `permission_denied`; `validation_failed`; `already_exists`, when another customer has the external id.
pub async fn create(app: &App, caller: &ShopCaller, input: CustomerCreate) -> Result<Customer> {
    caller.caller.require(Permission::CustomersManage)?;
    let now = app.now();
    let customer = &draft(input, now)?;
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            if !store::insert(&mut tx, caller.shop, customer).await? {
                return Err(external_id_taken());
            }
            let change = Change {
                kind: "customer.created",
                action: "customer.create",
            };
            change.tell(&mut tx, caller, customer, now).await?;
            subscriptions::enrol(&mut tx, caller, customer.id, now).await
        })
        .await?;
    Ok(customer.clone())
}

fn draft(input: CustomerCreate, now: Timestamp) -> Result<Customer> {
    let customer = Customer {
        id: CustomerId::generate(),
        anchor: rules::anchor(input.time_zone.as_deref(), input.anchor_day, input.anchor_at)?,
        external_id: input.external_id,
        name: input.name,
        email: input.email,
        metadata: input.metadata,
        created_at: now,
        archived_at: None,
    };
    check(&customer)?;
    Ok(customer)
}

fn check(customer: &Customer) -> Result<()> {
    if let Some(external_id) = &customer.external_id {
        reference::check_external_id::<id::Customer>(external_id)?;
    }
    customer.name.as_deref().map_or(Ok(()), rules::check_name)?;
    customer.email.as_deref().map_or(Ok(()), rules::check_email)?;
    rules::check_metadata(&customer.metadata)
}

/// The shop's customers, newest first.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Customer>> {
    caller.caller.require(Permission::CustomersRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list(&mut tx, caller.shop, with_archived, page).await })
        .await
}

/// The customer that a text names, archived or not.
///
/// # Errors
/// `permission_denied`; never that there is none.
pub async fn find(app: &App, caller: &ShopCaller, reference: &CustomerRef) -> Result<Option<Customer>> {
    caller.caller.require(Permission::CustomersRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::find_by_ref(&mut tx, caller.shop, reference).await })
        .await
}

/// # Errors
/// `not_found`, when the shop has no such customer.
pub async fn get(app: &App, caller: &ShopCaller, id: CustomerId) -> Result<Customer> {
    let customer = find(app, caller, &Reference::Id(id)).await?;
    customer.ok_or_else(|| Error::not_found("customer"))
}

/// Changes what the seller knows of a customer; an archived one too, so that personal data can always be
/// taken out.
///
/// # Errors
/// As [`create`]; `not_found`.
pub async fn update(
    app: &App,
    caller: &ShopCaller,
    id: CustomerId,
    input: CustomerUpdate,
) -> Result<Customer> {
    caller.caller.require(Permission::CustomersManage)?;
    let (now, input) = (app.now(), &input);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let before = existing(&mut tx, caller.shop, &Reference::Id(id)).await?;
            let customer = changed(&before, input);
            if customer == before {
                return Ok(before);
            }
            check(&customer)?;
            refuse_taken(&mut tx, caller.shop, &customer).await?;
            store::update(&mut tx, caller.shop, &customer).await?;
            let change = Change {
                kind: "customer.updated",
                action: "customer.update",
            };
            change.tell(&mut tx, caller, &customer, now).await?;
            Ok(customer)
        })
        .await
}

fn changed(before: &Customer, input: &CustomerUpdate) -> Customer {
    let mut customer = before.clone();
    let fields = [
        (&mut customer.external_id, &input.external_id),
        (&mut customer.name, &input.name),
        (&mut customer.email, &input.email),
    ];
    for (field, value) in fields {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    if let Some(metadata) = &input.metadata {
        customer.metadata.clone_from(metadata);
    }
    customer
}

async fn refuse_taken(tx: &mut Tx<Tenant>, shop: Shop, customer: &Customer) -> Result<()> {
    let Some(external_id) = customer.external_id.clone() else {
        return Ok(());
    };
    match store::find_by_ref(tx, shop, &Reference::External(external_id)).await? {
        Some(other) if other.id != customer.id => Err(external_id_taken()),
        _ => Ok(()),
    }
}

fn external_id_taken() -> Error {
    let message = "another customer has it; find them with GET /v1/customers?external_id=…";
    Error::new(ErrorCode::AlreadyExists, format!("external_id: {message}")).with_field("external_id", message)
}

/// Stops a customer from using anything; what they have stays. Doing it again changes nothing.
///
/// # Errors
/// `permission_denied`, `not_found`.
pub async fn archive(app: &App, caller: &ShopCaller, id: CustomerId) -> Result<Customer> {
    let change = Change {
        kind: "customer.archived",
        action: "customer.archive",
    };
    set_archived(app, caller, id, Some(app.now()), change).await
}

/// Lets an archived customer go on. Doing it again changes nothing.
///
/// # Errors
/// `permission_denied`, `not_found`.
pub async fn unarchive(app: &App, caller: &ShopCaller, id: CustomerId) -> Result<Customer> {
    let change = Change {
        kind: "customer.unarchived",
        action: "customer.unarchive",
    };
    set_archived(app, caller, id, None, change).await
}

async fn set_archived(
    app: &App,
    caller: &ShopCaller,
    id: CustomerId,
    archived_at: Option<Timestamp>,
    change: Change,
) -> Result<Customer> {
    caller.caller.require(Permission::CustomersManage)?;
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut customer = existing(&mut tx, caller.shop, &Reference::Id(id)).await?;
            if customer.archived_at.is_some() == archived_at.is_some() {
                return Ok(customer);
            }
            customer.archived_at = archived_at;
            store::set_archived(&mut tx, caller.shop, id, archived_at).await?;
            change.tell(&mut tx, caller, &customer, now).await?;
            Ok(customer)
        })
        .await
}

/// The customer that a request named, archived or not.
///
/// # Errors
/// `not_found`.
pub(crate) async fn existing<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    reference: &CustomerRef,
) -> Result<Customer> {
    let customer = store::find_by_ref(tx, shop, reference).await?;
    customer.ok_or_else(|| Error::not_found("customer"))
}

/// The customer that a request named, to give them something.
///
/// # Errors
/// `not_found`; `customer_archived`.
pub(crate) async fn active<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    reference: &CustomerRef,
) -> Result<Customer> {
    let customer = existing(tx, shop, reference).await?;
    if customer.archived_at.is_some() {
        return Err(Error::new(
            ErrorCode::CustomerArchived,
            "The customer is archived. Unarchive them first.",
        ));
    }
    Ok(customer)
}

/// How a change of a customer is told: to subscribers and to the audit log.
#[derive(Clone, Copy)]
struct Change {
    kind: &'static str,
    action: &'static str,
}

impl Change {
    async fn tell(
        self,
        tx: &mut Tx<Tenant>,
        caller: &ShopCaller,
        customer: &Customer,
        now: Timestamp,
    ) -> Result<()> {
        let entry = audit::NewEntry::new(self.action, "customer", customer.id);
        audit::record(tx, &caller.caller, entry, now).await?;
        let shop = caller.shop;
        let event = NewEvent::new(self.kind, customer.id, customer)?.of_platform(shop.platform, shop.mode);
        outbox::emit(tx, event, now).await.map(drop)
    }
}

fn anchor_schema() -> Object {
    let first = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Local date and time, such as 2026-01-31T00:00:00."));
    let zone = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("IANA time zone, such as Europe/Berlin."));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Where the customer's periods begin: what counts is its day, time and zone.",
        ))
        .property("first", first)
        .required("first")
        .property("zone", zone)
        .required("zone")
        .build()
}
