//! The routes under `/v1/api_keys`.

use axum::Json;
use axum::extract::State;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use runtime::{App, Caller};
use serde::Deserialize;
use types::Page;
use types::id::{ApiKeyId, PlatformId, WorkspaceId};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ApiKey, ApiKeyChange, ApiKeyRotation, CreatedApiKey, NewApiKey};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, revoke))
        .routes(routes!(rotate))
}

/// Make an API key. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/v1/api_keys",
    tag = "api_keys",
    operation_id = "api_key_create",
    params(("Plinth-Workspace" = Option<WorkspaceId>, Header, description = "The workspace, for a signed-in person")),
    request_body = NewApiKey,
    responses((status = 201, description = "The key and its secret", body = CreatedApiKey), Failures),
)]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewApiKey>,
) -> Result<Created<CreatedApiKey>, Problem> {
    Ok(Created(super::create(&app, &caller, &new).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Keys of this platform only.
    platform: Option<PlatformId>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// List API keys, newest first.
#[utoipa::path(
    get,
    path = "/v1/api_keys",
    tag = "api_keys",
    operation_id = "api_key_list",
    params(
        ListQuery,
        ("Plinth-Workspace" = Option<WorkspaceId>, Header, description = "The workspace, for a signed-in person"),
    ),
    responses((status = 200, description = "A page of keys", body = Page<ApiKey>), Failures),
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<ApiKey>>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    Ok(Json(
        super::list(&app, &caller, query.platform, &page.request()?).await?,
    ))
}

/// Get an API key.
#[utoipa::path(
    get,
    path = "/v1/api_keys/{api_key}",
    tag = "api_keys",
    operation_id = "api_key_get",
    params(
        ("api_key" = ApiKeyId, Path),
        ("Plinth-Workspace" = Option<WorkspaceId>, Header, description = "The workspace, for a signed-in person"),
    ),
    responses((status = 200, description = "The key", body = ApiKey), Failures),
)]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<ApiKeyId>,
) -> Result<Json<ApiKey>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Rename an API key, or end it sooner.
#[utoipa::path(
    patch,
    path = "/v1/api_keys/{api_key}",
    tag = "api_keys",
    operation_id = "api_key_update",
    params(
        ("api_key" = ApiKeyId, Path),
        ("Plinth-Workspace" = Option<WorkspaceId>, Header, description = "The workspace, for a signed-in person"),
    ),
    request_body = ApiKeyChange,
    responses((status = 200, description = "The key as it is now", body = ApiKey), Failures),
)]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<ApiKeyId>,
    Body(change): Body<ApiKeyChange>,
) -> Result<Json<ApiKey>, Problem> {
    Ok(Json(super::update(&app, &caller, id, &change).await?))
}

/// Revoke an API key. It is refused everywhere within a second, for good.
#[utoipa::path(
    delete,
    path = "/v1/api_keys/{api_key}",
    tag = "api_keys",
    operation_id = "api_key_revoke",
    params(
        ("api_key" = ApiKeyId, Path),
        ("Plinth-Workspace" = Option<WorkspaceId>, Header, description = "The workspace, for a signed-in person"),
    ),
    responses((status = 200, description = "The revoked key", body = ApiKey), Failures),
)]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<ApiKeyId>,
) -> Result<Json<ApiKey>, Problem> {
    Ok(Json(super::revoke(&app, &caller, id).await?))
}

/// Put a new API key in the place of an old one, which stays good for the overlap.
#[utoipa::path(
    post,
    path = "/v1/api_keys/{api_key}/rotate",
    tag = "api_keys",
    operation_id = "api_key_rotate",
    params(
        ("api_key" = ApiKeyId, Path),
        ("Plinth-Workspace" = Option<WorkspaceId>, Header, description = "The workspace, for a signed-in person"),
    ),
    request_body = ApiKeyRotation,
    responses((status = 201, description = "The new key and its secret", body = CreatedApiKey), Failures),
)]
async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<ApiKeyId>,
    Body(rotation): Body<ApiKeyRotation>,
) -> Result<Created<CreatedApiKey>, Problem> {
    Ok(Created(super::rotate(&app, &caller, id, rotation).await?))
}
