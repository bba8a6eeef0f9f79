//! Somebody at the dashboard while calls are counted: makes customers, gives overrides to customers that are being called,
//! and reads pages, one request after the other without a pause.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use crate::bench::api::Api;
use crate::bench::shop::LIMIT;
use crate::bench::stand::Stand;

/// Customers that are being called, and are given overrides in turn.
const CUSTOMERS: u64 = 1_000;

pub struct Clerk {
    api: Api,
    browser: Api,
    pages: [String; 3],
    rounds: u64,
    failed: u32,
    secs: f64,
}

/// What the clerk did in a second.
#[derive(Clone, Copy)]
pub struct Pace {
    pub writes_per_sec: f64,
    pub pages_per_sec: f64,
    /// Requests of all the time that were not answered with success.
    pub failed: f64,
}

impl Clerk {
    pub fn sign_in(stand: &Stand) -> Result<Self> {
        let (server, operator) = (&stand.server, &stand.operator);
        let visitor = Api::anonymous(server.address());
        let password = operator
            .password
            .as_ref()
            .ok()
            .context("the operator has no password")?;
        let body = json!({"email": operator.email, "password": password}).to_string();
        let answer = visitor.send("/v1/auth/sign-in", "application/json", &body)?;
        let session = cookie(&answer.head).context("signing in gave no cookie")?;
        let platform = format!("/w/{}/p/{}", stand.shop.workspace, stand.shop.platform);
        Ok(Self {
            api: Api::with_key(server.address(), &operator.api_key)
                .with("Plinth-Platform", &stand.shop.platform),
            browser: visitor.with("Cookie", session),
            pages: ["customers", "usage", "features"].map(|page| format!("{platform}/{page}")),
            rounds: 0,
            failed: 0,
            secs: 0.0,
        })
    }

    /// Works until the load is over.
    pub fn beside<T>(&mut self, load: impl FnOnce() -> Result<T>) -> Result<T> {
        let over = AtomicBool::new(false);
        let started = Instant::now();
        let measured = thread::scope(|scope| {
            scope.spawn(|| self.work_until(&over));
            let measured = load();
            over.store(true, Ordering::Relaxed);
            measured
        });
        self.secs += started.elapsed().as_secs_f64();
        measured
    }

    fn work_until(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            self.rounds += 1;
            let customer = json!({"external_id": format!("new-{}", self.rounds)});
            // Somebody who is being called: what the server remembers of them holds no longer.
            let called = format!("customer-{}", 1 + self.rounds % CUSTOMERS);
            let given = json!({"customer": called, "feature": "calls", "granted": true, "limit": LIMIT, "reason": "bench"});
            let writes = [("/v1/customers", customer), ("/v1/overrides", given)];
            let written = writes.map(|(path, body)| self.api.post(path, &body).map(drop));
            let read = self.pages.each_ref().map(|page| self.browser.get(page).map(drop));
            for failure in written.into_iter().chain(read).filter_map(Result::err) {
                println!("at the dashboard: {failure:#}");
                self.failed += 1;
            }
        }
    }

    /// Over all the time that it has worked.
    pub fn pace(&self) -> Pace {
        let rounds_per_sec = self.rounds as f64 / self.secs;
        Pace {
            writes_per_sec: rounds_per_sec * 2.0,
            pages_per_sec: rounds_per_sec * self.pages.len() as f64,
            failed: f64::from(self.failed),
        }
    }
}

/// The first cookie that an answer sets, as a browser sends it back.
fn cookie(head: &str) -> Option<&str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_it = name.eq_ignore_ascii_case("set-cookie");
        is_it.then(|| value.split(';').next().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_back_without_its_attributes() {
        let head = "HTTP/1.0 200 OK\r\nSet-Cookie: __Host-session=abc; Path=/; Secure\r\ndate: now";
        assert_eq!(cookie(head), Some("__Host-session=abc"));
        assert_eq!(cookie("HTTP/1.0 200 OK"), None);
    }
}
