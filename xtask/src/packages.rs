//! Finding what the tests need beside a Rust toolchain, and installing what is missing.
//!
//! System packages come through apt on Debian as root; anybody else is told the name of the package. Python and npm
//! packages, with every version pinned in `python/` and `node/`, go into the cache in the target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::servers::on_path;
use crate::workspace::Workspace;

/// Something that has to be on the machine.
pub struct Need {
    /// For messages: "a PostgreSQL server".
    pub what: &'static str,
    /// The packages that bring it on Debian.
    pub debian: &'static [&'static str],
    /// The packages that bring it on other systems, for a person to read.
    pub elsewhere: &'static str,
}

const PYTHON: Need = Need {
    what: "Python 3.11 or newer with its venv module",
    debian: &["python3", "python3-venv"],
    elsewhere: "Fedora: python3; macOS with Homebrew: python",
};
const NODE: Need = Need {
    what: "Node.js 18 or newer with npm",
    debian: &["nodejs", "npm"],
    elsewhere: "Fedora: nodejs; macOS with Homebrew: node",
};
const CHROMIUM: Need = Need {
    what: "Chromium",
    // Without a font Chromium draws boxes, and apt only recommends one.
    debian: &["chromium", "fonts-liberation"],
    elsewhere: "Fedora: chromium; macOS with Homebrew: chromium",
};

/// What `find` finds, after an installation if need be.
pub fn find_or_install<T>(need: &Need, find: impl Fn() -> Option<T>) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let packages = need.debian.join(" ");
    if !(rustix::process::geteuid().is_root() && Path::new("/etc/debian_version").exists()) {
        bail!(
            "not found: {}. Install it and run this again. Debian and Ubuntu: `sudo apt-get install {packages}`; {}",
            need.what,
            need.elsewhere
        );
    }
    println!("not found: {}; installing {packages}", need.what);
    apt_install(need.debian).with_context(|| format!("cannot install {packages}"))?;
    find().with_context(|| format!("not found even after installing {packages}: {}", need.what))
}

fn apt_install(packages: &[&str]) -> Result<()> {
    let _no_services = NoServices::declare()?;
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["--quiet", "-o", "DPkg::Lock::Timeout=300"]);
        command
    };
    process::output(apt_get().arg("update"))?;
    process::output(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )?;
    Ok(())
}

/// While it lives, packages that are being installed start no services: ours would be in nobody's way, but a standing
/// PostgreSQL that nobody asked for would be. Where the machine already has a policy, that one holds.
struct NoServices {
    written: Option<PathBuf>,
}

impl NoServices {
    fn declare() -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let policy = PathBuf::from("/usr/sbin/policy-rc.d");
        match fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&policy)
        {
            Ok(mut file) => {
                let declared = Self {
                    written: Some(policy),
                };
                let script = b"#!/bin/sh\n# From `cargo xtask`, while it installs packages; safe to remove.\nexit 101\n";
                std::io::Write::write_all(&mut file, script).context("cannot write /usr/sbin/policy-rc.d")?;
                Ok(declared)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Self { written: None }),
            Err(error) => Err(error).context("cannot write /usr/sbin/policy-rc.d"),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.written {
            let _ = fs::remove_file(policy);
        }
    }
}

/// The folder of the programs of the pinned Python packages.
pub fn python_programs(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.root.join("xtask/python/requirements.txt");
    let cache = Cache::open(workspace, "python")?;
    let pinned = fs::read_to_string(&requirements).context("cannot read the pinned Python packages")?;
    cache.fill(&pinned, |folder| {
        let python = find_or_install(&PYTHON, find_python)?;
        println!("installing the pinned Python packages");
        process::output(Command::new(python).args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--requirement",
        ]);
        process::output(pip.arg(&requirements)).map(drop)
    })?;
    Ok(cache.folder.join("bin"))
}

fn find_python() -> Option<PathBuf> {
    let check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    on_path("python3")
        .into_iter()
        .find(|python| process::output(Command::new(python).args(["-c", check])).is_ok())
}

/// The folder with the browser tests beside the pinned npm packages that they import, and the `node` to run them.
pub fn node_tests(workspace: &Workspace) -> Result<(PathBuf, PathBuf)> {
    let sources = workspace.root.join("xtask/node");
    let node = find_or_install(&NODE, find_node)?;
    let cache = Cache::open(workspace, "node")?;
    let pinned = fs::read_to_string(sources.join("package-lock.json"))
        .context("cannot read the pinned npm packages")?;
    cache.fill(&pinned, |folder| {
        println!("installing the pinned npm packages");
        fs::create_dir_all(folder).context("cannot make the folder of the npm packages")?;
        copy(&sources, folder, &["package.json", "package-lock.json"])?;
        let mut npm = Command::new("npm");
        npm.current_dir(folder)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        process::output(&npm).map(drop)
    })?;
    copy(&sources, &cache.folder, &["browser.mjs"])?;
    Ok((node, cache.folder.clone()))
}

fn find_node() -> Option<PathBuf> {
    let check = "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)";
    on_path("npm").first()?;
    on_path("node")
        .into_iter()
        .find(|node| process::output(Command::new(node).args(["-e", check])).is_ok())
}

/// A Chromium, or a browser built on it.
pub fn chromium() -> Result<PathBuf> {
    find_or_install(&CHROMIUM, || {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let application = PathBuf::from("/Applications/Chromium.app/Contents/MacOS/Chromium");
        names
            .iter()
            .find_map(|name| on_path(name).into_iter().next())
            .or(Some(application).filter(|it| it.exists()))
    })
}

fn copy(from: &Path, to: &Path, names: &[&str]) -> Result<()> {
    for name in names {
        fs::copy(from.join(name), to.join(name))
            .with_context(|| format!("cannot copy {name} into the cache"))?;
    }
    Ok(())
}

/// A folder of installed packages. Only one xtask at a time may fill it.
struct Cache {
    folder: PathBuf,
    stamp: PathBuf,
    _lock: File,
}

impl Cache {
    fn open(workspace: &Workspace, name: &str) -> Result<Self> {
        let parent = workspace.cache();
        fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let lock =
            File::create(parent.join(format!("{name}.lock"))).context("cannot open a cache's lock file")?;
        lock.lock().context("cannot lock a cache")?;
        Ok(Self {
            folder: parent.join(name),
            stamp: parent.join(format!("{name}.stamp")),
            _lock: lock,
        })
    }

    /// Fills the folder anew unless it was filled, to the end, for the same `pinned` versions.
    fn fill(&self, pinned: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        if fs::read_to_string(&self.stamp).is_ok_and(|filled| filled == pinned) {
            return Ok(());
        }
        for old in [fs::remove_file(&self.stamp), fs::remove_dir_all(&self.folder)] {
            if let Err(error) = old
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error).with_context(|| format!("cannot clear {}", self.folder.display()));
            }
        }
        install(&self.folder)?;
        fs::write(&self.stamp, pinned).context("cannot note that a cache is filled")
    }
}
