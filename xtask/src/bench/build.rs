//! How long compiling takes: everything from nothing, and `cargo check` after a change high up and deep down.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::BenchArgs;
use super::machine::Conditions;
use super::report::{Bound, Goal, goals, median};
use crate::process;
use crate::servers::folder;
use crate::workspace::Workspace;

/// A handler: what is changed most often.
const HANDLER: &str = "crates/commerce/src/usage/http/mod.rs";
/// What everything else depends on.
const DEEPEST: &str = "crates/types/src/id.rs";
/// What a change adds.
const LINE: &str = "// Added by `cargo xtask bench build`, and removed by it.\n";
const CHANGES: usize = 3;

pub fn measure(workspace: &Workspace, args: &BenchArgs) -> Result<String> {
    let patience = Duration::from_secs(args.patience);
    let conditions = Conditions::prepare(workspace, "cargo xtask bench build", patience)?;
    let handler = check_secs_after_changing(workspace, HANDLER)?;
    let deepest = check_secs_after_changing(workspace, DEEPEST)?;
    let cold = cold_build_secs(workspace)?;
    let goal = |what: &str, measured, at_most| Goal {
        what: what.to_owned(),
        measured,
        bound: Bound::AtMost(at_most),
        unit: "s",
    };
    let table = goals(&[
        goal("development build of `plinth` from nothing", cold, 300.0),
        goal("`cargo check` after a change to a handler", handler, 10.0),
        goal("`cargo check` after a change to an id in `types`", deepest, 10.0),
    ]);
    Ok(format!("{}\n\n{}", conditions.describe()?, table.text()))
}

/// Seconds for the development build of the program with all its dependencies, already downloaded, into an empty directory.
fn cold_build_secs(workspace: &Workspace) -> Result<f64> {
    let target = folder("cold-build")?;
    let mut build = workspace.cargo();
    build
        .args(["build", "--package", "server", "--bin", "plinth"])
        .env("CARGO_TARGET_DIR", target.path());
    let started = Instant::now();
    process::run(&build)?;
    Ok(started.elapsed().as_secs_f64())
}

/// The median of several changes to one file.
fn check_secs_after_changing(workspace: &Workspace, file: &str) -> Result<f64> {
    let check = || {
        let mut check = workspace.cargo();
        check.args(["check", "--package", "server"]);
        let started = Instant::now();
        process::run(&check)?;
        anyhow::Ok(started.elapsed().as_secs_f64())
    };
    check()?;
    let mut secs = Vec::new();
    for _ in 0..CHANGES {
        {
            let _changed = Changed::change(workspace.root.join(file))?;
            secs.push(check()?);
        }
        // The file is as it was, which is a change too.
        check()?;
    }
    Ok(median(&mut secs))
}

/// A source file with a line more than it has. Dropping the value takes the line away, whatever else has changed meanwhile.
struct Changed {
    path: PathBuf,
}

impl Changed {
    fn change(path: PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let changed = Self { path };
        fs::write(&changed.path, text + LINE).context("cannot change a source file")?;
        Ok(changed)
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        let restored =
            fs::read_to_string(&self.path).and_then(|text| fs::write(&self.path, text.replace(LINE, "")));
        if let Err(error) = restored {
            eprintln!("remove the last line of {}: {error}", self.path.display());
        }
    }
}
