//! The route `/v1/audit_entries`: the workspace's history, which the runtime keeps.

use axum::Json;
use axum::extract::State;
use runtime::audit::{self, AuditEntry, Filter};
use runtime::http::{Failures, PageQuery, Params, Problem};
use runtime::{App, Caller};
use types::Page;
use types::id::WorkspaceId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Who did what in the workspace, newest first.
#[utoipa::path(
    get,
    path = "/v1/audit_entries",
    tag = "audit",
    operation_id = "audit_entries_list",
    params(
        PageQuery,
        ("Plinth-Workspace" = Option<WorkspaceId>, Header, description = "The workspace, for a signed-in person"),
    ),
    responses((status = 200, body = Page<AuditEntry>), Failures)
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    Ok(Json(
        audit::list(&app, &caller, &Filter::default(), &page.request()?).await?,
    ))
}
