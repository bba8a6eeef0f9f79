use axum::Json;
use axum::extract::State;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use runtime::{App, Caller};
use serde::Deserialize;
use types::Page;
use types::id::PlatformId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Platform;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update))
        .routes(routes!(archive))
}

/// A new platform.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlatformCreate {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// What of a platform changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlatformUpdate {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlatformQuery {
    /// Archived ones too.
    with_archived: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Create a platform: a product that you sell.
#[utoipa::path(post, path = "/v1/platforms", tag = "platforms", operation_id = "platform_create",
    request_body = PlatformCreate, responses((status = 201, body = Platform), Failures))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<PlatformCreate>,
) -> Result<Created<Platform>, Problem> {
    let platform = super::create(&app, &caller, &body.name).await?;
    Ok(Created(platform))
}

/// List platforms, oldest first.
#[utoipa::path(get, path = "/v1/platforms", tag = "platforms", operation_id = "platform_list",
    params(PlatformQuery), responses((status = 200, body = Page<Platform>), Failures))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<PlatformQuery>,
) -> Result<Json<Page<Platform>>, Problem> {
    let with_archived = query.with_archived.unwrap_or(false);
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = super::list(&app, &caller, with_archived, &page.request()?).await?;
    Ok(Json(page))
}

/// Get a platform, archived or not.
#[utoipa::path(get, path = "/v1/platforms/{platform}", tag = "platforms", operation_id = "platform_get",
    params(("platform" = PlatformId, Path)), responses((status = 200, body = Platform), Failures))]
async fn get(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<PlatformId>,
) -> Result<Json<Platform>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Rename a platform.
#[utoipa::path(patch, path = "/v1/platforms/{platform}", tag = "platforms", operation_id = "platform_update",
    params(("platform" = PlatformId, Path)), request_body = PlatformUpdate,
    responses((status = 200, body = Platform), Failures))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<PlatformId>,
    Body(body): Body<PlatformUpdate>,
) -> Result<Json<Platform>, Problem> {
    let platform = super::update(&app, &caller, id, body.name.as_deref()).await?;
    Ok(Json(platform))
}

/// Archive a platform: it stays readable, its keys are refused, and nothing can be changed or used in it.
#[utoipa::path(post, path = "/v1/platforms/{platform}/archive", tag = "platforms", operation_id = "platform_archive",
    params(("platform" = PlatformId, Path)), responses((status = 200, body = Platform), Failures))]
async fn archive(
    State(app): State<App>,
    caller: Caller,
    Segments(id): Segments<PlatformId>,
) -> Result<Json<Platform>, Problem> {
    Ok(Json(super::archive(&app, &caller, id).await?))
}
