//! The routes under `/v1/sessions`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use runtime::http::{Failures, PageQuery, Params, Problem, Segments};
use runtime::{App, UserCaller};
use serde::Serialize;
use types::Page;
use types::id::SessionId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Session;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, revoke_others))
        .routes(routes!(revoke))
}

/// A session in its owner's list.
#[derive(Serialize, ToSchema)]
struct ListedSession {
    #[serde(flatten)]
    session: Session,
    /// Whether the request came with this very session.
    current: bool,
}

/// The signed-in person's running sessions, newest first.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    tag = "sessions",
    operation_id = "sessions_list",
    params(PageQuery),
    responses((status = 200, body = Page<ListedSession>), Failures),
    security(("session" = []))
)]
async fn list(
    State(app): State<App>,
    caller: UserCaller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ListedSession>>, Problem> {
    let sessions = super::list(&app, &caller, &page.request()?).await?;
    Ok(Json(sessions.map(|session| ListedSession {
        current: session.id == caller.session(),
        session,
    })))
}

/// Ends every session of the signed-in person but the one of this request.
#[utoipa::path(
    delete,
    path = "/v1/sessions",
    tag = "sessions",
    operation_id = "sessions_revoke_others",
    responses((status = 204, description = "They have ended"), Failures),
    security(("session" = []))
)]
async fn revoke_others(State(app): State<App>, caller: UserCaller) -> Result<StatusCode, Problem> {
    super::revoke_others(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of the signed-in person's sessions, wherever it is used.
#[utoipa::path(
    delete,
    path = "/v1/sessions/{session}",
    tag = "sessions",
    operation_id = "session_revoke",
    params(("session" = SessionId, Path)),
    responses((status = 204, description = "It has ended"), Failures),
    security(("session" = []))
)]
async fn revoke(
    State(app): State<App>,
    caller: UserCaller,
    Segments(session): Segments<SessionId>,
) -> Result<StatusCode, Problem> {
    super::revoke(&app, &caller, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
