//! Subscriptions: which version of which plan a customer has. One runs for each customer and group of plans;
//! it keeps its version until somebody changes it.

mod http;
mod store;

use runtime::outbox::{self, NewEvent};
use runtime::{App, audit};
use serde::{Deserialize, Serialize};
use storage::{Tenant, Tx};
use types::id::{CustomerId, PlanGroupId, PlanId, SubscriptionId};
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::http::routes;

use self::store::{Offer, PlanRef};
use crate::customers::{self, CustomerRef};
use crate::{Shop, ShopCaller};

/// A plan version that a customer has, or had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub customer: CustomerId,
    /// The key of the plan's group.
    pub group: String,
    pub group_id: PlanGroupId,
    /// The plan's key.
    pub plan: String,
    pub plan_id: PlanId,
    pub version: i64,
    pub started_at: Timestamp,
    /// None while it runs.
    pub ended_at: Option<Timestamp>,
}

/// A new subscription, in the place of the customer's running one in the same group.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionCreate {
    /// `cus_…` or the external id.
    pub customer: CustomerRef,
    /// `pln_…` or the plan's key; its group is the subscription's.
    #[schema(min_length = 1, max_length = 63)]
    pub plan: String,
    /// The current version when absent.
    #[schema(minimum = 1)]
    pub version: Option<i64>,
}

/// Subscribes a customer to a plan version, and ends the subscription they had in its group, in one step.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer; `validation_failed` for a plan or version that there is
/// not, or a key that several groups have; `customer_archived`; `already_exists`, when the customer has just
/// that.
pub async fn create(app: &App, caller: &ShopCaller, input: &SubscriptionCreate) -> Result<Subscription> {
    caller.caller.require(Permission::CustomersManage)?;
    let (now, shop) = (app.now(), caller.shop);
    let plan = &PlanRef::read(&input.plan)?;
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let customer = customers::active(&mut tx, shop, &input.customer).await?;
            let offer = offer(&mut tx, shop, plan, input.version).await?;
            if let Some(running) = store::find_running(&mut tx, shop, customer.id, offer.group_id).await? {
                if running.plan_id == offer.plan_id && running.version == offer.version {
                    return Err(already_subscribed(&running));
                }
                finish(&mut tx, caller, running, now).await?;
            }
            start(&mut tx, caller, customer.id, offer, now).await
        })
        .await
}

/// What is offered under that name: the plan must not be archived, and have that version.
async fn offer(tx: &mut Tx<Tenant>, shop: Shop, plan: &PlanRef, version: Option<i64>) -> Result<Offer> {
    let mut offers = store::offers(tx, shop, plan).await?;
    let mut offer = match (offers.pop(), offers.is_empty()) {
        (Some(offer), true) => offer,
        (Some(_), false) => {
            return Err(Error::invalid(
                "plan",
                "several groups have a plan with this key; give its id",
            ));
        }
        (None, _) => return Err(Error::invalid("plan", "there is no such plan, or it is archived")),
    };
    if let Some(version) = version {
        if !store::has_version(tx, shop, offer.plan_id, version).await? {
            let message = format!(
                "the plan has no such version; its current one is {}",
                offer.version
            );
            return Err(Error::invalid("version", message));
        }
        offer.version = version;
    }
    Ok(offer)
}

fn already_subscribed(running: &Subscription) -> Error {
    let detail = format!(
        "The customer is on version {} of the plan {} already.",
        running.version, running.plan
    );
    Error::new(ErrorCode::AlreadyExists, detail).with_member("subscription", running.id.to_string())
}

/// Subscribes a new customer to the default plan of each group that has one.
pub(crate) async fn enrol(
    tx: &mut Tx<Tenant>,
    caller: &ShopCaller,
    customer: CustomerId,
    now: Timestamp,
) -> Result<()> {
    for offer in store::default_offers(tx, caller.shop).await? {
        start(tx, caller, customer, offer, now).await?;
    }
    Ok(())
}

async fn start(
    tx: &mut Tx<Tenant>,
    caller: &ShopCaller,
    customer: CustomerId,
    offer: Offer,
    now: Timestamp,
) -> Result<Subscription> {
    let subscription = Subscription {
        id: SubscriptionId::generate(),
        customer,
        group: offer.group,
        group_id: offer.group_id,
        plan: offer.plan,
        plan_id: offer.plan_id,
        version: offer.version,
        started_at: now,
        ended_at: None,
    };
    store::insert(tx, caller.shop, &subscription).await?;
    customers::touch(tx, caller.shop, customer).await?;
    let entry = audit::NewEntry::new("subscription.create", "subscription", subscription.id)
        .with_detail("customer", customer.to_string())
        .with_detail("plan", subscription.plan_id.to_string())
        .with_detail("version", subscription.version);
    audit::record(tx, &caller.caller, entry, now).await?;
    outbox::emit(
        tx,
        event("subscription.created", caller.shop, &subscription)?,
        now,
    )
    .await?;
    Ok(subscription)
}

async fn finish(
    tx: &mut Tx<Tenant>,
    caller: &ShopCaller,
    mut subscription: Subscription,
    now: Timestamp,
) -> Result<Subscription> {
    subscription.ended_at = Some(now);
    store::set_ended(tx, caller.shop, subscription.id, now).await?;
    customers::touch(tx, caller.shop, subscription.customer).await?;
    let entry = audit::NewEntry::new("subscription.end", "subscription", subscription.id)
        .with_detail("customer", subscription.customer.to_string());
    audit::record(tx, &caller.caller, entry, now).await?;
    outbox::emit(tx, event("subscription.ended", caller.shop, &subscription)?, now).await?;
    Ok(subscription)
}

fn event(kind: &'static str, shop: Shop, subscription: &Subscription) -> Result<NewEvent> {
    Ok(NewEvent::new(kind, subscription.id, subscription)?.of_platform(shop.platform, shop.mode))
}

/// A customer's subscriptions, the ended ones too, newest first; everybody's, when no customer is named.
///
/// # Errors
/// `permission_denied`, `not_found` for the customer.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    customer: Option<&CustomerRef>,
    page: &PageRequest,
) -> Result<Page<Subscription>> {
    caller.caller.require(Permission::CustomersRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            match customer {
                None => store::list(&mut tx, shop, page).await,
                Some(reference) => {
                    let customer = customers::existing(&mut tx, shop, reference).await?;
                    store::list_of(&mut tx, shop, customer.id, page).await
                }
            }
        })
        .await
}

/// # Errors
/// `permission_denied`; `not_found`, when the shop has no such subscription.
pub async fn get(app: &App, caller: &ShopCaller, id: SubscriptionId) -> Result<Subscription> {
    caller.caller.require(Permission::CustomersRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { existing(&mut tx, caller.shop, id).await })
        .await
}

/// Ends a subscription now. Doing it again changes nothing.
///
/// # Errors
/// `permission_denied`, `not_found`.
pub async fn end(app: &App, caller: &ShopCaller, id: SubscriptionId) -> Result<Subscription> {
    caller.caller.require(Permission::CustomersManage)?;
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let subscription = existing(&mut tx, caller.shop, id).await?;
            if subscription.ended_at.is_some() {
                return Ok(subscription);
            }
            finish(&mut tx, caller, subscription, now).await
        })
        .await
}

async fn existing(tx: &mut Tx<Tenant>, shop: Shop, id: SubscriptionId) -> Result<Subscription> {
    let subscription = store::find(tx, shop, id).await?;
    subscription.ok_or_else(|| Error::not_found("subscription"))
}
