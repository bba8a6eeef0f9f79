//! API keys: of the workspace and of its platforms.

mod key;
mod list;
mod new;

use axum::Router;
use axum::routing::{get, post};
use commerce::api_keys::{ApiKey, ApiKeyKind, ApiKeyStatus};
use runtime::App;
use types::Timestamp;
use ui::Badge;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/w/{workspace}/keys", get(list::of_workspace))
        .route("/w/{workspace}/keys/new", get(new::show).post(new::submit))
        .route("/w/{workspace}/keys/{key}", get(key::show).post(key::save))
        .route("/w/{workspace}/keys/{key}/rotate", post(key::rotate))
        .route("/w/{workspace}/keys/{key}/revoke", post(key::revoke))
        .route("/w/{workspace}/p/{platform}/keys", get(list::of_platform))
}

fn kind_word(kind: ApiKeyKind) -> &'static str {
    match kind {
        ApiKeyKind::Secret => "Secret",
        ApiKeyKind::Publishable => "Publishable",
    }
}

fn status(key: &ApiKey, now: Timestamp) -> Badge {
    Badge::status(match key.status(now) {
        ApiKeyStatus::Active if key.rotated_to.is_some() => "rotating",
        ApiKeyStatus::Active => "active",
        ApiKeyStatus::Expired => "expired",
        ApiKeyStatus::Revoked => "revoked",
    })
}
