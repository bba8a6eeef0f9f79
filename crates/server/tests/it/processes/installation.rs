//! An installation: a database, a folder, and the processes of its nodes. They end with the test. They stay in its
//! process group, so that an interrupt at the terminal, and xtask's guard, reach them too.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;
use storage::{DbConfig, Reason, params};
use tempfile::TempDir;

use super::client::Client;
use super::eventually;
use super::proxy::Proxy;
use crate::harness::{OwnDatabase, ROOT_KEY};

pub struct Installation {
    folder: TempDir,
    /// Absent on SQLite.
    database_url: Option<String>,
    /// A key of the workspace that `bootstrap` made.
    pub key: String,
    // Dropped after the rest, when no node is connected any more.
    database: Option<OwnDatabase>,
}

impl Installation {
    pub fn on_sqlite() -> Self {
        Self::bootstrap(None, None)
    }

    /// `None` where the test is skipped.
    pub fn on_postgres() -> Option<Self> {
        let database = OwnDatabase::create()?;
        Some(Self::bootstrap(Some(database.url()), Some(database)))
    }

    /// With a proxy between the nodes and the database.
    pub fn on_postgres_by_proxy() -> Option<(Self, Proxy)> {
        let database = OwnDatabase::create()?;
        let proxy = Proxy::to(database.host_and_port());
        let url = database
            .url()
            .replace(database.host_and_port(), &proxy.address.to_string());
        Some((Self::bootstrap(Some(url), Some(database)), proxy))
    }

    fn bootstrap(database_url: Option<String>, database: Option<OwnDatabase>) -> Self {
        let mut installation = Installation {
            folder: folder(),
            database_url,
            key: String::new(),
            database,
        };
        let mut bootstrap = installation.plinth("a");
        bootstrap.args(BOOTSTRAP);
        let output = bootstrap.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        installation.key = key_of(&output.stdout);
        installation
    }

    /// The binary with the settings of node `name`.
    fn plinth(&self, name: &str) -> Command {
        let mut command = clean_command(env!("CARGO_BIN_EXE_plinth"));
        command.current_dir(self.folder.path());
        command.args(["--data-dir", name, "--listen", "127.0.0.1:0"]);
        if let Some(url) = &self.database_url {
            command.env("PLINTH_DATABASE_URL", url);
        }
        command
    }

    /// Starts node `name`, or starts it again.
    pub fn start(&self, name: &str) -> Node {
        self.start_with(name, &[])
    }

    /// Starts node `name` with settings of its own: names of variables and values.
    pub fn start_with(&self, name: &str, settings: &[(&str, &str)]) -> Node {
        let mut serve = self.plinth(name);
        serve.arg("serve").envs(settings.iter().copied());
        Node::start(serve, &self.folder.path().join(format!("{name}.log")))
    }

    /// Runs statements past every rule, as whoever owns the database could; on SQLite while no node runs.
    pub fn sql(&self, statements: &'static [&'static str]) {
        let Some(database) = &self.database else {
            let path = self.folder.path().join("a/plinth.db");
            return block_on(past_every_rule(DbConfig::Sqlite { path }, statements));
        };
        for statement in statements {
            database.sql(statement);
        }
    }

    /// Runs a command as the operator of node `name`: whether it worked, and what it printed.
    pub fn run(&self, name: &str, args: &[&str], settings: &[(&str, &str)]) -> (bool, String) {
        let mut command = self.plinth(name);
        let output = command
            .args(args)
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    }
}

async fn past_every_rule(config: DbConfig, statements: &'static [&'static str]) {
    let (db, issuer) = storage::open(&config, &server::compose::tables()).await.unwrap();
    let system = db.of(issuer.system(Reason::Operator));
    let ran = system.write(|mut tx| async move {
        for statement in statements {
            tx.execute(statement, params![]).await?;
        }
        Ok(())
    });
    ran.await.unwrap();
    db.close().await;
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(work);
}

const BOOTSTRAP: [&str; 4] = ["bootstrap", "--email", "ada@example.com", "--json"];

pub fn key_of(bootstrapped: &[u8]) -> String {
    let made: Value = serde_json::from_slice(bootstrapped).unwrap();
    made["api_key"].as_str().unwrap().to_owned()
}

/// `program`, with the settings of these tests and none of whoever runs them.
pub fn clean_command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PLINTH_")) {
        command.env_remove(name);
    }
    command
        .env("PLINTH_METRICS_LISTEN", "none")
        .env("PLINTH_LOG", "warn")
        .env("PLINTH_ROOT_KEY", ROOT_KEY)
        .stdin(Stdio::null());
    command
}

/// In memory where there is such a file system: a killed process takes nothing with it that it has written.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        TempDir::with_prefix_in("plinth-processes-", memory)
    } else {
        TempDir::new()
    }
    .unwrap()
}

/// A server process that answers.
pub struct Node {
    process: Child,
    pub address: SocketAddr,
    log: PathBuf,
    // Open as long as the process may print.
    _out: BufReader<ChildStdout>,
}

impl Node {
    /// Starts a command that becomes a server.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let err: File = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut process = command.stdout(Stdio::piped()).stderr(err).spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut greeting = String::new();
        out.read_line(&mut greeting).unwrap();
        let Some((_, url)) = greeting.trim().split_once("is at http://") else {
            let _ = process.kill();
            let complaint = fs::read_to_string(log).unwrap_or_default();
            panic!("the server does not start: {complaint}");
        };
        Node {
            address: url.trim_end_matches('/').parse().unwrap(),
            process,
            log: log.to_owned(),
            _out: out,
        }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn client(&self, key: &str) -> Client {
        Client::new(self.address, key)
    }

    /// `kill -9`: it gets no chance to finish anything.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop, as a service manager does.
    pub fn ask_to_stop(&self) {
        let pid = self.process.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(status.success());
    }

    /// How it ended, once it has.
    pub fn ended(mut self) -> ExitStatus {
        eventually("the server ends", || self.process.try_wait().unwrap())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Over already when the test stopped it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            println!("{}:\n{log}", self.log.display());
        }
    }
}
