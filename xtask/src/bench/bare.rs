//! The ceiling: `crates/server/examples/bare.rs`, a handler that does nothing, running.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{Guarded, Keeping};
use crate::servers::{folder, free_port};

const START_LIMIT: Duration = Duration::from_secs(10);

pub struct Bare {
    pub address: SocketAddr,
    _process: Guarded,
    _folder: TempDir,
}

impl Bare {
    pub fn start(program: &Path) -> Result<Self> {
        let folder = folder("bare")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(program);
        command.arg(address.to_string());
        let mut process = Guarded::server(&command, &Keeping::default(), &folder.path().join("server.log"))?;
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            if process.ended().context("the bare handler")?.is_some() || Instant::now() > deadline {
                bail!("the bare handler does not start");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            address,
            _process: process,
            _folder: folder,
        })
    }
}
