//! `plinth completions`: a script that a shell completes commands with.

use std::process::ExitCode;

use clap_complete::Shell;
use types::{Error, Result};

use super::output;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "plinth", &mut script);
    output::print(&String::from_utf8(script).map_err(Error::internal)?)
}
