//! `/v1/usage`: consume, check; holds; the event log and corrections; history. `/v1/events`: CloudEvents.

mod csv;
mod events;
mod history;
mod holds;
mod ingest;
mod query;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::App;
use runtime::http::{Body, Failures, Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use types::{Error, Timestamp};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{NewUsage, Usage};
use crate::amount::Amount;
use crate::{ShopCaller, ShopHeaders};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(consume))
        .routes(routes!(consume_batch))
        .routes(routes!(check))
        .merge(holds::routes())
        .merge(events::routes())
        .merge(history::routes())
        .merge(query::routes())
        .merge(ingest::routes())
}

/// The header that makes a call safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "tells the API's description of a header that is read by name"
)]
pub(crate) struct IdempotencyHeader {
    /// The same as `idempotency_key` in the body.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    key: Option<String>,
}

/// Record usage
///
/// Counts the amount if the customer's quota has room for all of it, and answers after it is on disk. A refusal is a
/// problem with the same figures: 429 `quota_exceeded`, 402 `feature_not_in_plan` or `plan_limit_reached`, 422
/// `customer_archived`.
#[utoipa::path(
    post, path = "/v1/usage/consume", tag = "usage", operation_id = "usage_consume",
    params(ShopHeaders, IdempotencyHeader),
    request_body = NewUsage,
    responses((status = 200, body = Usage), Failures)
)]
async fn consume(
    State(app): State<App>,
    headers: HeaderMap,
    caller: ShopCaller,
    Body(mut input): Body<NewUsage>,
) -> Result<Response, Problem> {
    take_header_key(&mut input.idempotency_key, &headers)?;
    let consumed = super::consume(&app, &caller, input).await?;
    let mut response = Json(&consumed.usage).into_response();
    limit_headers(response.headers_mut(), &consumed.usage, app.now());
    if consumed.replayed {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Check usage
///
/// What `consume` would be answered now. Nothing is recorded, and another call may take what is left.
#[utoipa::path(
    post, path = "/v1/usage/check", tag = "usage", operation_id = "usage_check",
    params(ShopHeaders),
    request_body = NewUsage,
    responses((status = 200, body = Usage), Failures)
)]
async fn check(
    State(app): State<App>,
    caller: ShopCaller,
    Body(input): Body<NewUsage>,
) -> Result<Response, Problem> {
    let usage = super::check(&app, &caller, input).await?;
    let mut response = Json(&usage).into_response();
    limit_headers(response.headers_mut(), &usage, app.now());
    Ok(response)
}

/// Many uses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UsageBatch {
    /// Each as the body of `POST /v1/usage/consume`; what is wrong with one is that one's answer.
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<serde_json::Value>,
}

/// What many uses came to.
#[derive(Serialize, ToSchema)]
struct UsageBatchAnswer {
    /// One for each item, in their order.
    items: Vec<UsageBatchItem>,
}

/// What one use of many came to: the figures of a granted one, or the problem that a call of its own would have been
/// answered with.
#[derive(Serialize, ToSchema)]
struct UsageBatchItem {
    /// The status that a call of its own would have had.
    status: u16,
    /// Whether this is the answer to an earlier call under the same key.
    replayed: bool,
    usage: Option<Usage>,
    problem: Option<ProblemBody>,
}

/// Record many uses
///
/// Each is decided by itself, in their order, as `consume` does; all of them are answered together, after they are on disk.
#[utoipa::path(
    post, path = "/v1/usage/consume_batch", tag = "usage", operation_id = "usage_consume_batch",
    params(ShopHeaders), request_body = UsageBatch,
    responses((status = 200, body = UsageBatchAnswer), Failures)
)]
async fn consume_batch(
    State(app): State<App>,
    caller: ShopCaller,
    Body(input): Body<UsageBatch>,
) -> Result<Json<UsageBatchAnswer>, Problem> {
    let inputs = input
        .items
        .into_iter()
        .map(|item| serde_json::from_value(item).map_err(|error| Error::invalid("item", error.to_string())));
    let answers = super::consume_batch(&app, &caller, inputs.collect()).await?;
    let items = answers.into_iter().map(|answer| match answer {
        Ok(consumed) => UsageBatchItem {
            status: 200,
            replayed: consumed.replayed,
            usage: Some(consumed.usage),
            problem: None,
        },
        Err(error) => UsageBatchItem {
            status: error.code().status(),
            replayed: false,
            usage: None,
            problem: Some(ProblemBody::new(&error, None)),
        },
    });
    Ok(Json(UsageBatchAnswer {
        items: items.collect(),
    }))
}

/// Takes the header's key, if the body has none.
pub(crate) fn take_header_key(key: &mut Option<String>, headers: &HeaderMap) -> types::Result<()> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(());
    };
    let text = value
        .to_str()
        .map_err(|_| Error::invalid("Idempotency-Key", "must be ASCII characters"))?;
    let text = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    match key {
        Some(key) if key != text => Err(Error::invalid(
            "idempotency_key",
            "differs from the header Idempotency-Key; send one of them",
        )),
        _ => {
            *key = Some(text.to_owned());
            Ok(())
        }
    }
}

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): the quota in units, and the seconds until it
/// starts again.
fn limit_headers(headers: &mut HeaderMap, usage: &Usage, now: Timestamp) {
    let (Some(Amount::Integer(limit)), Some(Amount::Integer(remaining))) = (&usage.limit, &usage.remaining)
    else {
        return;
    };
    let name = &usage.feature;
    let reset = usage
        .reset_at
        .map_or_else(String::new, |at| format!(";t={}", at.since(now).as_secs()));
    let values = [
        (RATE_LIMIT_POLICY, format!("\"{name}\";q={limit}")),
        (RATE_LIMIT, format!("\"{name}\";r={remaining}{reset}")),
    ];
    for (header, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header, value);
        }
    }
}
