//! Gates: what platform zero's plans give a workspace, projected into rows of the workspace itself, so that its own
//! transactions can lock and check them. A feature without a row is not given.
//!
//! [`enrol`] writes the rows of a new workspace; from then on they follow its subscriptions and overrides in platform zero.

mod enrol;
mod project;
mod refusal;
mod store;

use std::sync::Arc;

use runtime::outbox::Subscriber;
use runtime::{App, Module};
use storage::{Tenant, Tx};
use types::{Result, Timestamp};

pub(crate) use self::enrol::become_customer;
pub use self::enrol::enrol;
pub use self::project::project;
pub(crate) use self::store::limits_of;
pub use self::store::{GateRow, limit_of};

use crate::catalogue;

/// The plan of rows that no plan gives: the operator's own workspace.
const OPERATOR_PLAN: &str = "operator";

/// Adds what gates need to the part: the catalogue, jobs, and who listens to platform zero.
pub(crate) fn register(mut module: Module) -> Module {
    module.jobs = std::mem::take(&mut module.jobs)
        .with::<enrol::EnrolWorkspace>()
        .with::<project::ProjectGates>();
    let follow = Subscriber::new("commerce.gates", project::KINDS, project::follow);
    module.subscribers.push(follow);
    module.with_service(Arc::<catalogue::Shelf>::default())
}

/// Checks that `additional` more of a stock feature fit beside the `used` ones that are there.
///
/// Count `used` in the same transaction, a serializable one (`write`): of two that count at the same time, one is run again.
/// The lock on the workspace's row makes the other wait for it rather than fail late.
///
/// # Errors
/// `plan_limit_reached`, with the limit, what is used, the plan, and the plans that lift it.
pub async fn stock(
    app: &App,
    tx: &mut Tx<Tenant>,
    feature_key: &str,
    additional: i64,
    used: i64,
) -> Result<()> {
    let row = store::lock(tx, feature_key).await?;
    let limit = match &row {
        None => 0,
        Some(GateRow { amount: None, .. }) => return Ok(()),
        Some(GateRow {
            amount: Some(limit), ..
        }) => *limit,
    };
    if used.saturating_add(additional) <= limit {
        return Ok(());
    }
    let held = store::of_workspace(tx).await?;
    Err(refusal::limit_reached(
        &*catalogue::current(app)?,
        &held,
        feature_key,
        limit,
        used,
    ))
}

/// Checks that the workspace has a boolean feature.
///
/// # Errors
/// `feature_not_in_plan`, with the plan, and the plans that have it.
pub async fn flag(app: &App, tx: &mut Tx<Tenant>, feature_key: &str) -> Result<()> {
    let workspace = tx.workspace();
    if limit_of(tx, workspace, feature_key).await?.is_some() {
        return Ok(());
    }
    let held = store::of_workspace(tx).await?;
    Err(refusal::not_in_plan(
        &*catalogue::current(app)?,
        &held,
        feature_key,
    ))
}

/// Gives the workspace of the transaction those features without limit: the operator's own.
pub(crate) async fn give_everything(
    tx: &mut Tx<Tenant>,
    feature_keys: impl Iterator<Item = &str>,
    now: Timestamp,
) -> Result<()> {
    let workspace = tx.workspace();
    for feature_key in feature_keys {
        let row = GateRow {
            feature_key: feature_key.to_owned(),
            amount: None,
            plan_key: OPERATOR_PLAN.to_owned(),
        };
        store::put(tx, workspace, &row, now).await?;
    }
    Ok(())
}
