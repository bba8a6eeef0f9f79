//! The table `subscriptions`, and which plans can be subscribed to.

use storage::{Row, Tenant, Tx, Value, params};
use types::id::{CustomerId, PlanGroupId, PlanId, SubscriptionId};
use types::text::check_text;
use types::{Page, PageRequest, Result, Timestamp};

use super::Subscription;
use crate::key::MAX_KEY_CHARS;
use crate::{Shop, cursor};

/// How a request names a plan.
pub(super) enum PlanRef {
    Id(PlanId),
    Key(String),
}

impl PlanRef {
    pub(super) fn read(text: &str) -> Result<PlanRef> {
        if let Ok(id) = text.parse() {
            return Ok(PlanRef::Id(id));
        }
        check_text("plan", text, 1, MAX_KEY_CHARS)?;
        Ok(PlanRef::Key(text.to_owned()))
    }
}

/// A plan version that can be subscribed to.
pub(super) struct Offer {
    pub(super) group: String,
    pub(super) group_id: PlanGroupId,
    pub(super) plan: String,
    pub(super) plan_id: PlanId,
    pub(super) version: i64,
}

/// Plans that can be subscribed to, with the keys of their groups.
macro_rules! select_offers {
    ($which:literal) => {
        concat!(
            "SELECT p.*, g.group_key FROM plans p
            JOIN plan_groups g ON g.workspace_id = p.workspace_id AND g.platform_id = p.platform_id
                AND g.mode = p.mode AND g.plan_group_id = p.plan_group_id
            WHERE p.workspace_id = $1 AND p.platform_id = $2 AND p.mode = $3 AND p.archived_at IS NULL AND ",
            $which
        )
    };
}

/// Subscriptions with the keys of their plans and groups.
macro_rules! select_subscriptions {
    ($which:literal) => {
        concat!(
            "SELECT s.*, p.plan_key, g.group_key FROM subscriptions s
            JOIN plans p ON p.workspace_id = s.workspace_id AND p.platform_id = s.platform_id
                AND p.mode = s.mode AND p.plan_id = s.plan_id
            JOIN plan_groups g ON g.workspace_id = s.workspace_id AND g.platform_id = s.platform_id
                AND g.mode = s.mode AND g.plan_group_id = s.plan_group_id
            WHERE s.workspace_id = $1 AND s.platform_id = $2 AND s.mode = $3 AND ",
            $which
        )
    };
}

const OFFER_BY_ID: &str = select_offers!("p.plan_id = $4");
const OFFERS_BY_KEY: &str = select_offers!("p.plan_key = $4");

/// The current versions of the plans with that name: several, when several groups have a plan with the key.
pub(super) async fn offers(tx: &mut Tx<Tenant>, shop: Shop, plan: &PlanRef) -> Result<Vec<Offer>> {
    let (sql, name) = match plan {
        PlanRef::Id(id) => (OFFER_BY_ID, Value::from(*id)),
        PlanRef::Key(key) => (OFFERS_BY_KEY, Value::from(key)),
    };
    let params = params![tx.workspace(), shop.platform, shop.mode, name];
    let rows = tx.fetch_all(sql, params).await?;
    rows.iter().map(offer).collect()
}

const DEFAULT_OFFERS: &str = select_offers!("p.is_default ORDER BY g.group_key");

/// The default plan of each group that has one.
pub(super) async fn default_offers(tx: &mut Tx<Tenant>, shop: Shop) -> Result<Vec<Offer>> {
    let params = params![tx.workspace(), shop.platform, shop.mode];
    let rows = tx.fetch_all(DEFAULT_OFFERS, params).await?;
    rows.iter().map(offer).collect()
}

const HAS_VERSION: &str = "SELECT version FROM plan_versions
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_id = $4 AND version = $5";

pub(super) async fn has_version(tx: &mut Tx<Tenant>, shop: Shop, plan: PlanId, version: i64) -> Result<bool> {
    let params = params![tx.workspace(), shop.platform, shop.mode, plan, version];
    Ok(tx.fetch_optional(HAS_VERSION, params).await?.is_some())
}

const INSERT: &str = "INSERT INTO subscriptions
    (workspace_id, platform_id, mode, subscription_id, customer_id, plan_group_id, plan_id, plan_version,
        started_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub(super) async fn insert(tx: &mut Tx<Tenant>, shop: Shop, subscription: &Subscription) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        subscription.id,
        subscription.customer,
        subscription.group_id,
        subscription.plan_id,
        subscription.version,
        subscription.started_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

const SET_ENDED: &str = "UPDATE subscriptions SET ended_at = $5
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND subscription_id = $4";

pub(super) async fn set_ended(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    id: SubscriptionId,
    ended_at: Timestamp,
) -> Result<()> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id, ended_at];
    tx.execute(SET_ENDED, params).await.map(drop)
}

const FIND: &str = select_subscriptions!("s.subscription_id = $4");

pub(super) async fn find(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    id: SubscriptionId,
) -> Result<Option<Subscription>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    let row = tx.fetch_optional(FIND, params).await?;
    row.as_ref().map(subscription).transpose()
}

const FIND_RUNNING: &str =
    select_subscriptions!("s.customer_id = $4 AND s.plan_group_id = $5 AND s.ended_at IS NULL");

/// The customer's running subscription in the group.
pub(super) async fn find_running(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    group: PlanGroupId,
) -> Result<Option<Subscription>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, customer, group];
    let row = tx.fetch_optional(FIND_RUNNING, params).await?;
    row.as_ref().map(subscription).transpose()
}

const LIST: &str = select_subscriptions!("s.subscription_id < $4 ORDER BY s.subscription_id DESC LIMIT $5");

/// Everybody's, newest first.
pub(super) async fn list(tx: &mut Tx<Tenant>, shop: Shop, page: &PageRequest) -> Result<Page<Subscription>> {
    let before: SubscriptionId = cursor::before(page)?;
    let params = params![tx.workspace(), shop.platform, shop.mode, before, page.limit + 1];
    let rows = tx.fetch_all(LIST, params).await?;
    page_of(&rows, page)
}

const LIST_OF: &str = select_subscriptions!(
    "s.customer_id = $4 AND s.subscription_id < $5 ORDER BY s.subscription_id DESC LIMIT $6"
);

/// One customer's, newest first.
pub(super) async fn list_of(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    page: &PageRequest,
) -> Result<Page<Subscription>> {
    let before: SubscriptionId = cursor::before(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        customer,
        before,
        page.limit + 1
    ];
    let rows = tx.fetch_all(LIST_OF, params).await?;
    page_of(&rows, page)
}

fn page_of(rows: &[Row], page: &PageRequest) -> Result<Page<Subscription>> {
    let subscriptions = rows.iter().map(subscription).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(
        subscriptions,
        page.limit,
        |subscription: &Subscription| subscription.id.to_string(),
    ))
}

fn offer(row: &Row) -> Result<Offer> {
    Ok(Offer {
        group: row.get("group_key")?,
        group_id: row.get("plan_group_id")?,
        plan: row.get("plan_key")?,
        plan_id: row.get("plan_id")?,
        version: row.get("current_version")?,
    })
}

fn subscription(row: &Row) -> Result<Subscription> {
    Ok(Subscription {
        id: row.get("subscription_id")?,
        customer: row.get("customer_id")?,
        group: row.get("group_key")?,
        group_id: row.get("plan_group_id")?,
        plan: row.get("plan_key")?,
        plan_id: row.get("plan_id")?,
        version: row.get("plan_version")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
    })
}
