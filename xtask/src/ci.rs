//! `cargo xtask ci`: what `.ci/run` calls, and what to run before a change is handed in.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::suites::TestArgs;
use crate::workspace::Workspace;
use crate::{deps, generate, process, suites};

struct Step {
    name: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// Cheap ones first, so that a slip is told within seconds.
const STEPS: &[Step] = &[
    Step {
        name: "formatting",
        run: formatting,
    },
    Step {
        name: "dependency directions",
        run: deps::check,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "generated files",
        run: generate::check,
    },
    Step {
        name: "tests",
        run: |workspace| suites::run(workspace, &TestArgs::default()),
    },
];

/// Runs every step, prints the time of each, and stops at the first that fails.
pub fn run(workspace: &Workspace) -> Result<()> {
    for (index, step) in STEPS.iter().enumerate() {
        println!("== step {} of {}: {}", index + 1, STEPS.len(), step.name);
        let started = Instant::now();
        (step.run)(workspace).with_context(|| format!("step `{}`", step.name))?;
        println!(
            "== {}: passed in {:.1} s",
            step.name,
            started.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn formatting(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` puts it right")
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo();
    command.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]);
    process::run(&command)
}
