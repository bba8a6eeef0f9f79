//! `/api/healthz`, and `/healthz`: whether this node can do its work, in the shape that the products' clients know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::app::App;

#[derive(Serialize)]
pub(crate) struct Health {
    /// The commit this was built from; `unknown` outside a checkout.
    sha: String,
    env: &'static str,
    up: bool,
    deps: BTreeMap<&'static str, bool>,
}

/// The health endpoints, to be mounted on every base.
pub fn health_routes() -> Router<App> {
    Router::new()
        .route("/api/healthz", get(health))
        .route("/healthz", get(health))
}

async fn health(State(app): State<App>) -> Response {
    let health = app.last_health().read(&app).await;
    let status = if health.up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(&*health)).into_response()
}

/// How long an answer is given again. Asking the stores costs a write, and anybody may ask.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer, and when it was found out. Whoever comes while the stores are asked waits for that one answer.
#[derive(Default)]
pub(crate) struct LastHealth(Mutex<Option<(Instant, Arc<Health>)>>);

impl LastHealth {
    async fn read(&self, app: &App) -> Arc<Health> {
        let mut last = self.0.lock().await;
        if let Some((at, health)) = &*last
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let health = Arc::new(ask(app).await);
        *last = Some((Instant::now(), health.clone()));
        health
    }
}

async fn ask(app: &App) -> Health {
    let (database, blobs, cache) = tokio::join!(app.db().check(), app.blobs().check(), app.cache().check());
    // `supabase` and `edgeConfig` are what existing clients look for: the database, and the configuration, which was
    // read before anything was served.
    let deps = BTreeMap::from([
        ("supabase", database.is_ok()),
        ("edgeConfig", true),
        ("blobs", blobs.is_ok()),
        ("cache", cache.is_ok()),
        ("mail", app.mailer().is_ready()),
    ]);
    Health {
        sha: app.build().sha.clone(),
        env: app.build().env.as_str(),
        // Without the cache and mail the node still works, more slowly or later.
        up: deps["supabase"] && deps["edgeConfig"] && deps["blobs"],
        deps,
    }
}
