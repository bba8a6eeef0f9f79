//! The operator's command line: one file a command. Every setting is also a flag, generated from the table of settings,
//! so that flags, environment, file and reference cannot disagree.
//!
//! What a command finds out goes to standard output; what went wrong goes to standard error, as sentences that say what
//! to do next. Exit codes: 0 done, 1 failed, 2 called or configured wrongly, and nothing was done.

mod archive;
mod backup;
mod bootstrap;
mod completions;
mod config;
mod flags;
mod health;
mod man;
mod openapi;
mod output;
mod restore;
mod serve;
mod usage;
mod verify;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use ::runtime::config::{self as settings, ConfigError};
use clap::{Command, FromArgMatches, Subcommand};
use types::Error;

use crate::compose;

/// What a command line asks for.
#[derive(Debug, Subcommand)]
enum Task {
    /// Run the server; this is what happens without a command.
    Serve(serve::Args),
    /// Make the first user, workspace and API key, and print them. Running it again changes nothing.
    Bootstrap(bootstrap::Args),
    /// Check that nobody has rewritten the audit log.
    Verify(verify::Args),
    /// Check that what is stored of usage agrees.
    #[command(subcommand)]
    Usage(usage::Args),
    /// Copy database and files to a new directory, beside a running server. The root key stays out of it.
    Backup(backup::Args),
    /// Fill an empty data directory from a backup.
    Restore(restore::Args),
    /// Show the configuration.
    #[command(subcommand)]
    Config(config::Args),
    /// Ask the running server whether it can do its work.
    Health,
    /// Print the OpenAPI document.
    Openapi,
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Print the manual page.
    Man(man::Args),
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum Failure {
    /// It was called or configured wrongly, and nothing was done.
    Config(ConfigError),
    Failed(Error),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Config(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Failed(error)
    }
}

/// Runs the command that the arguments ask for.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version come this way too, with their own stream and exit code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let task = match matches.subcommand_name() {
        None => Task::Serve(serve::Args::default()),
        Some(_) => match Task::from_arg_matches(&matches) {
            Ok(task) => task,
            Err(error) => error.format(&mut command()).exit(),
        },
    };
    match run(task, flags::overrides(&matches)) {
        Ok(code) => code,
        Err(Failure::Config(error)) => {
            output::complain(&error.to_string());
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            output::complain(&output::explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task, overrides: settings::Overrides) -> Result<ExitCode, Failure> {
    // These say the same whatever the configuration is, and help where it is broken.
    match task {
        Task::Config(config::Args::Reference) => return Ok(output::print(&settings::reference())?),
        Task::Openapi => return Ok(openapi::run()?),
        Task::Completions(args) => return Ok(completions::run(&args)?),
        Task::Man(args) => return Ok(man::run(&args)?),
        _ => {}
    }
    let loaded = settings::load_from_process(overrides)?;
    let code = match task {
        Task::Serve(args) => block_on(serve::run(&args, loaded.config))?,
        Task::Bootstrap(args) => block_on(bootstrap::run(&args, loaded.config))?,
        Task::Verify(args) => block_on(verify::run(&args, loaded.config))?,
        Task::Usage(args) => block_on(usage::run(&args, loaded.config))?,
        Task::Backup(args) => block_on(backup::run(&args, loaded.config))?,
        Task::Restore(args) => restore::run(&args, &loaded.config)?,
        Task::Config(_) => output::print(&loaded.print())?,
        Task::Health => health::run(&loaded.config)?,
        Task::Openapi | Task::Completions(_) | Task::Man(_) => ExitCode::SUCCESS,
    };
    Ok(code)
}

/// The whole command line, for parsing, completions and the manual page.
fn command() -> Command {
    Task::augment_subcommands(Command::new("plinth"))
        .subcommand_required(false)
        .arg_required_else_help(false)
        .version(compose::VERSION)
        .about("The backend a software product stands on: sign-in, API keys, plans and exact usage, in one binary")
        .after_help(
            "Every setting is also a flag, an environment variable and a key of plinth.toml: `plinth config reference` \
             lists them.",
        )
        .args(flags::args())
}

fn block_on<T>(work: impl Future<Output = types::Result<T>>) -> types::Result<T> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        Error::unavailable(format!("The operating system gives no threads: {error}.")).with_source(error)
    })?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        command().debug_assert();
    }
}
