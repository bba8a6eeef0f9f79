//! The machine that is measured on: what it is, and whether it has anything else to do.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Busier than this with other things, a machine measures its neighbours.
const QUIET_PERCENT: f64 = 5.0;
const LOOK: Duration = Duration::from_secs(3);

/// What stands above every table.
pub struct Conditions {
    text: String,
    began: Ticks,
    ours_before: u64,
}

impl Conditions {
    /// Waits up to `patience` until the processors are idle, keeps us and all that we start on two of them, and notes what
    /// everything runs on.
    pub fn prepare(workspace: &Workspace, command: &str, patience: Duration) -> Result<Self> {
        keep_to_two_cores()?;
        let disk = disk()?;
        let busy = wait_until_quiet(patience)?;
        let said = |command: &mut Command| process::output(command).map(|text| text.trim().to_owned());
        let date = said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
        let commit =
            said(
                Command::new("git")
                    .current_dir(&workspace.root)
                    .args(["rev-parse", "--short", "HEAD"]),
            )?;
        let kernel = read("/proc/sys/kernel/osrelease")?;
        let text = format!(
            "`{command}`, {date}, commit {commit}. Linux {}, {}, 2 cores used of {}, {} of memory, {disk}.\n\
             Load average when it began: {}; the processors were {busy:.0} % busy with other things then",
            kernel.trim(),
            processor()?,
            cores()?,
            memory()?,
            load_average()?,
        );
        Ok(Self {
            text,
            began: Ticks::now()?,
            ours_before: our_ticks()?,
        })
    }

    /// The lines for the report, completed with what else the machine did. To be called when every child has ended, because only
    /// then does the kernel tell what they used.
    pub fn describe(&self) -> Result<String> {
        let spent = Ticks::now()?.since(&self.began);
        let others = spent.busy.saturating_sub(our_ticks()? - self.ours_before);
        let percent = Ticks {
            busy: others,
            ..spent
        }
        .busy_percent();
        Ok(format!("{}, and {percent:.0} % of the whole time.", self.text))
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}; the benchmarks run on Linux"))
}

fn load_average() -> Result<String> {
    let text = read("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn processor() -> Result<String> {
    let text = read("/proc/cpuinfo")?;
    let model = text.lines().find(|line| line.starts_with("model name"));
    let name = model
        .and_then(|line| line.split_once(':'))
        .map(|(_, name)| name.trim());
    Ok(name.unwrap_or("unknown processor").to_owned())
}

fn cores() -> Result<usize> {
    Ok(read("/proc/cpuinfo")?
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count())
}

fn memory() -> Result<String> {
    let text = read("/proc/meminfo")?;
    let kilobytes: Option<u64> = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    Ok(format!(
        "{} GB",
        kilobytes.context("/proc/meminfo names no MemTotal")? / 1_000_000
    ))
}

/// Device and file system of the directory that the data lie in.
fn disk() -> Result<String> {
    let mut df = Command::new("df");
    df.args(["--output=fstype,source"]).arg(std::env::temp_dir());
    let said = process::output(&df)?;
    let line = said.lines().nth(1).context("df said nothing")?;
    let mut words = line.split_whitespace();
    let (kind, device) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if kind == "tmpfs" {
        bail!(
            "temporary files lie in memory here, where fsync costs nothing. Set TMPDIR to a directory on a disk"
        );
    }
    Ok(format!("{kind} on {device}"))
}

/// Servers and load generator share two cores, on a large machine as on a small one. Children inherit it.
fn keep_to_two_cores() -> Result<()> {
    if cores()? > 2 {
        let mut taskset = Command::new("taskset");
        taskset.args(["--cpu-list", "--pid", "0,1", &std::process::id().to_string()]);
        process::output(&taskset)?;
    }
    Ok(())
}

/// How busy the processors were in the last look, in percent.
fn wait_until_quiet(patience: Duration) -> Result<f64> {
    let deadline = Instant::now() + patience;
    loop {
        let before = Ticks::now()?;
        thread::sleep(LOOK);
        let percent = Ticks::now()?.since(&before).busy_percent();
        if let Some(signal) = process::interrupted_by() {
            bail!("interrupted by signal {signal} while waiting for a quiet machine");
        }
        if percent < QUIET_PERCENT || Instant::now() > deadline {
            return Ok(percent);
        }
        println!("the machine is {percent:.0} % busy; waiting for a quiet moment");
    }
}

/// What the processors have done since the machine started, in clock ticks.
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    fn now() -> Result<Self> {
        let text = read("/proc/stat")?;
        let ticks: Vec<u64> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; the rest is counted in these already.
        let all: u64 = ticks.iter().take(8).sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self {
            busy: all - idle,
            all,
        })
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(earlier.busy),
            all: self.all.saturating_sub(earlier.all),
        }
    }

    fn busy_percent(&self) -> f64 {
        100.0 * self.busy as f64 / self.all.max(1) as f64
    }
}

/// What this process and its children that have ended have used, in clock ticks.
fn our_ticks() -> Result<u64> {
    let text = read("/proc/self/stat")?;
    // The second field is the program's name in parentheses, which may hold anything; utime to cstime are 14 to 17.
    let (_, fields) = text.rsplit_once(") ").context("/proc/self/stat has no name")?;
    Ok(fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum())
}
