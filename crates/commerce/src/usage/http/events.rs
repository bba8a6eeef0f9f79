//! The event log, and corrections of it.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use runtime::App;
use runtime::http::{Body, Created, Failures, PageQuery, Params, Problem, Segments};
use serde::Deserialize;
use types::id::UsageEventId;
use types::{Page, Timestamp};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{IdempotencyHeader, take_header_key};
use crate::usage::{self, Correction, EventFilter, EventSource, NewCorrection, UsageEvent, UsageEventDetail};
use crate::{ShopCaller, ShopHeaders};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_events))
        .routes(routes!(get))
        .routes(routes!(correct))
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
    /// Only of this source.
    source: Option<EventSource>,
    /// Only what happened at this instant or later.
    from: Option<Timestamp>,
    /// Only what happened before this instant.
    to: Option<Timestamp>,
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
        ShopHeaders,
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
        source: query.source,
        from: query.from,
        to: query.to,
    };
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    }
    .request()?;
    Ok(Json(usage::list_events(&app, &caller, &filter, &page).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct EventPath {
    event: UsageEventId,
}

/// Get a usage event
///
/// With who paid for it: the plan, grants, or overage.
#[utoipa::path(
    get, path = "/v1/usage/events/{event}", tag = "usage", operation_id = "usage_event_get",
    params(EventPath, ShopHeaders), responses((status = 200, body = UsageEventDetail), Failures)
)]
async fn get(
    State(app): State<App>,
    caller: ShopCaller,
    Segments(path): Segments<EventPath>,
) -> Result<Json<UsageEventDetail>, Problem> {
    Ok(Json(usage::get_event(&app, &caller, path.event).await?))
}

/// Take usage back
///
/// A negative event of its own, in the period of the event that it corrects; what was paid by a grant goes back to that grant.
#[utoipa::path(
    post, path = "/v1/usage/events/{event}/corrections", tag = "usage", operation_id = "usage_event_correct",
    params(EventPath, ShopHeaders, IdempotencyHeader), request_body = NewCorrection,
    responses((status = 201, body = Correction), Failures)
)]
async fn correct(
    State(app): State<App>,
    headers: HeaderMap,
    caller: ShopCaller,
    Segments(path): Segments<EventPath>,
    Body(mut input): Body<NewCorrection>,
) -> Result<Created<Correction>, Problem> {
    take_header_key(&mut input.idempotency_key, &headers)?;
    Ok(Created(usage::correct(&app, &caller, path.event, input).await?))
}
