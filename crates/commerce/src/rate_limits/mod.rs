//! Rate limits: how fast calls may come, as rules of a shop. A rule limits each customer, end user or API key for itself,
//! and only the calls that fit everything it selects: plan, customer, feature, route.
//!
//! The ledger asks them within its decision, by the generic cell rate algorithm. Their state is in the memory of each node
//! and goes by the rule's id, so that a rule that is renamed or changed does not start again.

mod form;
mod http;
mod known;
mod matching;
mod store;

use std::sync::Arc;

use ledger::SubjectKind;
use runtime::outbox::{self, NewEvent};
use runtime::{App, Module, audit};
use serde::{Deserialize, Serialize};
use storage::{Tenant, Tx};
use types::id::{CustomerId, FeatureId, PlanId, RateLimitId};
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub use self::form::{RateLimitCreate, RateLimitUpdate};
pub(crate) use self::http::routes;
pub use self::known::Known;
pub use self::matching::{Call, RateLimits};

use crate::{Shop, ShopCaller};

/// Rules of one shop, at most: every call looks at all of them.
pub const MAX_RULES: usize = 100;
/// Characters of a route, at most.
pub const MAX_ROUTE_CHARS: usize = 200;

/// How fast calls may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateLimit {
    pub id: RateLimitId,
    /// Unique on the platform.
    pub name: String,
    pub applies_to: RateSubject,
    /// Units in `per_secs` seconds, on average.
    pub limit: u32,
    pub per_secs: u32,
    /// Units at once; as many as `limit` when null.
    pub burst: Option<u32>,
    /// Only calls of customers who are subscribed to this plan, by its key.
    pub plan: Option<String>,
    pub plan_id: Option<PlanId>,
    /// Only calls of this customer.
    pub customer: Option<CustomerId>,
    /// Only calls of this feature, by its key.
    pub feature: Option<String>,
    pub feature_id: Option<FeatureId>,
    /// Only calls that say just this route.
    pub route: Option<String>,
    pub created_at: Timestamp,
}

/// Who has a bucket of their own under a rule. A call that names no such one is not limited by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateSubject {
    Customer,
    EndUser,
    ApiKey,
}

impl RateSubject {
    const ALL: [RateSubject; 3] = [RateSubject::Customer, RateSubject::EndUser, RateSubject::ApiKey];

    const fn kind(self) -> SubjectKind {
        match self {
            RateSubject::Customer => SubjectKind::Customer,
            RateSubject::EndUser => SubjectKind::EndUser,
            RateSubject::ApiKey => SubjectKind::ApiKey,
        }
    }
}

/// Makes a rule. It holds on this node at once, and on every node within a second.
///
/// # Errors
/// `permission_denied`; `validation_failed`; `not_found` for the customer; `feature_not_metered`; `already_exists` for a name
/// that is taken; `conflict`, when the shop has [`MAX_RULES`].
pub async fn create(app: &App, caller: &ShopCaller, new: &RateLimitCreate) -> Result<RateLimit> {
    caller.caller.require(Permission::PlatformsManage)?;
    let (now, shop) = (app.now(), caller.shop);
    new.check()?;
    let known = &app.service::<Known>()?;
    let created = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let created = new.to_rule(&mut tx, shop, now).await?;
            let others = store::all(&mut tx, shop).await?;
            refuse_too_many(&others)?;
            refuse_taken(&others, &created)?;
            store::insert(&mut tx, shop, &created).await?;
            Known::forget_after(known, &mut tx, shop);
            tell(&mut tx, caller, Change::CREATED, &created, now).await?;
            Ok(created)
        })
        .await?;
    known::announce(app, shop).await;
    Ok(created)
}

/// The shop's rules, oldest first.
///
/// # Errors
/// `permission_denied`.
pub async fn list(app: &App, caller: &ShopCaller, page: &PageRequest) -> Result<Page<RateLimit>> {
    caller.caller.require(Permission::PlatformsRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::list(&mut tx, caller.shop, page).await })
        .await
}

/// # Errors
/// `permission_denied`; `not_found`, when the shop has no such rule.
pub async fn get(app: &App, caller: &ShopCaller, id: RateLimitId) -> Result<RateLimit> {
    caller.caller.require(Permission::PlatformsRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { existing(&mut tx, caller.shop, id).await })
        .await
}

