use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Body, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::CustomerId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::EndUser;
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list))
}

/// An end user, new or known.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EndUserCreate {
    /// Your own id of the person, unique within the customer.
    #[schema(min_length = 1, max_length = 255)]
    external_id: String,
}

/// Create an end user of a customer, or get the one that has this external id.
#[utoipa::path(post, path = "/v1/customers/{customer}/end_users", tag = "end_users",
    operation_id = "end_user_create", params(ShopHeaders, ("customer" = CustomerId, Path)), request_body = EndUserCreate,
    responses((status = 200, description = "New or known", body = EndUser), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(customer): Segments<CustomerId>,
    Body(body): Body<EndUserCreate>,
) -> Result<Json<EndUser>, Problem> {
    let end_user = super::create(&app, &caller, customer, &body.external_id).await?;
    Ok(Json(end_user))
}

/// List a customer's end users, newest first.
#[utoipa::path(get, path = "/v1/customers/{customer}/end_users", tag = "end_users",
    operation_id = "end_user_list", params(ShopHeaders, ("customer" = CustomerId, Path), PageQuery),
    responses((status = 200, body = Page<EndUser>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(customer): Segments<CustomerId>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<EndUser>>, Problem> {
    let page = super::list(&app, &caller, customer, &query.request()?).await?;
    Ok(Json(page))
}
