use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::OverrideId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Override, OverrideCreate};
use crate::customers::CustomerRef;
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get))
        .routes(routes!(remove))
}

/// Why an override is removed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OverrideRemove {
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OverrideQuery {
    /// Those of one customer: `cus_…` or the external id.
    customer: Option<CustomerRef>,
    /// Removed ones too.
    with_removed: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Give a customer something of a feature whatever their plans say, or take it away; the override that stood
/// there ends.
#[utoipa::path(post, path = "/v1/overrides", tag = "overrides", operation_id = "override_create",
    params(ShopHeaders), request_body = OverrideCreate, responses((status = 201, body = Override), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Body(body): Body<OverrideCreate>,
) -> Result<Created<Override>, Problem> {
    Ok(Created(super::create(&app, &caller, &body).await?))
}

/// List overrides, newest first.
#[utoipa::path(get, path = "/v1/overrides", tag = "overrides", operation_id = "override_list",
    params(ShopHeaders, OverrideQuery), responses((status = 200, body = Page<Override>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<OverrideQuery>,
) -> Result<Json<Page<Override>>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let with_removed = query.with_removed.unwrap_or(false);
    let page = super::list(
        &app,
        &caller,
        query.customer.as_ref(),
        with_removed,
        &page.request()?,
    )
    .await?;
    Ok(Json(page))
}

/// Get an override, removed or not.
#[utoipa::path(get, path = "/v1/overrides/{override}", tag = "overrides", operation_id = "override_get",
    params(ShopHeaders, ("override" = OverrideId, Path)),
    responses((status = 200, body = Override), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<OverrideId>,
) -> Result<Json<Override>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Remove an override: the customer's plans decide again.
#[utoipa::path(post, path = "/v1/overrides/{override}/remove", tag = "overrides",
    operation_id = "override_remove", params(ShopHeaders, ("override" = OverrideId, Path)),
    request_body = OverrideRemove, responses((status = 200, body = Override), Failures))]
async fn remove(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<OverrideId>,
    Body(body): Body<OverrideRemove>,
) -> Result<Json<Override>, Problem> {
    Ok(Json(super::remove(&app, &caller, id, &body.reason).await?))
}
