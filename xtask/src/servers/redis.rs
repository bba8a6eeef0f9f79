//! A throwaway Valkey or Redis server that keeps nothing on disk.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Instance, ask, folder, on_free_port, on_path, random_password};
use crate::packages::{self, Need};
use crate::process::Keeping;

const START_LIMIT: Duration = Duration::from_secs(20);

const SERVER: Need = Need {
    what: "a Redis or Valkey server",
    debian: &["redis-server"],
    elsewhere: "Fedora: valkey; macOS with Homebrew: valkey",
};

/// A running server; it stops when the value is dropped.
pub struct Redis {
    url: String,
    _instance: Instance,
}

impl Redis {
    /// Starts a server; ready for commands on return.
    pub fn start() -> Result<Self> {
        let program = packages::find_or_install(&SERVER, find_program)?;
        on_free_port(|port| Self::start_on(port, &program))
    }

    /// The address for a client, password included.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn start_on(port: u16, program: &Path) -> Result<Self> {
        let folder = folder("redis")?;
        let password = random_password()?;
        // In a file, because everybody can read a process's arguments.
        let configuration = folder.path().join("redis.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave \"\"\nappendonly no\ndaemonize no\n"
        );
        fs::write(&configuration, settings).context("cannot write the configuration of Redis")?;
        let mut server = Command::new(program);
        server.current_dir(folder.path()).arg(&configuration);
        let mut instance = Instance::start(&server, Keeping::default(), folder)?;

        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (request, welcome) = (format!("AUTH {password}\r\nPING\r\n"), "+OK\r\n+PONG\r\n");
        instance.wait_until("Redis", START_LIMIT, || {
            ask(address, &request, welcome.len()).filter(|answer| answer == welcome)
        })?;
        Ok(Self {
            url: format!("redis://default:{password}@127.0.0.1:{port}/"),
            _instance: instance,
        })
    }
}

fn find_program() -> Option<PathBuf> {
    ["valkey-server", "redis-server"]
        .iter()
        .find_map(|name| on_path(name).into_iter().next())
}
