//! `/v1/events`: usage as CloudEvents.

use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Failures, OneOrMany, Params, Problem, ProblemBody};
use serde::{Deserialize, Serialize};
use types::id::UsageEventId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::usage::{self, CloudEvent, Ingested};
use crate::{ShopCaller, ShopHeaders};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(ingest))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct IngestQuery {
    /// Whether this is a history that is filled in: then events may be old, and nobody is warned of thresholds.
    backfill: Option<bool>,
}

/// What became of the events.
#[derive(Serialize, ToSchema)]
struct IngestAnswer {
    accepted: usize,
    duplicates: usize,
    rejected: usize,
    /// One for each event, in their order.
    items: Vec<IngestItem>,
}

/// What became of one event.
#[derive(Serialize, ToSchema)]
struct IngestItem {
    status: IngestStatus,
    /// The recorded event; of a duplicate, the one that was recorded before.
    event: Option<UsageEventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum IngestStatus {
    Accepted,
    Duplicate,
    Rejected,
}

/// Send usage events
///
/// CloudEvents 1.0, one or up to 1,000 as a list of the same. Each is recorded in the period in which it happened, whether there is room
/// or not, and counted once for each `source` and `id`; all of them are answered after they are on disk. Whatever is wrong
/// with one of a list is that one's answer: send only those again. One that is sent alone is refused with its problem.
#[utoipa::path(
    post, path = "/v1/events", tag = "usage", operation_id = "usage_ingest",
    params(IngestQuery, ShopHeaders),
    request_body(content(
        (CloudEvent = "application/cloudevents+json"),
        (Vec<serde_json::Value> = "application/cloudevents-batch+json"),
    )),
    responses((status = 200, body = IngestAnswer), Failures)
)]
async fn ingest(
    State(app): State<App>,
    caller: ShopCaller,
    Params(query): Params<IngestQuery>,
    events: OneOrMany,
) -> Result<Json<IngestAnswer>, Problem> {
    let is_list = events.is_list;
    let outcomes = usage::ingest(&app, &caller, events.values, query.backfill.unwrap_or(false)).await?;
    let mut answer = IngestAnswer {
        accepted: 0,
        duplicates: 0,
        rejected: 0,
        items: Vec::with_capacity(outcomes.len()),
    };
    for outcome in outcomes {
        let (status, event, problem) = match outcome {
            Ingested::Accepted(event) => (IngestStatus::Accepted, Some(event), None),
            Ingested::Duplicate(event) => (IngestStatus::Duplicate, Some(event), None),
            Ingested::Rejected(error) if !is_list => return Err(error.into()),
            Ingested::Rejected(error) => (IngestStatus::Rejected, None, Some(ProblemBody::new(&error, None))),
        };
        match status {
            IngestStatus::Accepted => answer.accepted += 1,
            IngestStatus::Duplicate => answer.duplicates += 1,
            IngestStatus::Rejected => answer.rejected += 1,
        }
        answer.items.push(IngestItem {
            status,
            event,
            problem,
        });
    }
    Ok(Json(answer))
}
