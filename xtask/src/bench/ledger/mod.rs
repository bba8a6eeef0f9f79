//! The figures of the ledger: counting that is exact and durable, beside the bare handler, beside what people count with
//! today, and beside itself with more counters, more stored events and somebody at the dashboard.

mod cloud_events;
mod dashboards;
mod figures;
mod fill;
mod rivals;
mod rounds;

use std::time::Duration;

use anyhow::Result;

use self::rivals::Rivals;
use super::BenchArgs;
use super::machine::Conditions;
use super::programs::Programs;
use super::stand::Database;
use super::wrk::Wrk;
use crate::workspace::Workspace;

pub fn measure(workspace: &Workspace, args: &BenchArgs) -> Result<String> {
    let wrk = Wrk::find_or_install()?;
    let programs = Programs::build(workspace, args)?;
    let patience = Duration::from_secs(args.patience);
    let conditions = Conditions::prepare(workspace, "cargo xtask bench ledger", patience)?;
    let rivals = Rivals::start()?;
    let measured = Database::ALL
        .into_iter()
        .map(|database| rounds::measure(&programs, &wrk, &rivals, database, args))
        .collect::<Result<Vec<_>>>()?;
    drop(rivals);
    Ok(format!(
        "{}\n{} slices of {} s each, medians.\n\n{}",
        conditions.describe()?,
        args.rounds,
        args.slice,
        figures::report(&measured)?,
    ))
}
