//! `cargo xtask simulate`: the simulation of the group commit with as many schedules as somebody has time for, built with
//! optimisation and with every check. What is simulated stands in `crates/commerce/src/usage/simulation`.

use anyhow::Result;
use clap::Args;

use crate::process;
use crate::workspace::Workspace;

#[derive(Args)]
pub struct SimulateArgs {
    /// How many schedules to run
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    schedules: u64,
    /// The seed of the first; the others follow it
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    from: u64,
    /// Run this schedule alone, and tell all that happened if something does not hold
    #[arg(long, conflicts_with_all = ["schedules", "from"])]
    seed: Option<u64>,
}

pub fn run(workspace: &Workspace, args: &SimulateArgs) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--profile", "simulation", "-p", "commerce", "--lib"]);
    cargo.arg("usage::simulation::every_invariant_holds");
    match args.seed {
        Some(seed) => cargo.env("PLINTH_SEED", seed.to_string()),
        None => cargo
            .env("PLINTH_SCHEDULES", args.schedules.to_string())
            .env("PLINTH_FIRST_SEED", args.from.to_string()),
    };
    process::run(&cargo)
}
