use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::{CustomerId, GrantId};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Grant, GrantCreate};
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get))
        .routes(routes!(void))
}

/// Why a grant is voided.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GrantVoid {
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GrantQuery {
    /// Those of one feature: `fea_…` or the feature's key.
    #[param(min_length = 1, max_length = 63)]
    feature: Option<String>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Give a customer extra balance of a metered feature, beside what their plan includes.
#[utoipa::path(post, path = "/v1/customers/{customer}/grants", tag = "grants", operation_id = "grant_create",
    params(ShopHeaders, ("customer" = CustomerId, Path)), request_body = GrantCreate,
    responses((status = 201, body = Grant), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(customer): Segments<CustomerId>,
    Body(body): Body<GrantCreate>,
) -> Result<Created<Grant>, Problem> {
    Ok(Created(super::create(&app, &caller, customer, &body).await?))
}

/// List a customer's grants, newest first, the ended ones too.
#[utoipa::path(get, path = "/v1/customers/{customer}/grants", tag = "grants", operation_id = "grant_list",
    params(ShopHeaders, ("customer" = CustomerId, Path), GrantQuery),
    responses((status = 200, body = Page<Grant>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(customer): Segments<CustomerId>,
    Params(query): Params<GrantQuery>,
) -> Result<Json<Page<Grant>>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let feature = query.feature.as_deref();
    let page = super::list(&app, &caller, customer, feature, &page.request()?).await?;
    Ok(Json(page))
}

/// Get a grant, ended or not.
#[utoipa::path(get, path = "/v1/grants/{grant}", tag = "grants", operation_id = "grant_get",
    params(ShopHeaders, ("grant" = GrantId, Path)),
    responses((status = 200, body = Grant), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<GrantId>,
) -> Result<Json<Grant>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Void a grant: what is left of it cannot be burned any more. What open holds reserve stays theirs.
#[utoipa::path(post, path = "/v1/grants/{grant}/void", tag = "grants", operation_id = "grant_void",
    params(ShopHeaders, ("grant" = GrantId, Path)), request_body = GrantVoid,
    responses((status = 200, body = Grant), Failures))]
async fn void(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<GrantId>,
    Body(body): Body<GrantVoid>,
) -> Result<Json<Grant>, Problem> {
    Ok(Json(super::void(&app, &caller, id, &body.reason).await?))
}
