//! Plans: what a platform sells, in groups. A customer has one plan of each group at most. What a plan costs and gives is a
//! version of it, which never changes: a subscription keeps the version that was agreed on.

pub(crate) mod entitlement;
mod groups;
mod http;
pub(crate) mod store;

use runtime::outbox::{self, NewEvent};
use runtime::{App, audit};
use serde::{Deserialize, Serialize};
use storage::{Tenant, Tx};
use types::id::{PlanGroupId, PlanId};
use types::text::check_text;
use types::{Error, ErrorCode, Money, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub use self::entitlement::{EntitlementInput, OverageForm, PlanEntitlement};
pub use self::groups::{create_group, list_groups};
pub(crate) use self::http::routes;

use crate::key::check_key;
use crate::{Shop, ShopCaller, catalogue, features};

const MAX_NAME_CHARS: usize = 200;
const MAX_POSITION: i64 = 1_000_000;
/// The largest price, in minor units.
const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;
/// Features that one plan version lists, at most.
const MAX_ENTITLEMENTS: usize = 200;

/// Plans of which a customer has one at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanGroup {
    pub id: PlanGroupId,
    /// What the seller's code calls it.
    pub key: String,
    pub name: String,
    pub created_at: Timestamp,
}

/// Something to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    pub id: PlanId,
    pub group_id: PlanGroupId,
    /// The key of its group.
    pub group: String,
    /// What the seller's code calls it; unique within the group.
    pub key: String,
    pub name: String,
    /// Whether new customers are subscribed to it.
    pub is_default: bool,
    /// Where it stands among the plans of its group.
    pub position: i64,
    /// The version that new subscriptions get.
    pub current: PlanVersion,
    pub created_at: Timestamp,
    /// Nobody can subscribe to an archived plan; who is subscribed stays.
    pub archived_at: Option<Timestamp>,
}

/// What a plan costs and gives. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanVersion {
    /// 1 for the first.
    pub version: i64,
    /// None: agreed on with each customer.
    pub price: Option<Price>,
    pub entitlements: Vec<PlanEntitlement>,
    pub created_at: Timestamp,
}

/// What a plan costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub amount: Money,
    pub interval: Interval,
    /// Whether each seat costs that much.
    #[serde(default)]
    pub per_seat: bool,
}

/// How often a price is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    Month,
    Year,
    OneTime,
}

/// A plan to be made, with its first version.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// The key of its group.
    pub group: String,
    pub key: String,
    pub name: String,
    pub is_default: bool,
    pub position: i64,
    pub terms: Terms,
}

/// What a version is to cost and give.
#[derive(Debug, Clone)]
pub struct Terms {
    pub price: Option<Price>,
    pub entitlements: Vec<EntitlementInput>,
}

/// What of a plan changes; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct PlanChange {
    pub name: Option<String>,
    /// True takes the place of the group's default so far.
    pub is_default: Option<bool>,
    pub position: Option<i64>,
}

impl Interval {
    pub const fn as_str(self) -> &'static str {
        match self {
            Interval::Month => "month",
            Interval::Year => "year",
            Interval::OneTime => "one_time",
        }
    }
}

impl PlanGroup {
    pub(crate) fn new(key: &str, name: &str, now: Timestamp) -> PlanGroup {
        PlanGroup {
            id: PlanGroupId::generate(),
            key: key.to_owned(),
            name: name.to_owned(),
            created_at: now,
        }
    }
}

impl NewPlan {
    /// What can be checked without the shop's features.
    pub(crate) fn check(&self) -> Result<()> {
        check_key("key", &self.key)?;
        check_text("name", &self.name, 1, MAX_NAME_CHARS)?;
        check_position(self.position)?;
        self.terms.check()
    }
}

