//! `/v1/usage`: consume, check, the event log, history.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::App;
use runtime::http::{Body, Failures, PageQuery, Params, Problem};
use serde::{Deserialize, Serialize};
use types::{Error, Page, Timestamp};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{EventFilter, Granularity, HistoryQuery, NewUsage, Usage, UsageEvent, UsagePoint};
use crate::ShopCaller;
use crate::amount::Amount;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(consume))
        .routes(routes!(check))
        .routes(routes!(list_events))
        .routes(routes!(history))
}

/// Record usage
///
/// Counts the amount if the customer's quota has room for all of it, and answers after it is on disk. A refusal is a
/// problem with the same figures: 429 `quota_exceeded`, 402 `feature_not_in_plan` or `plan_limit_reached`, 422
/// `customer_archived`.
#[utoipa::path(
    post, path = "/v1/usage/consume", tag = "usage", operation_id = "usage_consume",
    params(
        ("Plinth-Platform" = Option<types::id::PlatformId>, Header, description = "The platform, for a key of the whole workspace."),
        ("Plinth-Mode" = Option<types::Mode>, Header, description = "live or test, for a signed-in person."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same as `idempotency_key` in the body.", min_length = 1, max_length = 255),
    ),
    request_body = NewUsage,
    responses((status = 200, body = Usage), Failures)
)]
async fn consume(
    State(app): State<App>,
    headers: HeaderMap,
    caller: ShopCaller,
    Body(input): Body<NewUsage>,
) -> Result<Response, Problem> {
    let input = with_header_key(input, &headers)?;
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
    params(
        ("Plinth-Platform" = Option<types::id::PlatformId>, Header, description = "The platform, for a key of the whole workspace."),
        ("Plinth-Mode" = Option<types::Mode>, Header, description = "live or test, for a signed-in person."),
    ),
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

/// The header's key, if the body has none.
fn with_header_key(mut input: NewUsage, headers: &HeaderMap) -> types::Result<NewUsage> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(input);
    };
    let text = value
        .to_str()
        .map_err(|_| Error::invalid("Idempotency-Key", "must be ASCII characters"))?;
    let text = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    match &input.idempotency_key {
        Some(key) if key != text => Err(Error::invalid(
            "idempotency_key",
            "differs from the header Idempotency-Key; send one of them",
        )),
        _ => {
            input.idempotency_key = Some(text.to_owned());
            Ok(input)
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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    /// Only this customer's, by id or external id.
    #[param(min_length = 1, max_length = 255)]
    customer: Option<String>,
    /// Only of this feature, by key.
    #[param(min_length = 1, max_length = 63)]
    feature: Option<String>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// List usage events
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/usage/events", tag = "usage", operation_id = "usage_events_list",
    params(
        EventQuery,
        ("Plinth-Platform" = Option<types::id::PlatformId>, Header, description = "The platform, for a key of the whole workspace."),
        ("Plinth-Mode" = Option<types::Mode>, Header, description = "live or test, for a signed-in person."),
    ),
    responses((status = 200, body = Page<UsageEvent>), Failures)
)]
async fn list_events(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<EventQuery>,
) -> Result<Json<Page<UsageEvent>>, Problem> {
    let filter = EventFilter {
        customer: query.customer.map(|text| text.parse()).transpose()?,
        feature: query.feature,
    };
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    }
    .request()?;
    Ok(Json(super::list_events(&app, &caller, &filter, &page).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct History {
    /// The key of a metered feature.
    #[param(min_length = 1, max_length = 63)]
    feature: String,
    /// Only this customer's, by id or external id.
    #[param(min_length = 1, max_length = 255)]
    customer: Option<String>,
    /// The first instant wanted.
    from: Timestamp,
    /// The first instant not wanted any more.
    to: Timestamp,
    /// `day` when absent.
    granularity: Option<Granularity>,
}

/// Usage over time.
#[derive(Debug, Serialize, ToSchema)]
struct UsageHistory {
    feature: String,
    granularity: Granularity,
    /// One for every stretch, empty ones included, oldest first.
    points: Vec<UsagePoint>,
}

/// Usage over time
#[utoipa::path(
    get, path = "/v1/usage/history", tag = "usage", operation_id = "usage_history",
    params(
        History,
        ("Plinth-Platform" = Option<types::id::PlatformId>, Header, description = "The platform, for a key of the whole workspace."),
        ("Plinth-Mode" = Option<types::Mode>, Header, description = "live or test, for a signed-in person."),
    ),
    responses((status = 200, body = UsageHistory), Failures)
)]
async fn history(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<History>,
) -> Result<Json<UsageHistory>, Problem> {
    let granularity = query.granularity.unwrap_or(Granularity::Day);
    let customer = query.customer.map(|text| text.parse()).transpose()?;
    let query = HistoryQuery {
        feature: query.feature,
        customer,
        from: query.from,
        to: query.to,
        granularity,
    };
    let points = super::history(&app, &caller, &query).await?;
    Ok(Json(UsageHistory {
        feature: query.feature,
        granularity,
        points,
    }))
}
