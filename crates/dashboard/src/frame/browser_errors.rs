//! Errors of the pages' scripts, as browsers tell of them: each becomes an error in the log like any of the server's, and with it
//! a report, where the operator has configured some place for reports. Elsewhere pages tell nothing, and there is no such address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use accounts::Client;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use runtime::App;
use runtime::http::{Body, Problem, require_own_page};
use serde::Deserialize;
use types::text::check_text;
use types::{Error, ErrorCode, Result, Timestamp};

const PATH: &str = "/browser-errors";
const MAX_BODY_BYTES: usize = 8 * 1024;
const MAX_MESSAGE_CHARS: usize = 1_000;
const MAX_NAME_CHARS: usize = 100;
const MAX_PATH_CHARS: usize = 2_048;

/// The time that reports are counted over.
const WINDOW: Duration = Duration::from_secs(60);
/// Reports of one address within that time: a few pages that fail, not a page that fails all the time.
const MOST_OF_ADDRESS: u32 = 20;
/// Reports of everybody: when pages fail everywhere, some of them tell enough.
const MOST: u32 = 100;

pub(crate) fn routes() -> Router<App> {
    Router::new().route(PATH, post(report).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)))
}

/// Where a page tells of its errors; `None` where nobody wants to hear of them.
pub(super) fn address(app: &App) -> Option<&'static str> {
    app.config().sentry.dsn.as_ref().map(|_| PATH)
}

/// What the script tells (`crates/ui/assets/app.js`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    /// The error's kind, such as `TypeError`.
    kind: Option<String>,
    message: String,
    /// The path of the file.
    source: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    /// The path of the page.
    page: String,
}

async fn report(
    State(app): State<App>,
    headers: HeaderMap,
    client: Client,
    Body(report): Body<Report>,
) -> Result<StatusCode, Problem> {
    if address(&app).is_none() {
        return Err(Error::not_found("page or endpoint").into());
    }
    require_own_page(&app, &headers)?;
    app.service::<Reports>()?.count(client.network(), app.now())?;
    report.check()?;
    let (page, source) = (path(&report.page), report.source.as_deref().map(path));
    tracing::error!(
        target: "browser",
        kind = report.kind,
        source,
        line = report.line,
        column = report.column,
        page,
        user_agent = client.user_agent,
        "{}",
        report.message,
    );
    Ok(StatusCode::NO_CONTENT)
}

impl Report {
    fn check(&self) -> Result<()> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        check_text("kind", &text(&self.kind), 0, MAX_NAME_CHARS)?;
        check_text("message", &self.message, 1, MAX_MESSAGE_CHARS)?;
        check_text("source", &text(&self.source), 0, MAX_PATH_CHARS)?;
        check_text("page", &self.page, 1, MAX_PATH_CHARS)
    }
}

/// An address without what may stand behind its path, which may be what somebody looked for.
fn path(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

/// How many reports came of late.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Recent>);

#[derive(Default)]
struct Recent {
    since: Option<Timestamp>,
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

impl Reports {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// # Errors
    /// `rate_limited`, when there were too many.
    fn count(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = recent.since.map_or(WINDOW, |since| now.since(since));
        if age >= WINDOW {
            *recent = Recent {
                since: Some(now),
                ..Recent::default()
            };
        }
        let of_address = recent.by_address.get(&address).copied().unwrap_or_default();
        if recent.all >= MOST || of_address >= MOST_OF_ADDRESS {
            let refusal = Error::new(
                ErrorCode::RateLimited,
                "There were too many reports. The first ones tell enough.",
            );
            return Err(refusal.with_retry_after(WINDOW.as_secs()));
        }
        recent.all += 1;
        recent.by_address.insert(address, of_address + 1);
        Ok(())
    }
}