impl Terms {
    /// What can be checked without the shop's features.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(price) = &self.price
            && !(0..=MAX_PRICE_MINOR).contains(&price.amount.amount_minor)
        {
            return Err(Error::invalid(
                "price.amount.amount_minor",
                format!("must be from 0 to {MAX_PRICE_MINOR}"),
            ));
        }
        if self.entitlements.len() > MAX_ENTITLEMENTS {
            return Err(Error::invalid(
                "entitlements",
                format!("a plan lists at most {MAX_ENTITLEMENTS} features"),
            ));
        }
        Ok(())
    }
}

/// Makes a plan and its first version. If it is to be the default, the group's default so far no longer is.
///
/// # Errors
/// `permission_denied`, `validation_failed`, `already_exists` for a key that the group has, `conflict` in platform zero.
pub async fn create(app: &App, caller: &ShopCaller, new: &NewPlan) -> Result<Plan> {
    require_manage(caller)?;
    new.check()?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let plan = insert(&mut tx, shop, new, now).await?;
            let entry =
                audit::NewEntry::new("plan.create", "plan", plan.id).with_detail("key", plan.key.as_str());
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            outbox::emit(&mut tx, event("plan.created", shop, &plan)?, now).await?;
            Ok(plan)
        })
        .await
}

/// Writes a plan and its first version, and reads them back.
pub(crate) async fn insert(tx: &mut Tx<Tenant>, shop: Shop, new: &NewPlan, now: Timestamp) -> Result<Plan> {
    let group = store::find_group_by_key(tx, shop, &new.group)
        .await?
        .ok_or_else(|| {
            Error::invalid(
                "group",
                "the platform has no plan group with this key in this mode",
            )
        })?;
    let id = PlanId::generate();
    if new.is_default {
        store::clear_default(tx, shop, group.id).await?;
    }
    if !store::insert_plan(tx, shop, id, group.id, new, now).await? {
        return Err(Error::new(
            ErrorCode::AlreadyExists,
            format!(
                "The group {:?} has a plan with the key {:?} already.",
                group.key, new.key
            ),
        ));
    }
    write_version(tx, shop, id, 1, &new.terms, now).await?;
    get_in(tx, shop, id).await
}

/// The shop's plans with their current versions, oldest first.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Plan>> {
    caller.caller.require(Permission::PlatformsRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list_plans(&mut tx, shop, with_archived, page).await })
        .await
}

/// # Errors
/// `not_found`, when the shop has no such plan.
pub async fn get(app: &App, caller: &ShopCaller, id: PlanId) -> Result<Plan> {
    caller.caller.require(Permission::PlatformsRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { get_in(&mut tx, shop, id).await })
        .await
}

/// Any version of a plan.
///
/// # Errors
/// `not_found`, when the shop has no such plan or version.
pub async fn get_version(app: &App, caller: &ShopCaller, id: PlanId, version: i64) -> Result<PlanVersion> {
    caller.caller.require(Permission::PlatformsRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::find_version(&mut tx, shop, id, version).await })
        .await?
        .ok_or_else(|| Error::not_found("plan version"))
}

/// Changes how a plan is shown, and whether it is the default.
///
/// # Errors
/// As [`create`]; `not_found`; `conflict`, when an archived plan is to be the default.
pub async fn update(app: &App, caller: &ShopCaller, id: PlanId, change: &PlanChange) -> Result<Plan> {
    require_manage(caller)?;
    if let Some(name) = &change.name {
        check_text("name", name, 1, MAX_NAME_CHARS)?;
    }
    change.position.map_or(Ok(()), check_position)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut plan = get_in(&mut tx, shop, id).await?;
            if change.is_default == Some(true) {
                refuse_archived(&plan)?;
            }
            write_change(&mut tx, shop, &mut plan, change).await?;
            let entry = audit::NewEntry::new("plan.update", "plan", id);
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            outbox::emit(&mut tx, event("plan.updated", shop, &plan)?, now).await?;
            Ok(plan)
        })
        .await
}

