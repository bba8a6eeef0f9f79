//! `plinth backup`: a consistent copy beside a running server.

use std::path::PathBuf;
use std::process::ExitCode;

use runtime::config::Config;
use types::Result;

use super::{archive, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directory to make; it must not exist yet.
    target: PathBuf,
}

pub(super) async fn run(args: &Args, config: Config) -> Result<ExitCode> {
    let note = archive::take(&config, &args.target).await?;
    let files = match note.files {
        Some(files) => format!("{files} files"),
        None => "and no files, which are in a bucket".to_owned(),
    };
    output::print(&format!(
        "Backed up to {}: {} bytes of database, {files}.\nThe root key is not in it. Keep a copy of {} somewhere else: \
         without it, sealed data and API keys are lost.",
        args.target.display(),
        note.database_bytes,
        archive::where_the_root_key_is(&config),
    ))
}
