use axum::Json;
use axum::extract::State;
use http::StatusCode;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use types::Page;
use types::id::RateLimitId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{RateLimit, RateLimitCreate, RateLimitUpdate};
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// Create a rate limit, which holds for calls from now on.
#[utoipa::path(post, path = "/v1/rate_limits", tag = "rate_limits", operation_id = "rate_limit_create",
    params(ShopHeaders), request_body = RateLimitCreate,
    responses((status = 201, body = RateLimit), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Body(body): Body<RateLimitCreate>,
) -> Result<Created<RateLimit>, Problem> {
    Ok(Created(super::create(&app, &caller, &body).await?))
}

/// List the platform's rate limits, oldest first.
#[utoipa::path(get, path = "/v1/rate_limits", tag = "rate_limits", operation_id = "rate_limit_list",
    params(ShopHeaders, PageQuery), responses((status = 200, body = Page<RateLimit>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<RateLimit>>, Problem> {
    Ok(Json(super::list(&app, &caller, &page.request()?).await?))
}

/// Get a rate limit.
#[utoipa::path(get, path = "/v1/rate_limits/{rate_limit}", tag = "rate_limits", operation_id = "rate_limit_get",
    params(ShopHeaders, ("rate_limit" = RateLimitId, Path)),
    responses((status = 200, body = RateLimit), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<RateLimitId>,
) -> Result<Json<RateLimit>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Rename a rate limit or change its rate. Whom it limits and what it selects never change.
#[utoipa::path(patch, path = "/v1/rate_limits/{rate_limit}", tag = "rate_limits",
    operation_id = "rate_limit_update", params(ShopHeaders, ("rate_limit" = RateLimitId, Path)),
    request_body = RateLimitUpdate, responses((status = 200, body = RateLimit), Failures))]
async fn update(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<RateLimitId>,
    Body(body): Body<RateLimitUpdate>,
) -> Result<Json<RateLimit>, Problem> {
    Ok(Json(super::update(&app, &caller, id, &body).await?))
}

/// Delete a rate limit: calls are not held to it any more.
#[utoipa::path(delete, path = "/v1/rate_limits/{rate_limit}", tag = "rate_limits",
    operation_id = "rate_limit_delete", params(ShopHeaders, ("rate_limit" = RateLimitId, Path)),
    responses((status = 204), Failures))]
async fn delete(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<RateLimitId>,
) -> Result<StatusCode, Problem> {
    super::delete(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