/// Writes what of a plan changes.
pub(crate) async fn write_change(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    plan: &mut Plan,
    change: &PlanChange,
) -> Result<()> {
    if let Some(name) = &change.name {
        plan.name.clone_from(name);
    }
    if let Some(position) = change.position {
        plan.position = position;
    }
    if let Some(is_default) = change.is_default {
        if is_default && !plan.is_default {
            store::clear_default(tx, shop, plan.group_id).await?;
        }
        plan.is_default = is_default;
    }
    store::update_plan(tx, shop, plan).await
}

/// Takes a plan out of sale. Doing it again changes nothing.
///
/// # Errors
/// As [`update`].
pub async fn archive(app: &App, caller: &ShopCaller, id: PlanId) -> Result<Plan> {
    require_manage(caller)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let mut plan = get_in(&mut tx, shop, id).await?;
            if plan.archived_at.is_none() {
                (plan.archived_at, plan.is_default) = (Some(now), false);
                store::update_plan(&mut tx, shop, &plan).await?;
                let entry = audit::NewEntry::new("plan.archive", "plan", id);
                audit::record(&mut tx, &caller.caller, entry, now).await?;
                outbox::emit(&mut tx, event("plan.archived", shop, &plan)?, now).await?;
            }
            Ok(plan)
        })
        .await
}

/// Publishes the next version of a plan: new subscriptions get it, running ones keep theirs.
///
/// # Errors
/// As [`create`]; `not_found`; `conflict` for an archived plan.
pub async fn publish(app: &App, caller: &ShopCaller, id: PlanId, terms: &Terms) -> Result<Plan> {
    require_manage(caller)?;
    terms.check()?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let plan = get_in(&mut tx, shop, id).await?;
            refuse_archived(&plan)?;
            let plan = insert_version(&mut tx, shop, &plan, terms, now).await?;
            let entry =
                audit::NewEntry::new("plan.publish", "plan", id).with_detail("version", plan.current.version);
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            outbox::emit(&mut tx, event("plan.version_published", shop, &plan)?, now).await?;
            Ok(plan)
        })
        .await
}

/// Writes the next version of a plan and makes it the current one.
pub(crate) async fn insert_version(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    plan: &Plan,
    terms: &Terms,
    now: Timestamp,
) -> Result<Plan> {
    let next = plan.current.version + 1;
    write_version(tx, shop, plan.id, next, terms, now).await?;
    store::set_current(tx, shop, plan.id, next).await?;
    get_in(tx, shop, plan.id).await
}

async fn write_version(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    plan: PlanId,
    version: i64,
    terms: &Terms,
    now: Timestamp,
) -> Result<()> {
    let features = features::store::all(tx, shop).await?;
    let entitlements = entitlement::parse_all(&terms.entitlements, &features)?;
    store::insert_version(tx, shop, plan, version, terms.price.as_ref(), now).await?;
    store::insert_entitlements(tx, shop, plan, version, &entitlements).await
}

async fn get_in(tx: &mut Tx<Tenant>, shop: Shop, id: PlanId) -> Result<Plan> {
    store::find_plan(tx, shop, id)
        .await?
        .ok_or_else(|| Error::not_found("plan"))
}

fn require_manage(caller: &ShopCaller) -> Result<()> {
    caller.caller.require(Permission::PlatformsManage)?;
    catalogue::refuse_changes_in(caller.shop)
}

fn refuse_archived(plan: &Plan) -> Result<()> {
    if plan.archived_at.is_some() {
        return Err(Error::new(
            ErrorCode::Conflict,
            "The plan is archived: nobody can subscribe to it. Make a new plan instead.",
        ));
    }
    Ok(())
}

fn check_position(position: i64) -> Result<()> {
    if (0..=MAX_POSITION).contains(&position) {
        return Ok(());
    }
    Err(Error::invalid(
        "position",
        format!("must be from 0 to {MAX_POSITION}"),
    ))
}

fn event(kind: &'static str, shop: Shop, plan: &Plan) -> Result<NewEvent> {
    Ok(NewEvent::new(kind, plan.id, plan)?.of_platform(shop.platform, shop.mode))
}
