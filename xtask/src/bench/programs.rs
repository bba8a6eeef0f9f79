//! The programs that are measured.

use std::path::PathBuf;

use anyhow::Result;

use super::BenchArgs;
use crate::process;
use crate::workspace::Workspace;

/// The product and its yardsticks, built.
pub struct Programs {
    pub plinth: PathBuf,
    pub bare: PathBuf,
    pub one_commit: PathBuf,
}

impl Programs {
    /// By one command, because two would build most dependencies twice.
    pub fn build(workspace: &Workspace, args: &BenchArgs) -> Result<Self> {
        let mut command = workspace.cargo();
        command.args(["build", "--package", "server", "--bin", "plinth"]);
        command.args(["--example", "bare", "--example", "one_commit"]);
        let folder = if args.unoptimised {
            "debug"
        } else {
            command.arg("--release");
            "release"
        };
        process::run(&command)?;
        let built = workspace.target.join(folder);
        Ok(Self {
            plinth: built.join("plinth"),
            bare: built.join("examples/bare"),
            one_commit: built.join("examples/one_commit"),
        })
    }
}
