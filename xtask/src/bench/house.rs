//! The figures of the house: one table for what the machine can do, one for consume, one for the goals.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::consume::{self, Database, Programs};
use super::machine::Conditions;
use super::report::{Goal, Table, goals};
use super::wrk::Wrk;
use super::{BenchArgs, start};
use crate::process;
use crate::workspace::Workspace;

pub fn measure(workspace: &Workspace, args: &BenchArgs) -> Result<String> {
    let wrk = Wrk::find_or_install()?;
    let [plinth, bare, one_commit] = build(workspace)?;
    let patience = Duration::from_secs(args.patience);
    let conditions = Conditions::prepare(workspace, "cargo xtask bench house", patience)?;

    println!("starts, memory, first call");
    let starts = start::starts(&plinth)?;
    let idle = start::idle_megabytes(&plinth)?;
    let first_call = start::first_call_secs(&plinth)?;
    let (built, stripped) = start::program_megabytes(&plinth)?;
    let programs = Programs {
        plinth: &plinth,
        bare: &bare,
        one_commit: &one_commit,
    };
    let consumed = [Database::Sqlite, Database::Postgres]
        .into_iter()
        .map(|database| consume::measure(&programs, &wrk, database, args))
        .collect::<Result<Vec<_>>>()?;

    let mut yardsticks = Table::new(&[
        "in turns with",
        "what the machine can do",
        "a second",
        "p50",
        "p99",
        "failed",
    ]);
    let mut calls = Table::new(&[
        "database",
        "load",
        "calls a second",
        "× bare",
        "× one commit a call",
        "p50",
        "p99",
        "failed",
    ]);
    let mut summary = String::new();
    for consumed in &consumed {
        consumed.yardsticks(&mut yardsticks);
        consumed.rows(&mut calls);
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

fn goal(what: &'static str, measured: f64, at_most: f64, unit: &'static str) -> Goal {
    Goal {
        what,
        measured,
        at_most,
        unit,
    }
}

/// The release program and the two yardsticks. Built by one command, because two would build most dependencies twice.
fn build(workspace: &Workspace) -> Result<[PathBuf; 3]> {
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--package", "server", "--bin", "plinth"]);
    command.args(["--example", "bare", "--example", "one_commit"]);
    process::run(&command)?;
    let release = workspace.target.join("release");
    Ok([
        release.join("plinth"),
        release.join("examples/bare"),
        release.join("examples/one_commit"),
    ])
}
