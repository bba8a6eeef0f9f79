//! `cargo xtask bench`: figures beside what the machine can do at all, measured in the same run, because a figure alone says
//! more about the machine than about the product. Nothing here passes or fails: no test asserts a time.
//!
//! A further body of figures is a file or folder here, a variant of [`Figures`] and a pair of markers in `docs/benchmarks.md`.

mod api;
mod bare;
mod build;
mod consume;
mod fsync;
mod house;
mod ledger;
mod machine;
mod one_commit;
mod programs;
mod report;
mod shop;
mod sql;
mod stand;
mod start;
mod tables;
mod wrk;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::workspace::Workspace;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Figures {
    /// Consume, start, memory, size, first call
    House,
    /// Consume beside Redis and PostgreSQL by hand, CloudEvents, many counters, many stored events, dashboards at work
    Ledger,
    /// How long compiling takes: from nothing, and after a change. Takes minutes
    Build,
}

#[derive(Args)]
pub struct BenchArgs {
    /// Which figures
    #[arg(value_enum, default_value_t = Figures::House)]
    figures: Figures,
    /// How long each slice of load lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=120))]
    slice: u64,
    /// Slices of each load; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// How long to wait at most until nothing else keeps the machine busy
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    /// Of `ledger`: millions of stored events that are compared with a tenth of them
    #[arg(long, value_name = "MILLIONS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=50))]
    events: u32,
    /// Only print, and leave docs/benchmarks.md as it is
    #[arg(long)]
    dry_run: bool,
    /// Try the benchmark itself, with programs that compile fast; the figures mean nothing and are not written
    #[arg(long, hide = true)]
    unoptimised: bool,
}

/// Measures, prints the figures as Markdown, and puts them between their markers in `docs/benchmarks.md`.
pub fn run(workspace: &Workspace, args: &BenchArgs) -> Result<()> {
    let (name, figures) = match args.figures {
        Figures::House => ("house", house::measure(workspace, args)?),
        Figures::Ledger => ("ledger", ledger::measure(workspace, args)?),
        Figures::Build => ("build", build::measure(workspace, args)?),
    };
    println!("\n{figures}");
    if args.dry_run || args.unoptimised {
        return Ok(());
    }
    report::write(workspace, name, &figures)
}
