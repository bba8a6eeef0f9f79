//! Children that die with us.
//!
//! Every program that xtask starts runs under a guard (`guard.rs`) that holds one end of a pipe, its lifeline. Xtask
//! holds the other end. A value that goes out of scope, a signal and the death of xtask all do the same thing: the
//! lifeline closes, and the guard stops the child. There is no other way of stopping anything here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::guard::Stop;

/// The open lifelines by process id of their guard, and the signal that closed them all.
struct Lifelines {
    open: BTreeMap<u32, ChildStdin>,
    cut_by: Option<i32>,
}

static LIFELINES: Mutex<Lifelines> = Mutex::new(Lifelines {
    open: BTreeMap::new(),
    cut_by: None,
});

fn lifelines() -> MutexGuard<'static, Lifelines> {
    LIFELINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on SIGINT, SIGTERM and SIGHUP stop every child, so that whoever waits for one returns with an error and
/// the stack unwinds as after any failure. A second signal ends xtask at once; the guards then finish alone.
pub fn stop_children_on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot watch for signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let mut lifelines = lifelines();
            if lifelines.cut_by.replace(signal).is_some() {
                std::process::exit(128 + signal);
            }
            lifelines.open.clear();
        }
    });
    Ok(())
}

/// The signal that interrupted this run, if one did.
pub fn interrupted_by() -> Option<i32> {
    lifelines().cut_by
}

/// The user and group that a child runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

/// How a child is kept: how it is stopped, as whom it runs, and what is removed when it had to be stopped.
#[derive(Default)]
pub struct Keeping {
    pub stop: Stop,
    pub user: Option<User>,
    pub remove: Option<PathBuf>,
}

/// A running child under its guard. Dropping it stops the child and waits until it is gone.
pub struct Guarded {
    guard: Child,
}

impl Guarded {
    /// Starts a long-running server whose output goes to `log`.
    pub fn server(command: &Command, keeping: &Keeping, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let err = out.try_clone().context("cannot share the log file")?;
        Self::spawn(command, keeping, out.into(), err.into())
    }

    fn spawn(command: &Command, keeping: &Keeping, out: Stdio, err: Stdio) -> Result<Self> {
        let mut guard = guard_of(command, keeping)?;
        guard
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0);
        // Held while spawning, so that a signal comes either before (no child) or after (the lifeline is listed).
        let mut lifelines = lifelines();
        if lifelines.cut_by.is_some() {
            bail!("interrupted before {} started", shown(command));
        }
        let mut guard = guard
            .spawn()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        let lifeline = guard.stdin.take().context("a guard has a lifeline")?;
        lifelines.open.insert(guard.id(), lifeline);
        Ok(Self { guard })
    }

    /// How the child ended, or `None` while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.guard.try_wait().context("cannot ask after a child")
    }

    /// Asks the child to stop and waits until it has.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.cut();
        self.wait()
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        self.guard.wait().context("cannot wait for a child")
    }

    fn cut(&self) {
        lifelines().open.remove(&self.guard.id());
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.cut();
        let _ = self.guard.wait();
    }
}

/// Runs a command to its end, its output going where ours goes.
pub fn run(command: &Command) -> Result<()> {
    let mut child = Guarded::spawn(command, &Keeping::default(), Stdio::inherit(), Stdio::inherit())?;
    expect_success(command, child.wait()?, "")
}

/// Runs a command to its end and returns what it printed on standard output; on failure, what it complained of.
pub fn output(command: &Command) -> Result<String> {
    output_kept(command, &Keeping::default())
}

/// [`output`], under given conditions.
pub fn output_kept(command: &Command, keeping: &Keeping) -> Result<String> {
    let mut child = Guarded::spawn(command, keeping, Stdio::piped(), Stdio::piped())?;
    let (mut out, mut err) = (child.guard.stdout.take(), child.guard.stderr.take());
    let complaints = thread::spawn(move || read_all(err.as_mut()));
    let printed = read_all(out.as_mut());
    let status = child.wait()?;
    let complaints = complaints.join().unwrap_or_default();
    expect_success(
        command,
        status,
        if complaints.trim().is_empty() {
            &printed
        } else {
            &complaints
        },
    )?;
    Ok(printed)
}

fn read_all(pipe: Option<&mut impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // A pipe that breaks has said all it will; the exit status tells the rest.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn expect_success(command: &Command, status: ExitStatus, said: &str) -> Result<()> {
    match (status.success(), said.trim()) {
        (true, _) => Ok(()),
        (false, "") => bail!("`{}` failed ({status})", shown(command)),
        (false, said) => bail!(
            "`{}` failed ({status}):\n{}",
            shown(command),
            last_lines(said, 40)
        ),
    }
}

/// The last `count` lines of a log.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The command line as a person would type it, shortened.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut line = program.to_string_lossy().into_owned();
    for arg in command.get_args().take(8) {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// The command that runs `command` under a guard: this very executable, even if cargo has replaced its file since.
fn guard_of(command: &Command, keeping: &Keeping) -> Result<Command> {
    let myself = Path::new("/proc/self/exe");
    let myself = if myself.exists() {
        myself.to_path_buf()
    } else {
        std::env::current_exe().context("who am I?")?
    };
    let mut guard = Command::new(myself);
    guard.args(["guard", "--stop", keeping.stop.word()]);
    if let Some(user) = keeping.user {
        guard.args(["--uid", &user.uid.to_string(), "--gid", &user.gid.to_string()]);
    }
    if let Some(leftovers) = &keeping.remove {
        guard.arg("--remove").arg(leftovers);
    }
    guard
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guard.env(name, value),
            None => guard.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        guard.current_dir(folder);
    }
    Ok(guard)
}