/// Renames a rule or changes its rate. Buckets keep what was taken from them.
///
/// # Errors
/// As [`create`]; `not_found`.
pub async fn update(
    app: &App,
    caller: &ShopCaller,
    id: RateLimitId,
    input: &RateLimitUpdate,
) -> Result<RateLimit> {
    caller.caller.require(Permission::PlatformsManage)?;
    let (now, shop) = (app.now(), caller.shop);
    let known = &app.service::<Known>()?;
    let updated = app
        .db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let before = existing(&mut tx, shop, id).await?;
            let updated = input.of(&before)?;
            if updated == before {
                return Ok(before);
            }
            refuse_taken(&store::all(&mut tx, shop).await?, &updated)?;
            store::update(&mut tx, shop, &updated).await?;
            Known::forget_after(known, &mut tx, shop);
            tell(&mut tx, caller, Change::UPDATED, &updated, now).await?;
            Ok(updated)
        })
        .await?;
    known::announce(app, shop).await;
    Ok(updated)
}

/// Takes a rule away, with its buckets.
///
/// # Errors
/// `permission_denied`, `not_found`.
pub async fn delete(app: &App, caller: &ShopCaller, id: RateLimitId) -> Result<()> {
    caller.caller.require(Permission::PlatformsManage)?;
    let (now, shop) = (app.now(), caller.shop);
    let known = &app.service::<Known>()?;
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let deleted = existing(&mut tx, shop, id).await?;
            store::delete(&mut tx, shop, id).await?;
            Known::forget_after(known, &mut tx, shop);
            tell(&mut tx, caller, Change::DELETED, &deleted, now).await
        })
        .await?;
    known::announce(app, shop).await;
    Ok(())
}

async fn existing(tx: &mut Tx<Tenant>, shop: Shop, id: RateLimitId) -> Result<RateLimit> {
    let found = store::find(tx, shop, id).await?;
    found.ok_or_else(|| Error::not_found("rate limit"))
}

fn refuse_too_many(rules: &[RateLimit]) -> Result<()> {
    if rules.len() < MAX_RULES {
        return Ok(());
    }
    let detail = format!(
        "The platform has {MAX_RULES} rate limits in this mode, the most there can be. Delete one first."
    );
    Err(Error::new(ErrorCode::Conflict, detail).with_member("limit", MAX_RULES))
}

fn refuse_taken(rules: &[RateLimit], subject: &RateLimit) -> Result<()> {
    let is_other = |rule: &RateLimit| rule.name == subject.name && rule.id != subject.id;
    if !rules.iter().any(is_other) {
        return Ok(());
    }
    let detail = format!("There is a rate limit with the name {:?} already.", subject.name);
    Err(Error::new(ErrorCode::AlreadyExists, detail).with_field("name", "another rate limit has it"))
}

/// How a change of a rule is told: to subscribers and to the audit log.
#[derive(Clone, Copy)]
struct Change {
    kind: &'static str,
    action: &'static str,
}

impl Change {
    const CREATED: Change = Change {
        kind: "rate_limit.created",
        action: "rate_limit.create",
    };
    const UPDATED: Change = Change {
        kind: "rate_limit.updated",
        action: "rate_limit.update",
    };
    const DELETED: Change = Change {
        kind: "rate_limit.deleted",
        action: "rate_limit.delete",
    };
}

async fn tell(
    tx: &mut Tx<Tenant>,
    caller: &ShopCaller,
    change: Change,
    subject: &RateLimit,
    now: Timestamp,
) -> Result<()> {
    let entry = audit::NewEntry::new(change.action, "rate_limit", subject.id)
        .with_detail("name", subject.name.as_str());
    audit::record(tx, &caller.caller, entry, now).await?;
    let shop = caller.shop;
    let event = NewEvent::new(change.kind, subject.id, subject)?.of_platform(shop.platform, shop.mode);
    outbox::emit(tx, event, now).await.map(drop)
}

/// Adds what is known of the rules, and the work that keeps it true.
pub(crate) fn register(mut module: Module) -> Module {
    module.tasks.push(|app, stop| Box::pin(known::listen(app, stop)));
    module.with_service(Arc::<Known>::default())
}
