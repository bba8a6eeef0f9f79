//! The routes under `/v1/keys`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue};
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::Page;
use types::id::CustomerKeyId;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    CreatedCustomerKey, CustomerKey, CustomerKeyRotation, CustomerKeyUpdate, NewCustomerKey, NewVerification,
    Verdict,
};
use crate::customers::CustomerRef;
use crate::usage::{IdempotencyHeader, REPLAYED, take_header_key};
use crate::{ShopCaller, ShopHeaders};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update))
        .routes(routes!(rotate))
        .routes(routes!(revoke))
}

/// The one call that has an idempotency of its own.
pub(crate) fn verify_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(verify))
}

/// Make a key for a customer. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/keys", tag = "customer_keys", operation_id = "customer_key_create",
    params(ShopHeaders), request_body = NewCustomerKey,
    responses((status = 201, description = "The key and its secret", body = CreatedCustomerKey), Failures))]
async fn create(
    State(app): State<App>,
    caller: ShopCaller,
    Body(new): Body<NewCustomerKey>,
) -> Result<Created<CreatedCustomerKey>, Problem> {
    Ok(Created(super::create(&app, &caller, &new).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct KeyQuery {
    /// Those of one customer: `cus_…` or the external id.
    customer: Option<CustomerRef>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// List customers' keys, newest first.
#[utoipa::path(get, path = "/v1/keys", tag = "customer_keys", operation_id = "customer_key_list",
    params(ShopHeaders, KeyQuery), responses((status = 200, body = Page<CustomerKey>), Failures))]
async fn list(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<KeyQuery>,
) -> Result<Json<Page<CustomerKey>>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = page.request()?;
    Ok(Json(
        super::list(&app, &caller, query.customer.as_ref(), &page).await?,
    ))
}

/// Get a customer's key, revoked or not.
#[utoipa::path(get, path = "/v1/keys/{key}", tag = "customer_keys", operation_id = "customer_key_get",
    params(ShopHeaders, ("key" = CustomerKeyId, Path)),
    responses((status = 200, body = CustomerKey), Failures))]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerKeyId>,
) -> Result<Json<CustomerKey>, Problem> {
    Ok(Json(super::get(&app, &caller, id).await?))
}

/// Change a customer's key, or set or add credits. It holds everywhere within a second.
#[utoipa::path(patch, path = "/v1/keys/{key}", tag = "customer_keys", operation_id = "customer_key_update",
    params(ShopHeaders, ("key" = CustomerKeyId, Path)), request_body = CustomerKeyUpdate,
    responses((status = 200, body = CustomerKey), Failures))]
async fn update(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerKeyId>,
    Body(body): Body<CustomerKeyUpdate>,
) -> Result<Json<CustomerKey>, Problem> {
    Ok(Json(super::update(&app, &caller, id, &body).await?))
}

/// Put a new key in the place of an old one, which stays good for the overlap. Both use up the same quotas and credits.
#[utoipa::path(post, path = "/v1/keys/{key}/rotate", tag = "customer_keys", operation_id = "customer_key_rotate",
    params(ShopHeaders, ("key" = CustomerKeyId, Path)), request_body = CustomerKeyRotation,
    responses((status = 201, description = "The new key and its secret", body = CreatedCustomerKey), Failures))]
async fn rotate(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerKeyId>,
    Body(rotation): Body<CustomerKeyRotation>,
) -> Result<Created<CreatedCustomerKey>, Problem> {
    Ok(Created(super::rotate(&app, &caller, id, rotation).await?))
}

/// Revoke a customer's key. It is refused everywhere within a second, for good.
#[utoipa::path(post, path = "/v1/keys/{key}/revoke", tag = "customer_keys", operation_id = "customer_key_revoke",
    params(ShopHeaders, ("key" = CustomerKeyId, Path)),
    responses((status = 200, description = "The revoked key", body = CustomerKey), Failures))]
async fn revoke(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(id): Segments<CustomerKeyId>,
) -> Result<Json<CustomerKey>, Problem> {
    Ok(Json(super::revoke(&app, &caller, id).await?))
}

/// Verify a customer's key, and count its use
///
/// One decision about the key, its permissions, quotas, credits and rate limits, and the customer's own. The answer is 200
/// whatever it is; `code` says why a key may not be used. Without a feature, and for a key without credits and rate limits,
/// nothing is counted and nothing written.
#[utoipa::path(post, path = "/v1/keys/verify", tag = "customer_keys", operation_id = "customer_key_verify",
    params(ShopHeaders, IdempotencyHeader), request_body = NewVerification,
    responses((status = 200, description = "Whether the key may be used", body = Verdict), Failures))]
async fn verify(
    State(app): State<App>,
    headers: HeaderMap,
    caller: ShopCaller,
    Body(mut input): Body<NewVerification>,
) -> Result<Response, Problem> {
    take_header_key(&mut input.idempotency_key, &headers)?;
    let verified = super::verify(&app, &caller, input).await?;
    let mut response = Json(&verified.verdict).into_response();
    if verified.replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
