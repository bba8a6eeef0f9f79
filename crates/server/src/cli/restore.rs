//! `plinth restore`: fills an empty data directory from a backup, while no server runs on it.

use std::path::PathBuf;
use std::process::ExitCode;

use runtime::config::Config;
use types::Result;

use super::{archive, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directory that `plinth backup` made.
    source: PathBuf,
}

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode> {
    let note = archive::put_back(config, &args.source)?;
    output::print(&format!(
        "Restored the backup of {} to {}.\nIt is read with the root key it was written under: have that in {} before you \
         start the server.",
        note.taken_at,
        config.server.data_dir.display(),
        archive::where_the_root_key_is(config),
    ))
}
