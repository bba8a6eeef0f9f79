//! `plinth man`: the manual page, of the whole or of one command.

use std::process::ExitCode;

use clap_mangen::Man;
use types::{Error, Result};

use super::output;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The command whose page is wanted, such as `serve`.
    command: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut root = super::command();
    // Makes the global flags part of every command.
    root.build();
    let command = match &args.command {
        None => root,
        Some(name) => root.find_subcommand(name).cloned().ok_or_else(|| {
            Error::invalid("command", "there is no such command; `plinth --help` lists them")
        })?,
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(Error::internal)?;
    output::print(&String::from_utf8(page).map_err(Error::internal)?)
}
