//! `cargo xtask guard`: the process that stands between xtask and each of its children.
//!
//! Its standard input is a pipe whose other end only xtask holds, so it reads an end of file the moment xtask lets
//! go or dies, whatever killed it. It then stops the child and everything the child started, and removes what the
//! child would have left behind. Being the leader of a process group of its own, it hears no Ctrl-C itself.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How long a child may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// How long what the child had started may then take.
const ORPHANS_GRACE: Duration = Duration::from_secs(2);

/// How a child is asked to stop.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Stop {
    /// SIGTERM: finish what is under way, then end.
    #[default]
    Term,
    /// SIGQUIT: PostgreSQL's immediate shutdown, right for a cluster that nobody will start again.
    Quit,
    /// No signal: a short piece of work that can only end by itself without leaving something behind.
    Finish,
}

impl Stop {
    /// The word for it on the guard's command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Term => "term",
            Self::Quit => "quit",
            Self::Finish => "finish",
        }
    }
}

#[derive(Args)]
pub struct GuardArgs {
    /// How the child is asked to stop
    #[arg(long)]
    stop: Stop,
    /// Run the child as this user
    #[arg(long, requires = "gid")]
    uid: Option<u32>,
    /// Run the child with this group
    #[arg(long)]
    gid: Option<u32>,
    /// Remove this directory once the child has been stopped
    #[arg(long)]
    remove: Option<PathBuf>,
    /// Program and arguments of the child
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the child and ends with its exit code, 128 + signal when a signal ended it.
pub fn run(args: GuardArgs) -> ExitCode {
    let mut child = match spawn(&args) {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{} does not start: {error}", args.command[0].display());
            return ExitCode::from(127);
        }
    };
    let group = Pid::from_child(&child);
    let abandoned = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let abandoned = Arc::clone(&abandoned);
        move || {
            wait_for_end_of_input();
            abandoned.store(true, Ordering::SeqCst);
            stop(group, args.stop);
        }
    });
    let status = child.wait();
    if abandoned.load(Ordering::SeqCst) {
        wait_until_empty(group);
    }
    // Whatever the child started and neither stopped nor waited for.
    let _ = kill_process_group(group, Signal::KILL);
    if let (true, Some(leftovers)) = (abandoned.load(Ordering::SeqCst), &args.remove) {
        let _ = std::fs::remove_dir_all(leftovers);
    }
    match status {
        Ok(status) => {
            let code = status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal));
            ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn spawn(args: &GuardArgs) -> io::Result<Child> {
    let mut command = Command::new(&args.command[0]);
    command
        .args(&args.command[1..])
        .stdin(Stdio::null())
        .process_group(0);
    if let (Some(uid), Some(gid)) = (args.uid, args.gid) {
        command.uid(uid).gid(gid);
    }
    command.spawn()
}

fn wait_for_end_of_input() {
    let mut buffer = [0; 64];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
        }
    }
}

/// Gives what the child had started, and the signal reached too, the time to end in its own way.
fn wait_until_empty(group: Pid) {
    let deadline = Instant::now() + ORPHANS_GRACE;
    while Instant::now() < deadline && test_kill_process_group(group).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
}

fn stop(group: Pid, how: Stop) {
    // An error means that the group has ended by itself.
    let _ = match how {
        Stop::Term => kill_process_group(group, Signal::TERM),
        Stop::Quit => kill_process_group(group, Signal::QUIT),
        Stop::Finish => Ok(()),
    };
    thread::sleep(GRACE);
    let _ = kill_process_group(group, Signal::KILL);
}
