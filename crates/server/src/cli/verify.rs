//! `plinth verify`: recomputes the chain of every workspace's audit log and checks its signatures.

use std::process::ExitCode;

use runtime::audit::{self, Fault, Verdict};
use runtime::config::Config;
use storage::Upgrade;
use types::Result;

use super::{archive, output};
use crate::compose;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Fails when anything was changed, moved or removed.
pub(super) async fn run(args: &Args, config: Config) -> Result<ExitCode> {
    archive::require_database(&config)?;
    let parts = compose::open_parts(config, Upgrade::Never).await?;
    let app = compose::assemble(parts, compose::modules()).app;
    let verdicts = audit::verify(&app).await?;
    app.db().close().await;
    if args.json {
        output::print_json(&verdicts)?;
    } else {
        output::print(&report(&verdicts))?;
    }
    Ok(if verdicts.iter().all(|verdict| verdict.faults.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn report(verdicts: &[Verdict]) -> String {
    let (entries, checkpoints) = verdicts.iter().fold((0, 0), |(entries, checkpoints), verdict| {
        (entries + verdict.entries, checkpoints + verdict.checkpoints)
    });
    let mut text = format!(
        "{} workspaces, {entries} audit entries in their chains, {checkpoints} signed checkpoints.\n",
        verdicts.len()
    );
    for verdict in verdicts {
        for fault in &verdict.faults {
            text.push_str(&format!("{}: {}\n", verdict.workspace, sentence(fault)));
        }
    }
    let faults: usize = verdicts.iter().map(|verdict| verdict.faults.len()).sum();
    text.push_str(&match faults {
        0 => "Nothing was changed, moved or removed.".to_owned(),
        n => format!("{n} faults. Compare with a backup from before: the audit log was written to by something else than plinth."),
    });
    text
}

fn sentence(fault: &Fault) -> String {
    match fault {
        Fault::EntryMissing { position, entry } => format!("entry {entry}, at position {position}, is gone"),
        Fault::EntryChanged { position, entry } => {
            format!("entry {entry}, at position {position}, is not what it was when it was chained")
        }
        Fault::LinkMissing { position } => format!("position {position} of the chain is gone"),
        Fault::CheckpointBroken { position } => {
            format!("the head that was signed at position {position} is not in the chain any more")
        }
        Fault::SignatureWrong { position } => {
            format!("the signature at position {position} does not fit what it signs")
        }
    }
}
