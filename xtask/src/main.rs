#![doc = include_str!("../README.md")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to a terminal"
)]

mod bench;
mod ci;
mod deps;
mod generate;
mod guard;
mod mutate;
mod packages;
mod process;
mod servers;
mod simulate;
mod suites;
mod workspace;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::guard::GuardArgs;
use crate::simulate::SimulateArgs;
use crate::suites::TestArgs;
use crate::workspace::Workspace;

/// The project's own chores: nothing but a Rust toolchain is needed to start them.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the tests on both databases, with throwaway servers; installs what is missing
    Test(TestArgs),
    /// Check that every crate depends only on what stands below it
    CheckDeps,
    /// Rewrite the committed files that the plinth binary generates
    Generate {
        /// Change nothing; fail when a file is out of date
        #[arg(long)]
        check: bool,
    },
    /// Everything that must pass before a change lands
    Ci,
    /// Measure, beside what this machine can do at all, and write docs/benchmarks.md
    Bench(BenchArgs),
    /// Take workspace predicates out of statements, one at a time, and see whether the tests notice. Takes minutes
    Mutate,
    /// Run the simulation of the group commit with a million schedules. Takes a quarter of an hour
    Simulate(SimulateArgs),
    /// Watch one child for xtask (started by xtask itself)
    #[command(hide = true)]
    Guard(GuardArgs),
}

fn main() -> ExitCode {
    let task = match Cli::parse().task {
        Task::Guard(args) => return guard::run(args),
        task => task,
    };
    let started = Instant::now();
    let result = process::stop_children_on_signals().and_then(|()| run(task));
    println!("total time: {:.1} s", started.elapsed().as_secs_f64());
    match (result, process::interrupted_by()) {
        (_, Some(signal)) => {
            eprintln!("interrupted: everything that was started has been stopped");
            ExitCode::from(128u8.saturating_add(u8::try_from(signal).unwrap_or(0)))
        }
        (Ok(()), None) => ExitCode::SUCCESS,
        (Err(error), None) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Test(args) => suites::run(&workspace, &args),
        Task::CheckDeps => deps::check(&workspace),
        Task::Generate { check: false } => generate::write(&workspace),
        Task::Generate { check: true } => generate::check(&workspace),
        Task::Ci => ci::run(&workspace),
        Task::Bench(args) => bench::run(&workspace, &args),
        Task::Mutate => mutate::run(&workspace),
        Task::Simulate(args) => simulate::run(&workspace, &args),
        Task::Guard(_) => unreachable!("main runs the guard before anything else"),
    }
}
