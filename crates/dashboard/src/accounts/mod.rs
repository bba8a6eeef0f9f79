//! People: signing up, in and out, the operator's link, the choice of a workspace, and one's own account.

mod account;
mod operator;
mod sign_in;
mod sign_up;
mod workspaces;

use accounts::sessions::NewSession;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::header;
use runtime::App;
use runtime::http::Problem;

use crate::frame::go;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/sign-up", get(sign_up::show).post(sign_up::submit))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-out", post(sign_in::leave))
        .route("/operator", get(operator::show).post(operator::submit))
        .route("/workspaces", get(workspaces::choose))
        .route("/workspaces/new", get(workspaces::fresh).post(workspaces::create))
        .route("/account", get(account::show))
        .route("/account/sessions/end-others", post(account::end_others))
        .route("/account/sessions/{session}/end", post(account::end))
}

/// Goes on with the session that was just started.
fn enter(new_session: &NewSession, path: &str) -> Result<Response, Problem> {
    let mut response = go(path);
    response
        .headers_mut()
        .append(header::SET_COOKIE, new_session.cookie()?);
    Ok(response)
}
