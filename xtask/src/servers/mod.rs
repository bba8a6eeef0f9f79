//! Throwaway servers: each lies in a temporary directory of its own, listens on a free port of the loopback interface
//! with a random password, and is gone with the value that stands for it.

pub mod plinth;
pub mod postgres;
pub mod redis;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{self, Guarded, Keeping};

/// Whether what a server has confirmed is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// No: nobody will ever start this server again, so it need not survive a power cut.
    None,
    /// Before it confirms.
    Full,
}

/// How often somebody else may take the port between our finding it free and the server's listening on it.
const TRIES: u32 = 3;
/// The time between two questions whether a server is ready.
const POLL: Duration = Duration::from_millis(25);
/// The longest that one question may usually take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A server process, its directory and its log.
struct Instance {
    // Dropped from top to bottom: the process ends before its directory goes.
    process: Guarded,
    log: PathBuf,
    _folder: TempDir,
}

impl Instance {
    /// Starts `command` on the files in `folder`; when we are killed, the guard removes the folder.
    fn start(command: &Command, keeping: Keeping, folder: TempDir) -> Result<Self> {
        let log = folder.path().join("server.log");
        let keeping = Keeping {
            remove: Some(folder.path().to_path_buf()),
            ..keeping
        };
        Ok(Self {
            process: Guarded::server(command, &keeping, &log)?,
            log,
            _folder: folder,
        })
    }

    /// Asks `probe` until it answers, for at most `limit`; fails at once when the process ends or we are interrupted.
    fn wait_until<T>(&mut self, name: &str, limit: Duration, probe: impl Fn() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(answer) = probe() {
                return Ok(answer);
            }
            if let Some(status) = self.process.ended()? {
                bail!("{name} ended while starting ({status}):\n{}", self.log_tail());
            }
            if let Some(signal) = process::interrupted_by() {
                bail!("interrupted by signal {signal} while {name} was starting");
            }
            if Instant::now() > deadline {
                bail!(
                    "{name} was not ready after {} s:\n{}",
                    limit.as_secs(),
                    self.log_tail()
                );
            }
            thread::sleep(POLL);
        }
    }

    fn log_tail(&self) -> String {
        process::last_lines(&fs::read_to_string(&self.log).unwrap_or_default(), 40)
    }
}

/// A new directory that only its owner can enter, named after what lies in it.
pub fn folder(name: &str) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("plinth-{name}-"))
        .tempdir()
        .context("cannot make a temporary directory; TMPDIR names where it is tried")
}

/// Starts a server that must be told its port, on a free one; tries again when it lost the port to somebody else.
fn on_free_port<T>(start: impl Fn(u16) -> Result<T>) -> Result<T> {
    for _ in 1..TRIES {
        match start(free_port()?) {
            Err(error)
                if format!("{error:#}")
                    .to_lowercase()
                    .contains("address already in use") => {}
            result => return result,
        }
    }
    start(free_port()?)
}

/// A port of the loopback interface that nobody listens on at the moment.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener
        .local_addr()
        .context("a bound socket has an address")?
        .port())
}

/// 128 random bits in hexadecimal: other users of this machine shall not get at the server.
fn random_password() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Sends `request` and reads the answer until the server closes the connection, or until `enough` bytes are there.
pub fn ask(address: SocketAddr, request: &str, enough: usize) -> Option<String> {
    ask_within(ANSWER_LIMIT, address, request, enough)
}

/// [`ask`], where an answer may take longer than usual.
pub fn ask_within(limit: Duration, address: SocketAddr, request: &str, enough: usize) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while answer.len() < enough {
        match stream.read(&mut buffer).ok()? {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The programs called `name` in the folders of `PATH`, first the one that a shell would take.
pub fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .filter(|file| is_program(file))
        .collect()
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
