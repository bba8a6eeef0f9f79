//! Requests to a running server, one after the other and a connection each, as `curl` in a script makes them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::servers::ask_within;

/// A list of a thousand uses waits for those before it.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Somebody who calls a server.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    /// Header lines that say who it is.
    caller: String,
}

/// What a server answered.
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Api {
    /// A caller whom nobody knows.
    pub fn anonymous(address: SocketAddr) -> Self {
        let caller = String::new();
        Self { address, caller }
    }

    pub fn with_key(address: SocketAddr, api_key: &str) -> Self {
        Self::anonymous(address).with("Authorization", &format!("Bearer {api_key}"))
    }

    /// The same caller, who sends this header as well.
    #[must_use]
    pub fn with(mut self, header: &str, value: &str) -> Self {
        self.caller.push_str(&format!("{header}: {value}\r\n"));
        self
    }

    /// Makes something, and picks one text out of the answer.
    pub fn create(&self, path: &str, body: &Value, field: &str) -> Result<String> {
        let made = self.post(path, body)?;
        let text = made[field].as_str().map(str::to_owned);
        text.with_context(|| format!("{path} answered without `{field}`"))
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.send(path, "application/json", &body.to_string())?;
        serde_json::from_str(&answer.body)
            .with_context(|| format!("POST {path} answered something else than JSON"))
    }

    /// # Errors
    /// When the answer is no success.
    pub fn send(&self, path: &str, content_type: &str, body: &str) -> Result<Answer> {
        let length = body.len();
        self.exchange(
            &format!("POST {path}"),
            &format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"),
        )
    }

    /// # Errors
    /// When the answer is no success.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.exchange(&format!("GET {path}"), "\r\n")
    }

    fn exchange(&self, line: &str, rest: &str) -> Result<Answer> {
        // HTTP/1.0: the answer ends with the connection, and comes in one piece.
        let (address, caller) = (self.address, &self.caller);
        let request = format!("{line} HTTP/1.0\r\nHost: {address}\r\n{caller}{rest}");
        let said = ask_within(ANSWER_LIMIT, address, &request, usize::MAX);
        let said = said.with_context(|| format!("no answer to {line}"))?;
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or((&said, ""));
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            bail!("{line} was answered {status}: {body}");
        }
        Ok(Answer {
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }
}
