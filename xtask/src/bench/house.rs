//! The figures of the house: one table for what the machine can do, one for consume, one for the goals.

use std::time::Duration;

use anyhow::Result;

use super::machine::Conditions;
use super::programs::Programs;
use super::report::{Bound, Goal, goals};
use super::stand::Database;
use super::tables::{Calls, Yardsticks};
use super::wrk::Wrk;
use super::{BenchArgs, consume, start};
use crate::workspace::Workspace;

pub fn measure(workspace: &Workspace, args: &BenchArgs) -> Result<String> {
    let wrk = Wrk::find_or_install()?;
    let programs = Programs::build(workspace, args)?;
    let plinth = &programs.plinth;
    let patience = Duration::from_secs(args.patience);
    let conditions = Conditions::prepare(workspace, "cargo xtask bench house", patience)?;

    println!("starts, memory, first call");
    let starts = start::starts(plinth)?;
    let idle = start::idle_megabytes(plinth)?;
    let first_call = start::first_call_secs(plinth)?;
    let (built, stripped) = start::program_megabytes(plinth)?;
    let consumed = Database::ALL
        .into_iter()
        .map(|database| consume::measure(&programs, &wrk, database, args))
        .collect::<Result<Vec<_>>>()?;

    let (mut yardsticks, mut calls) = (Yardsticks::new(), Calls::new());
    let mut summary = String::new();
    for consumed in &consumed {
        consumed.rows(&mut yardsticks, &mut calls);
        summary.push_str(&consumed.summary());
    }
    let reached = goals(&[
        goal(
            "ready after a start on an empty directory",
            starts.first_millis,
            150.0,
            "ms",
        ),
        goal(
            "ready after a start on a directory in use",
            starts.again_millis,
            150.0,
            "ms",
        ),
        goal("memory at rest, 5 s after the start", idle, 40.0, "MB"),
        goal("release program, as built", built, 30.0, "MB"),
        goal("release program, stripped of all symbols", stripped, 30.0, "MB"),
        goal(
            "from an empty directory to the first metered call",
            first_call,
            5.0,
            "s",
        ),
    ]);
    Ok(format!(
        "{}\n{} slices of {} s each, medians.\n\n{}\n{}\n{}\n\n{}",
        conditions.describe()?,
        args.rounds,
        args.slice,
        yardsticks.text(),
        calls.text(),
        summary.trim_end(),
        reached.text(),
    ))
}

fn goal(what: &str, measured: f64, at_most: f64, unit: &'static str) -> Goal {
    Goal {
        what: what.to_owned(),
        measured,
        bound: Bound::AtMost(at_most),
        unit,
    }
}
