//! Where the repository lies, where it is built, and how its `cargo` is called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The checked-out repository that this xtask was compiled from.
pub struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo builds; usually `target/` in the root.
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo where it builds, because an environment variable or a user's configuration may move it.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the workspace")?;
        let mut unplaced = Self {
            root: root.to_path_buf(),
            target: PathBuf::new(),
        };
        let metadata = unplaced.metadata(&["--no-deps"])?;
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target_directory")?;
        unplaced.target = PathBuf::from(target);
        Ok(unplaced)
    }

    /// `cargo`, the one that runs this xtask, to be started in the root.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        // What cargo tells xtask about xtask's own package. Ring's build script asks cargo to watch these variables, so with them
        // ring and all that stands on it would be compiled anew whenever a cargo of ours follows one typed at a terminal.
        for (name, _) in env::vars_os() {
            let is_ours = |prefix| name.to_string_lossy().starts_with(prefix);
            if is_ours("CARGO_PKG_") || is_ours("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// What `cargo metadata` says, with further arguments to it.
    pub fn metadata(&self, args: &[&str]) -> Result<Value> {
        let mut command = self.cargo();
        command.args(["metadata", "--format-version", "1"]).args(args);
        serde_json::from_str(&process::output(&command)?)
            .context("cargo metadata printed something else than JSON")
    }

    /// Builds the `plinth` binary (development profile) and says where it is.
    pub fn build_plinth(&self) -> Result<PathBuf> {
        let mut command = self.cargo();
        command.args(["build", "--package", "server", "--bin", "plinth"]);
        process::run(&command)?;
        Ok(self.target.join("debug").join("plinth"))
    }

    /// Where installed test packages are kept between runs.
    pub fn cache(&self) -> PathBuf {
        self.target.join("xtask-cache")
    }
}
