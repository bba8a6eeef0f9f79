//! The compiled `plinth` binary, serving from a temporary data directory.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use super::{Instance, ask, folder};
use crate::process::{self, Keeping};

/// Generous, because the whole machine may be compiling; the benchmark holds the real figure.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Longer than any status line.
const STATUS_LINE_BYTES: usize = 64;

/// A running server; it stops, and its data vanish, when the value is dropped.
pub struct Plinth {
    binary: PathBuf,
    data_dir: PathBuf,
    /// `PLINTH_…` variables, for every command that works beside the server.
    settings: Vec<(&'static str, String)>,
    address: SocketAddr,
    instance: Instance,
}

/// What `plinth bootstrap` made: somebody who can sign in, and a key of their workspace.
pub struct Operator {
    pub email: String,
    pub workspace: String,
    pub api_key: String,
    /// What to sign in with; only the pages need it.
    pub password: Result<String>,
}

impl Plinth {
    /// Runs `plinth serve` with these further arguments until `/healthz` answers 200.
    pub fn serve(binary: &Path, args: &[&str]) -> Result<Self> {
        Self::serve_with(binary, args, Vec::new())
    }

    /// [`Self::serve`] with these `PLINTH_…` variables in its environment.
    pub fn serve_with(binary: &Path, args: &[&str], settings: Vec<(&'static str, String)>) -> Result<Self> {
        let folder = folder("serve")?;
        let data_dir = folder.path().join("data");
        fs::create_dir(&data_dir).context("cannot make a data directory")?;
        let mut command = plinth(binary, "serve", &data_dir);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        command.args(args);
        let mut instance = Instance::start(&command, Keeping::default(), folder)?;
        let address = instance.wait_until("plinth", START_LIMIT, || {
            // The server writes this file once it listens: the port is its own choice.
            let address = read_address(&data_dir)?;
            is_healthy(address).then_some(address)
        })?;
        Ok(Self {
            binary: binary.to_path_buf(),
            data_dir,
            settings,
            address,
            instance,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a platform over the API; its id.
    pub fn create_platform(&self, operator: &Operator, name: &str) -> Result<String> {
        let body = serde_json::json!({ "name": name }).to_string();
        let request = format!(
            "POST /v1/platforms HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            operator.api_key,
            body.len(),
        );
        let answer = ask(self.address, &request, usize::MAX).context("the server did not answer")?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("the server's answer has no body")?;
        let made: Value = serde_json::from_str(body).with_context(|| format!("not a platform: {answer}"))?;
        let id = made["id"].as_str().map(str::to_owned);
        id.with_context(|| format!("not a platform: {answer}"))
    }

    /// Makes the first user and workspace, beside the running server.
    pub fn bootstrap(&self, email: &str) -> Result<Operator> {
        let mut command = plinth(&self.binary, "bootstrap", &self.data_dir);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.args(["--email", email, "--json"]);
        let made: Value = serde_json::from_str(&process::output(&command)?)
            .context("`plinth bootstrap --json` printed something else than one JSON value")?;
        let field = |name: &str| {
            let value = made[name].as_str().map(str::to_owned);
            value.with_context(|| format!("`plinth bootstrap --json` printed no text field `{name}`"))
        };
        let (api_key, password) = (field("api_key")?, field("password"));
        Ok(Operator {
            email: email.to_owned(),
            workspace: field("workspace")?,
            api_key,
            password,
        })
    }

    /// Runs something against the server; when that fails, the end of the server's log is shown with it.
    pub fn explain<T>(&self, result: Result<T>) -> Result<T> {
        let with_log = |error| anyhow!("{error:#}\nthe server said last:\n{}", self.instance.log_tail());
        result.map_err(with_log)
    }

    /// What of its log is about something that went wrong: the first few lines, and no requests that went well.
    pub fn complaints(&self) -> Vec<String> {
        const MOST: usize = 20;
        let log = fs::read_to_string(&self.instance.log).unwrap_or_default();
        let is_complaint = |line: &&str| !line.contains(r#""level":"info""#) || line.contains("refused");
        log.lines()
            .filter(|line| line.starts_with('{'))
            .filter(is_complaint)
            .take(MOST)
            .map(str::to_owned)
            .collect()
    }

    /// Stops the server as an operator would, and expects it to end in peace.
    pub fn stop(self) -> Result<()> {
        let log = File::open(&self.instance.log).context("cannot open the server's log")?;
        let status = self.instance.process.stop()?;
        if !status.success() {
            // The guard has removed the file by now; the handle still reads it.
            let said = std::io::read_to_string(log).unwrap_or_default();
            bail!(
                "plinth did not end in peace after SIGTERM ({status}):\n{}",
                process::last_lines(&said, 40)
            );
        }
        Ok(())
    }
}

/// A subcommand of `plinth` that depends on nothing in the environment of whoever runs xtask.
pub fn plinth(binary: &Path, subcommand: &str, data_dir: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg(subcommand).arg("--data-dir").arg(data_dir);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    // Their port is fixed, and somebody's server may have it.
    command.env("PLINTH_METRICS_LISTEN", "none");
    command
}

fn is_setting(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("PLINTH_")
}

fn read_address(data_dir: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(data_dir.join("address")).ok()?;
    text.trim()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .ok()
}

/// Whether the server at `address` says that all it needs is there.
pub fn is_healthy(address: SocketAddr) -> bool {
    let request = format!("GET /healthz HTTP/1.0\r\nHost: {address}\r\n\r\n");
    ask(address, &request, STATUS_LINE_BYTES)
        .and_then(|answer| answer.split_whitespace().nth(1).map(|status| status == "200"))
        .unwrap_or(false)
}
