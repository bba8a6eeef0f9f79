//! `plinth config`: the settings in force, and all there are.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Args {
    /// Print the values in force, and where each was said. Secrets are left out.
    Print,
    /// Print every setting, with its default and meaning, as Markdown.
    Reference,
}
