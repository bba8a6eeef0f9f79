//! The way in: what is at the root, and where addresses that lead nowhere end.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use runtime::http::Problem;
use runtime::{App, UserCaller};
use types::PageRequest;

use crate::frame::go;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/", get(landing))
}

/// Into the workspace, for somebody who is in one; to sign in, for somebody who has not.
async fn landing(State(app): State<App>, caller: Option<UserCaller>) -> Result<Response, Problem> {
    let Some(caller) = caller else {
        return Ok(go("/sign-in"));
    };
    let two = PageRequest {
        limit: 2,
        cursor: None,
    };
    let joined = accounts::workspaces::list(&app, &caller, &two).await?.data;
    Ok(match joined.as_slice() {
        [] => go("/workspaces/new"),
        [only] => go(&format!("/w/{}", only.workspace.id)),
        _ => go("/workspaces"),
    })
}
