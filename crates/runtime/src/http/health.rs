//! `/api/healthz`, and `/healthz`: whether this node can do its work, in the shape that the products' clients know.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;

use crate::app::App;

#[derive(Serialize)]
struct Health {
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
    // Without the cache and mail the node still works, more slowly or later.
    let up = deps["supabase"] && deps["edgeConfig"] && deps["blobs"];
    let status = if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let health = Health {
        sha: app.build().sha.clone(),
        env: app.build().env.as_str(),
        up,
        deps,
    };
    (status, Json(health)).into_response()
}
