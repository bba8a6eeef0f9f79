//! Usage over time.

use axum::Json;
use axum::extract::State;
use runtime::App;
use runtime::http::{Failures, Params, Problem};
use serde::{Deserialize, Serialize};
use types::Timestamp;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::usage::{self, Granularity, HistoryQuery, UsagePoint};
use crate::{ShopCaller, ShopHeaders};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(history))
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
        ShopHeaders,
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
    let points = usage::history(&app, &caller, &query).await?;
    Ok(Json(UsageHistory {
        feature: query.feature,
        granularity,
        points,
    }))
}
