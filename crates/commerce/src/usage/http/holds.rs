//! Holds: reserve, settle, release.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::HoldId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IdempotencyHeader, take_header_key};
use crate::amount::Amount;
use crate::customers::{CustomerRef, EndUserRef};
use crate::usage::{
    self, Hold, HoldFilter, NewReservation, NewSettlement, NewUsage, Reservation, Settlement,
};
use crate::{ShopCaller, ShopHeaders};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(reserve, list))
        .routes(routes!(get))
        .routes(routes!(settle))
        .routes(routes!(release))
}

/// Units to reserve.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldCreate {
    /// The customer, by id or by your own external id.
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "acme")]
    customer: CustomerRef,
    /// The customer's end user, by id or by your own external id; one whose external id is new is made.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    end_user: Option<EndUserRef>,
    /// The key of a metered feature whose usage adds up.
    #[schema(min_length = 1, max_length = 63, example = "tokens")]
    feature: String,
    /// How much, above zero: the most that it can cost.
    amount: Amount,
    /// Values of the feature's dimensions, by name.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    dimensions: BTreeMap<String, String>,
    /// What was called, for rate limits of one route.
    #[schema(min_length = 1, max_length = 200)]
    route: Option<String>,
    /// How long the units are reserved; 900 when absent.
    #[schema(minimum = 1, maximum = 604_800)]
    lasts_secs: Option<u32>,
    /// Makes the call safe to repeat, as for a consume.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// Reserve usage
///
/// Holds the amount if the customer's quota has room for all of it, until it is settled or released or its time is over.
#[utoipa::path(
    post, path = "/v1/usage/holds", tag = "usage", operation_id = "usage_hold_create",
    params(ShopHeaders, IdempotencyHeader), request_body = HoldCreate,
    responses((status = 201, body = Reservation), Failures)
)]
async fn reserve(
    State(app): State<App>,
    headers: HeaderMap,
    caller: ShopCaller,
    Body(mut body): Body<HoldCreate>,
) -> Result<Created<Reservation>, Problem> {
    take_header_key(&mut body.idempotency_key, &headers)?;
    let input = NewReservation {
        usage: NewUsage {
            customer: body.customer,
            end_user: body.end_user,
            feature: body.feature,
            amount: Some(body.amount),
            member: None,
            dimensions: body.dimensions,
            route: body.route,
            idempotency_key: body.idempotency_key,
        },
        lasts_secs: body.lasts_secs,
    };
    Ok(Created(usage::reserve(&app, &caller, input).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HoldQuery {
    /// Only this customer's, by id or external id.
    #[param(min_length = 1, max_length = 255)]
    customer: Option<String>,
    /// Only those that still reserve.
    open_only: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// List holds
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/usage/holds", tag = "usage", operation_id = "usage_hold_list",
    params(HoldQuery, ShopHeaders), responses((status = 200, body = Page<Hold>), Failures)
)]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<HoldQuery>,
) -> Result<Json<Page<Hold>>, Problem> {
    let filter = HoldFilter {
        customer: query.customer.map(|text| text.parse()).transpose()?,
        open_only: query.open_only.unwrap_or(false),
    };
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    }
    .request()?;
    Ok(Json(usage::list_holds(&app, &caller, &filter, &page).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct HoldPath {
    hold: HoldId,
}

/// Get a hold
#[utoipa::path(
    get, path = "/v1/usage/holds/{hold}", tag = "usage", operation_id = "usage_hold_get",
    params(HoldPath, ShopHeaders), responses((status = 200, body = Hold), Failures)
)]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(path): Segments<HoldPath>,
) -> Result<Json<Hold>, Problem> {
    Ok(Json(usage::get_hold(&app, &caller, path.hold).await?))
}

/// Settle a hold
///
/// Charges what it has cost altogether. More than was held, or after it has expired, is charged all the same and told as
/// overrun.
#[utoipa::path(
    post, path = "/v1/usage/holds/{hold}/settle", tag = "usage", operation_id = "usage_hold_settle",
    params(HoldPath, ShopHeaders), request_body = NewSettlement,
    responses((status = 200, body = Settlement), Failures)
)]
async fn settle(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(path): Segments<HoldPath>,
    Body(input): Body<NewSettlement>,
) -> Result<Json<Settlement>, Problem> {
    Ok(Json(usage::settle(&app, &caller, path.hold, input).await?))
}

/// Release a hold
///
/// Gives back what it still reserves. Doing it again changes nothing.
#[utoipa::path(
    post, path = "/v1/usage/holds/{hold}/release", tag = "usage", operation_id = "usage_hold_release",
    params(HoldPath, ShopHeaders), responses((status = 200, body = Hold), Failures)
)]
async fn release(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(path): Segments<HoldPath>,
) -> Result<Json<Hold>, Problem> {
    Ok(Json(usage::release(&app, &caller, path.hold).await?))
}
