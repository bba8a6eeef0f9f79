//! The routes under `/v1/workspaces`.

use axum::Json;
use axum::extract::State;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use runtime::{App, Caller, UserCaller};
use serde::Deserialize;
use types::id::WorkspaceId;
use types::{Error, Page, Result};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{JoinedWorkspace, Workspace};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update))
}

/// The path names a workspace; an API key belongs to one, and sees no other.
pub(crate) fn require_here(caller: &Caller, workspace: WorkspaceId) -> Result<()> {
    if caller.workspace() == workspace {
        return Ok(());
    }
    Err(Error::not_found("workspace"))
}

/// A workspace to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWorkspace {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// What to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WorkspaceChange {
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
}

/// The workspaces that the signed-in person is in, oldest first.
#[utoipa::path(
    get,
    path = "/v1/workspaces",
    tag = "workspaces",
    operation_id = "workspaces_list",
    params(PageQuery),
    responses((status = 200, body = Page<JoinedWorkspace>), Failures),
    security(("session" = []))
)]
async fn list(
    State(app): State<App>,
    caller: UserCaller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<JoinedWorkspace>>, Problem> {
    Ok(Json(super::list(&app, &caller, &page.request()?).await?))
}

/// Makes a workspace that the signed-in person owns.
#[utoipa::path(
    post,
    path = "/v1/workspaces",
    tag = "workspaces",
    operation_id = "workspace_create",
    request_body = NewWorkspace,
    responses((status = 201, body = Workspace), Failures),
    security(("session" = []))
)]
async fn create(
    State(app): State<App>,
    caller: UserCaller,
    Body(input): Body<NewWorkspace>,
) -> Result<Created<Workspace>, Problem> {
    Ok(Created(super::create(&app, &caller, &input.name).await?))
}

/// One workspace.
#[utoipa::path(
    get,
    path = "/v1/workspaces/{workspace}",
    tag = "workspaces",
    operation_id = "workspace_get",
    params(("workspace" = WorkspaceId, Path)),
    responses((status = 200, body = Workspace), Failures)
)]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Segments(workspace): Segments<WorkspaceId>,
) -> Result<Json<Workspace>, Problem> {
    require_here(&caller, workspace)?;
    Ok(Json(super::get(&app, &caller).await?))
}

/// Changes a workspace's settings.
#[utoipa::path(
    patch,
    path = "/v1/workspaces/{workspace}",
    tag = "workspaces",
    operation_id = "workspace_update",
    params(("workspace" = WorkspaceId, Path)),
    request_body = WorkspaceChange,
    responses((status = 200, body = Workspace), Failures)
)]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Segments(workspace): Segments<WorkspaceId>,
    Body(change): Body<WorkspaceChange>,
) -> Result<Json<Workspace>, Problem> {
    require_here(&caller, workspace)?;
    let workspace = match &change.name {
        Some(name) => super::rename(&app, &caller, name).await?,
        None => super::get(&app, &caller).await?,
    };
    Ok(Json(workspace))
}
