//! The routes under `/v1/auth`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use runtime::http::{Body, Failures, Problem};
use runtime::{Anonymous, App, UserCaller};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{SignIn, SignUp};
use crate::client::Client;
use crate::sessions::{self, NewSession, Session};
use crate::users::User;
use crate::workspaces::Workspace;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(sign_in))
        .routes(routes!(sign_out))
}

/// Who has signed in. The session's token is in the cookie alone.
#[derive(Serialize, ToSchema)]
struct SignedInBody {
    user: User,
    session: Session,
    /// The workspace that was made, when signing up.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<Workspace>,
}

fn signed_in(
    status: StatusCode,
    new_session: NewSession,
    workspace: Option<Workspace>,
) -> Result<Response, Problem> {
    let cookie = new_session.cookie()?;
    let NewSession { user, session, .. } = new_session;
    let body = SignedInBody {
        user,
        session,
        workspace,
    };
    Ok((status, [(header::SET_COOKIE, cookie)], Json(body)).into_response())
}

/// Makes an account with a first workspace, and signs in.
#[utoipa::path(
    post,
    path = "/v1/auth/sign-up",
    tag = "auth",
    operation_id = "auth_sign_up",
    request_body = SignUp,
    responses(
        (status = 201, body = SignedInBody, headers(("set-cookie" = String, description = "The session"))),
        Failures
    ),
    security(())
)]
async fn sign_up(
    State(app): State<App>,
    visitor: Anonymous,
    client: Client,
    Body(input): Body<SignUp>,
) -> Result<Response, Problem> {
    let signed_up = super::sign_up(&app, &visitor, &client, input).await?;
    signed_in(
        StatusCode::CREATED,
        signed_up.new_session,
        Some(signed_up.workspace),
    )
}

/// Signs in with e-mail address and password.
#[utoipa::path(
    post,
    path = "/v1/auth/sign-in",
    tag = "auth",
    operation_id = "auth_sign_in",
    request_body = SignIn,
    responses(
        (status = 200, body = SignedInBody, headers(("set-cookie" = String, description = "The session"))),
        Failures
    ),
    security(())
)]
async fn sign_in(
    State(app): State<App>,
    visitor: Anonymous,
    client: Client,
    Body(input): Body<SignIn>,
) -> Result<Response, Problem> {
    let new_session = super::sign_in(&app, &visitor, &client, input).await?;
    signed_in(StatusCode::OK, new_session, None)
}

/// Ends the session of this request.
#[utoipa::path(
    post,
    path = "/v1/auth/sign-out",
    tag = "auth",
    operation_id = "auth_sign_out",
    responses((status = 204, description = "It has ended"), Failures),
    security(("session" = []))
)]
async fn sign_out(State(app): State<App>, caller: UserCaller) -> Result<Response, Problem> {
    super::sign_out(&app, &caller).await?;
    let cleared = [(header::SET_COOKIE, sessions::cleared_cookie())];
    Ok((StatusCode::NO_CONTENT, cleared).into_response())
}
