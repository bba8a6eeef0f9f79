//! Keeps a workspace's gates in line with what it has in platform zero.

use runtime::App;
use runtime::jobs::{self, Job, JobContext};
use runtime::outbox::Event;
use serde::{Deserialize, Serialize};
use storage::{Reason, System, Tx};
use types::id::{CustomerId, WorkspaceId};
use types::{Result, Timestamp};

use super::store::{self, GateRow};
use crate::catalogue::{OPERATOR_WORKSPACE, SHOP_ZERO};
use crate::customers::{self, Customer, CustomerRef};
use crate::entitlements::{Holdings, Resolved, Source};
use crate::features;

/// What changes what a customer gets.
pub(super) const KINDS: &[&str] = &[
    "subscription.created",
    "subscription.ended",
    "override.created",
    "override.removed",
    "customer.archived",
    "customer.unarchived",
];

/// The plan of rows that an override decides.
const OVERRIDE_PLAN: &str = "override";

/// Follows an event of platform zero.
pub(super) async fn follow(app: App, _: JobContext, event: Event) -> Result<()> {
    if event.platform != Some(SHOP_ZERO.platform) || event.mode != Some(SHOP_ZERO.mode) {
        return Ok(());
    }
    let named = event.data.get("customer").and_then(serde_json::Value::as_str);
    match named.unwrap_or(&event.object).parse::<CustomerId>() {
        Ok(customer) => project(&app, &CustomerRef::Id(customer)).await,
        Err(_) => Ok(()),
    }
}

/// Writes what a customer of platform zero gets now into the gates of the workspace that it is, and once more when the first
/// of its overrides expires.
pub async fn project(app: &App, customer: &CustomerRef) -> Result<()> {
    let now = app.now();
    app.db()
        .of(app.issuer().system(Reason::Gates))
        .write(|mut tx| async move {
            let Some(customer) = customers::store::find_by_ref(&mut tx, SHOP_ZERO, customer).await? else {
                return Ok(());
            };
            // A customer that the operator made by hand need not be a workspace, and the operator's own has everything.
            let workspace = customer.external_id.as_deref().map(str::parse::<WorkspaceId>);
            let Some(Ok(workspace)) = workspace else {
                return Ok(());
            };
            if workspace == OPERATOR_WORKSPACE {
                return Ok(());
            }
            write(&mut tx, workspace, &customer, now).await
        })
        .await
}

async fn write(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    customer: &Customer,
    now: Timestamp,
) -> Result<()> {
    let holdings = Holdings::load(tx, SHOP_ZERO, customer.id).await?;
    let mut rows = Vec::new();
    let mut expires_at: Option<Timestamp> = None;
    for feature in features::store::all(tx, SHOP_ZERO).await? {
        let resolved = holdings.resolve(feature.id, now);
        let next = expiry(&resolved, now);
        expires_at = expires_at.into_iter().chain(next).min();
        if customer.archived_at.is_none() {
            rows.extend(row(feature.key, &resolved));
        }
    }
    store::replace(tx, workspace, &rows, now).await?;
    if let Some(at) = expires_at {
        let job = ProjectGates {
            customer: customer.id,
        };
        jobs::enqueue_at(tx, &job, at, now).await?;
    }
    Ok(())
}

fn row(feature_key: String, resolved: &Resolved) -> Option<GateRow> {
    let plan_key = match &resolved.source {
        Source::Plan(plan) => plan.plan_key.clone(),
        Source::Override(_) => OVERRIDE_PLAN.to_owned(),
        Source::Nothing => return None,
    };
    resolved.limit.as_ref().map(|limit| GateRow {
        feature_key,
        amount: limit.amount,
        plan_key,
    })
}

/// When the override that decides now will not any more.
fn expiry(resolved: &Resolved, now: Timestamp) -> Option<Timestamp> {
    match &resolved.source {
        Source::Override(standing) => standing.expires_at.filter(|at| *at > now),
        Source::Plan(_) | Source::Nothing => None,
    }
}

/// Projects a customer's gates at a later time.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProjectGates {
    customer: CustomerId,
}

impl Job for ProjectGates {
    const KIND: &'static str = "commerce.project_gates";

    async fn run(self, app: App, _: JobContext) -> Result<()> {
        project(&app, &CustomerRef::Id(self.customer)).await
    }
}
