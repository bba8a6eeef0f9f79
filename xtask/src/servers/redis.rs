//! A throwaway Valkey or Redis server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Durability, Instance, ask, folder, on_free_port, on_path, random_password};
use crate::packages::{self, Need};
use crate::process::Keeping;

const START_LIMIT: Duration = Duration::from_secs(20);

/// The answer to the right password, and to saying goodbye.
const OK: &str = "+OK\r\n";

const SERVER: Need = Need {
    what: "a Redis or Valkey server",
    debian: &["redis-server"],
    elsewhere: "Fedora: valkey; macOS with Homebrew: valkey",
};

/// A running server; it stops when the value is dropped.
pub struct Redis {
    url: String,
    address: SocketAddr,
    password: String,
    _instance: Instance,
}

impl Redis {
    /// Starts a server; ready for commands on return.
    pub fn start(durability: Durability) -> Result<Self> {
        let program = packages::find_or_install(&SERVER, find_program)?;
        on_free_port(|port| Self::start_on(port, &program, durability))
    }

    /// The address for a client, password included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server answers to one command, which is typed as for `redis-cli`.
    pub fn say(&self, command: &str) -> Result<String> {
        // It closes the connection after `QUIT`, and welcomes that as well.
        let request = format!("AUTH {}\r\n{command}\r\nQUIT\r\n", self.password);
        let answer = ask(self.address, &request, usize::MAX).context("Redis does not answer")?;
        let said = answer.strip_prefix(OK).and_then(|said| said.strip_suffix(OK));
        let said = said.map(|said| said.trim().to_owned());
        said.with_context(|| format!("Redis does not know us: {answer}"))
    }

    fn start_on(port: u16, program: &Path, durability: Durability) -> Result<Self> {
        let folder = folder("redis")?;
        let password = random_password()?;
        // In a file, because everybody can read a process's arguments.
        let configuration = folder.path().join("redis.conf");
        let kept = match durability {
            Durability::None => "appendonly no",
            Durability::Full => "appendonly yes\nappendfsync always",
        };
        let settings =
            format!("port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave \"\"\n{kept}\ndaemonize no\n");
        fs::write(&configuration, settings).context("cannot write the configuration of Redis")?;
        let mut server = Command::new(program);
        server.current_dir(folder.path()).arg(&configuration);
        let mut instance = Instance::start(&server, Keeping::default(), folder)?;

        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (request, welcome) = (format!("AUTH {password}\r\nPING\r\n"), format!("{OK}+PONG\r\n"));
        instance.wait_until("Redis", START_LIMIT, || {
            ask(address, &request, welcome.len()).filter(|answer| *answer == welcome)
        })?;
        Ok(Self {
            url: format!("redis://default:{password}@127.0.0.1:{port}/"),
            address,
            password,
            _instance: instance,
        })
    }
}

fn find_program() -> Option<PathBuf> {
    ["valkey-server", "redis-server"]
        .iter()
        .find_map(|name| on_path(name).into_iter().next())
}
