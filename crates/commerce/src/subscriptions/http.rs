use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::SubscriptionId;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Subscription, SubscriptionCreate};
use crate::customers::CustomerRef;
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get))
        .routes(routes!(end))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SubscriptionQuery {
    /// Those of one customer: `cus_…` or the external id.
    customer: Option<CustomerRef>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Subscribe a customer to a plan; their running subscription in the same group ends.
#[utoipa::path(post, path = "/v1/subscriptions", tag = "subscriptions", operation_id = "subscription_create",
    params(ShopHeaders), request_body = SubscriptionCreate,
    responses((status = 201, body = Subscription), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Body(body): Body<SubscriptionCreate>,
) -> Result<Created<Subscription>, Problem> {
    Ok(Created(super::create(&app, &caller, &body).await?))
}

/// List subscriptions, the ended ones too, newest first.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", operation_id = "subscription_list",
    params(ShopHeaders, SubscriptionQuery), responses((status = 200, body = Page<Subscription>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<SubscriptionQuery>,
) -> Result<Json<Page<Subscription>>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = super::list(&app, &caller, query.customer.as_ref(), &page.request()?).await?;
    Ok(Json(page))
}

/// Get a subscription, running or ended.
#[utoipa::path(get, path = "/v1/subscriptions/{subscription}", tag = "subscriptions",
    operation_id = "subscription_get", params(ShopHeaders, ("subscription" = SubscriptionId, Path)),
    responses((status = 200, body = Subscription), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<SubscriptionId>,
) -> Result<Json<Subscription>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// End a subscription now: what its plan gave is gone.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription}/end", tag = "subscriptions",
    operation_id = "subscription_end", params(ShopHeaders, ("subscription" = SubscriptionId, Path)),
    responses((status = 200, body = Subscription), Failures))]
async fn end(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<SubscriptionId>,
) -> Result<Json<Subscription>, Problem> {
    Ok(Json(super::end(&app, &caller, id).await?))
}
