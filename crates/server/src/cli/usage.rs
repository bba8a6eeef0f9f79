//! `plinth usage`: what is stored of usage, looked after.

use std::process::ExitCode;

use clap::Subcommand;
use commerce::usage::{self, Repair, Verdict};
use runtime::config::Config;
use storage::Upgrade;
use types::Result;

use super::{archive, output};
use crate::compose;

#[derive(Debug, Subcommand)]
pub(super) enum Args {
    /// Check that counters, hours and days of usage are what the events add up to.
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// Write hours and days that differ anew, from the events. Counters are told, and left as they are.
    #[arg(long)]
    repair: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Fails when something differs and was not repaired.
pub(super) async fn run(args: &Args, config: Config) -> Result<ExitCode> {
    let Args::Verify(args) = args;
    archive::require_database(&config)?;
    let parts = compose::open_parts(config, Upgrade::Never).await?;
    let app = compose::assemble(parts, compose::modules()).app;
    let repair = if args.repair { Repair::Yes } else { Repair::No };
    let verdicts = usage::verify(&app, repair).await?;
    app.db().close().await;
    if args.json {
        output::print_json(&verdicts)?;
    } else {
        output::print(&report(&verdicts))?;
    }
    Ok(if verdicts.iter().all(Verdict::is_sound) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn report(verdicts: &[Verdict]) -> String {
    let sum = |of: fn(&Verdict) -> u64| verdicts.iter().map(of).sum::<u64>();
    let mut text = format!(
        "{} events, {} counters, {} hours and days.\n",
        sum(|verdict| verdict.events),
        sum(|verdict| verdict.counters),
        sum(|verdict| verdict.rollups),
    );
    for verdict in verdicts {
        for difference in &verdict.differences {
            text.push_str(&format!("{difference}\n"));
        }
        let untold = verdict.found - verdict.differences.len() as u64;
        if untold > 0 {
            let (platform, mode) = (verdict.platform, verdict.mode);
            text.push_str(&format!("{untold} more of {platform} ({mode})\n"));
        }
    }
    let (found, repaired) = (sum(|verdict| verdict.found), sum(|verdict| verdict.repaired));
    let differences = match found {
        1 => "1 difference".to_owned(),
        found => format!("{found} differences"),
    };
    text.push_str(&match (found, repaired) {
        (0, _) => "All of it is what the events add up to.".to_owned(),
        (_, 0) => format!(
            "{differences}. `plinth usage verify --repair` writes hours and days anew; compare counters with a backup."
        ),
        _ if found == repaired => format!("{differences}, written anew."),
        _ => format!(
            "{differences}, {repaired} of them written anew. The others are counters: compare them with a backup."
        ),
    });
    text
}
