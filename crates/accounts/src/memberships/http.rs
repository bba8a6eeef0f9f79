//! The routes under `/v1/workspaces/{workspace}/memberships`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use runtime::http::{Body, Failures, PageQuery, Params, Problem, Segments};
use runtime::{App, Caller};
use serde::Deserialize;
use types::id::{UserId, WorkspaceId};
use types::{Page, Role};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Member;
use crate::workspaces::require_here;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(update, remove))
}

/// What to change of a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberChange {
    role: Role,
}

/// Who is in the workspace.
#[utoipa::path(
    get,
    path = "/v1/workspaces/{workspace}/memberships",
    tag = "memberships",
    operation_id = "memberships_list",
    params(("workspace" = WorkspaceId, Path), PageQuery),
    responses((status = 200, body = Page<Member>), Failures)
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Segments(workspace): Segments<WorkspaceId>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<Member>>, Problem> {
    require_here(&caller, workspace)?;
    Ok(Json(super::list(&app, &caller, &page.request()?).await?))
}

/// Gives a member another role. A workspace keeps at least one owner.
#[utoipa::path(
    patch,
    path = "/v1/workspaces/{workspace}/memberships/{user}",
    tag = "memberships",
    operation_id = "membership_update",
    params(("workspace" = WorkspaceId, Path), ("user" = UserId, Path)),
    request_body = MemberChange,
    responses((status = 200, body = Member), Failures)
)]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Segments((workspace, user)): Segments<(WorkspaceId, UserId)>,
    Body(change): Body<MemberChange>,
) -> Result<Json<Member>, Problem> {
    require_here(&caller, workspace)?;
    let member = super::change_role(&app, &caller, user, change.role).await?;
    Ok(Json(member))
}

/// Removes a member, or leaves the workspace. A workspace keeps at least one owner.
#[utoipa::path(
    delete,
    path = "/v1/workspaces/{workspace}/memberships/{user}",
    tag = "memberships",
    operation_id = "membership_remove",
    params(("workspace" = WorkspaceId, Path), ("user" = UserId, Path)),
    responses((status = 204, description = "They are no member any more"), Failures)
)]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segments((workspace, user)): Segments<(WorkspaceId, UserId)>,
) -> Result<StatusCode, Problem> {
    require_here(&caller, workspace)?;
    super::remove(&app, &caller, user).await?;
    Ok(StatusCode::NO_CONTENT)
}
