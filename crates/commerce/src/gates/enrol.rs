//! A new workspace becomes a customer of platform zero.

use runtime::App;
use runtime::jobs::{self, Job, JobContext};
use serde::{Deserialize, Serialize};
use storage::{System, Tx};
use types::id::WorkspaceId;
use types::{ErrorCode, Result, Timestamp};

use super::store::{self, GateRow};
use crate::catalogue::{self, OPERATOR_WORKSPACE, SHOP_ZERO};
use crate::customers::{self, CustomerCreate};
use crate::{Catalogue, ShopCaller};

/// Enrols a new workspace on the default plans of platform zero, in the transaction that makes it: its limits hold at once,
/// and a job makes it a customer there.
///
/// # Errors
/// As [`catalogue::current`].
pub async fn enrol(app: &App, tx: &mut Tx<System>, workspace: WorkspaceId, now: Timestamp) -> Result<()> {
    let catalogue = catalogue::current(app)?;
    for row in default_rows(&catalogue) {
        store::put(tx, workspace, &row, now).await?;
    }
    jobs::enqueue_for(tx, Some(workspace), &EnrolWorkspace { workspace }, now)
        .await
        .map(drop)
}

/// What the default plans give.
fn default_rows(catalogue: &Catalogue) -> impl Iterator<Item = GateRow> {
    catalogue.default_plans().flat_map(|plan| {
        plan.limits.iter().map(|(feature_key, limit)| GateRow {
            feature_key: feature_key.clone(),
            amount: limit.amount,
            plan_key: plan.plan.key.clone(),
        })
    })
}

/// Makes a workspace a customer of platform zero.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EnrolWorkspace {
    workspace: WorkspaceId,
}

impl Job for EnrolWorkspace {
    const KIND: &'static str = "commerce.enrol_workspace";

    async fn run(self, app: App, _: JobContext) -> Result<()> {
        become_customer(&app, self.workspace).await
    }
}

/// Makes the workspace a customer of platform zero, under its own id as external id, on the default plans. Doing it again
/// changes nothing.
pub(crate) async fn become_customer(app: &App, workspace: WorkspaceId) -> Result<()> {
    let operator = app.operator(app.issuer().tenant(OPERATOR_WORKSPACE));
    let seller = ShopCaller::enter(app, operator, SHOP_ZERO.platform, SHOP_ZERO.mode).await?;
    let input = CustomerCreate {
        external_id: Some(workspace.to_string()),
        ..CustomerCreate::default()
    };
    match customers::create(app, &seller, input).await {
        Err(error) if error.is(ErrorCode::AlreadyExists) => Ok(()),
        outcome => outcome.map(drop),
    }
}
