//! From nothing to ready: how long a start takes, how much memory the server then holds, how large the program is, and how
//! long a script needs from an empty directory to the first metered call.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::report::median;
use super::shop::Shop;
use crate::process::{self, Guarded, Keeping};
use crate::servers::plinth::{self, Plinth};
use crate::servers::{folder, free_port};

const STARTS: usize = 20;
/// Each in a directory of its own, so fewer.
const FIRST_STARTS: usize = 5;
const START_LIMIT: Duration = Duration::from_secs(30);
/// Finer than what is measured.
const POLL: Duration = Duration::from_millis(1);
/// After which a server that nobody calls is at rest.
const IDLE: Duration = Duration::from_secs(5);

/// Milliseconds from starting the process until `/healthz` answers 200; medians.
pub struct Starts {
    pub first_millis: f64,
    pub again_millis: f64,
}

pub fn starts(binary: &Path) -> Result<Starts> {
    let mut folders = Vec::new();
    let mut first = Vec::new();
    for _ in 0..FIRST_STARTS {
        let folder = folder("start")?;
        first.push(start(binary, &folder)?);
        folders.push(folder);
    }
    let used = folders.pop().context("a directory was used")?;
    let mut again = Vec::new();
    for _ in 0..STARTS {
        again.push(start(binary, &used)?);
    }
    Ok(Starts {
        first_millis: median(&mut first),
        again_millis: median(&mut again),
    })
}

/// One start and stop. The process is started through xtask's guard, and the time that takes is counted.
fn start(binary: &Path, folder: &TempDir) -> Result<f64> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = plinth::plinth(binary, "serve", &folder.path().join("data"));
    command.args([
        "--listen",
        &address.to_string(),
        "--metrics-listen",
        "127.0.0.1:0",
    ]);
    let log = folder.path().join("server.log");
    let started = Instant::now();
    let mut server = Guarded::server(&command, &Keeping::default(), &log)?;
    while !plinth::is_healthy(address) {
        if server.ended()?.is_some() || started.elapsed() > START_LIMIT {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("plinth does not start:\n{}", process::last_lines(&said, 40));
        }
        thread::sleep(POLL);
    }
    let millis = started.elapsed().as_secs_f64() * 1e3;
    server.stop()?;
    Ok(millis)
}

/// Megabytes of memory that a server holds which was started and left alone.
pub fn idle_megabytes(binary: &Path) -> Result<f64> {
    let server = Plinth::serve(binary, &[])?;
    thread::sleep(IDLE);
    let megabytes = resident_megabytes(&server)?;
    server.stop()?;
    Ok(megabytes)
}

/// What the kernel counts as resident (`VmRSS`), shared pages of the program's file included.
pub fn resident_megabytes(server: &Plinth) -> Result<f64> {
    let pid = pid_of(server)?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the server has gone")?;
    let kilobytes: Option<f64> = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    Ok(kilobytes.context("no VmRSS in /proc")? * 1_024.0 / 1e6)
}

/// The guard's child, found by its data directory, which is nobody else's.
fn pid_of(server: &Plinth) -> Result<String> {
    let data_dir = server.data_dir().to_string_lossy();
    let is_it = |pid: &str| {
        let said = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        said("comm").trim() == "plinth" && said("cmdline").split('\0').any(|arg| arg == data_dir)
    };
    fs::read_dir("/proc")
        .context("cannot read /proc; the benchmarks run on Linux")?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with(|first: char| first.is_ascii_digit()) && is_it(name))
        .context("the server has gone")
}

/// Seconds from an empty directory to the answer of the first counted call: start, bootstrap, define, call.
pub fn first_call_secs(binary: &Path) -> Result<f64> {
    let started = Instant::now();
    let server = Plinth::serve(binary, &[])?;
    let operator = server.bootstrap("ops@example.com")?;
    let shop = server.explain(Shop::open(server.address(), &operator, 1))?;
    server.explain(shop.consume(server.address()))?;
    let secs = started.elapsed().as_secs_f64();
    server.stop()?;
    Ok(secs)
}

/// Megabytes of the program's file, as it was built and without any symbols.
pub fn program_megabytes(binary: &Path) -> Result<(f64, f64)> {
    let folder = folder("strip")?;
    let stripped = folder.path().join("plinth");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&stripped).arg(binary);
    process::output(&strip)?;
    let size = |path: &Path| -> Result<f64> {
        let meta = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(meta.len() as f64 / 1e6)
    };
    Ok((size(binary)?, size(&stripped)?))
}
