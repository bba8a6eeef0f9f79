//! The routes under `/v1/me`.

use axum::Json;
use axum::extract::State;
use runtime::http::{Failures, Problem};
use runtime::{App, UserCaller};
use serde::Serialize;
use types::id::SessionId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::User;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(me))
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
struct Me {
    user: User,
    /// The session that the request came with.
    session: SessionId,
}

/// The signed-in person's own account.
#[utoipa::path(
    get,
    path = "/v1/me",
    tag = "users",
    operation_id = "user_me",
    responses((status = 200, body = Me), Failures),
    security(("session" = []))
)]
async fn me(State(app): State<App>, caller: UserCaller) -> Result<Json<Me>, Problem> {
    let user = super::me(&app, &caller).await?;
    let session = caller.session();
    Ok(Json(Me { user, session }))
}
