//! Usage by window, customer and dimensions, as JSON or CSV.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;
use runtime::App;
use runtime::http::{Failures, Params, Problem};
use serde::Deserialize;
use types::text::check_text;
use types::{Error, Result, Timestamp};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::csv::{Csv, Format, vary};
use crate::usage::{self, DimensionFilter, Granularity, UsageQuery, UsageReport};
use crate::{ShopCaller, ShopHeaders};

/// The longest filter, in characters: a name, a colon, a value.
const MAX_FILTER_CHARS: usize = 264;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(query))
}

/// Parameters that are given once.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Single {
    /// The key of a metered feature.
    #[param(min_length = 1, max_length = 63)]
    feature: String,
    /// Only this customer's, by id or external id.
    #[param(min_length = 1, max_length = 255)]
    customer: Option<String>,
    /// Only this end user's, by id or external id; name the customer, too. At most 31 days.
    #[param(min_length = 1, max_length = 255)]
    end_user: Option<String>,
    /// The first instant wanted. The windows that cover it and `to` are told whole.
    from: Timestamp,
    /// The first instant not wanted any more.
    to: Timestamp,
    /// `day` when absent. At most 744 windows. A `total` is of whole hours, or of whole days when it is longer than 31.
    granularity: Option<Granularity>,
    /// The most groups, 1 to 1,000, and at most 50,000 points in all of them; 100 when absent, or as many as that allows.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `json` or `csv`; when absent, the header `Accept` decides.
    #[param(inline)]
    format: Option<Format>,
}

/// Parameters that may be repeated.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
struct Repeated {
    /// `customer`, or the name of one of the feature's dimensions; at most three, repeated or separated by commas.
    #[param(required = false, max_items = 3)]
    group_by: Vec<String>,
    /// Only usage with this value of a dimension, as `model:small`. Repeated: one of the values of each dimension named.
    #[param(required = false, max_items = 20)]
    filter: Vec<String>,
}

/// Both.
struct Asked {
    single: Single,
    repeated: Repeated,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (repeated, rest) = taken_apart(parts.uri.query().unwrap_or_default());
        let request = http::Request::get(format!("/?{rest}"))
            .body(())
            .map_err(Error::internal)?;
        let Params(single) = Params::from_request_parts(&mut request.into_parts().0, state).await?;
        Ok(Asked { single, repeated })
    }
}

/// The parameters that may be repeated, and the query without them.
fn taken_apart(query: &str) -> (Repeated, String) {
    let mut repeated = Repeated::default();
    let mut rest = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "group_by" => repeated.group_by.extend(value.split(',').map(str::to_owned)),
            "filter" => repeated.filter.push(value.into_owned()),
            _ => {
                rest.append_pair(&name, &value);
            }
        }
    }
    (repeated, rest.finish())
}

impl Asked {
    fn query(self) -> Result<UsageQuery> {
        let Asked { single, repeated } = self;
        check_text("feature", &single.feature, 1, 63)?;
        Ok(UsageQuery {
            feature: single.feature,
            customer: single.customer.map(|text| text.parse()).transpose()?,
            end_user: single.end_user.map(|text| text.parse()).transpose()?,
            from: single.from,
            to: single.to,
            granularity: single.granularity.unwrap_or(Granularity::Day),
            group_by: repeated.group_by,
            filters: repeated
                .filter
                .iter()
                .map(|text| filter(text))
                .collect::<Result<_>>()?,
            limit: single.limit,
        })
    }
}

fn filter(text: &str) -> Result<DimensionFilter> {
    check_text("filter", text, 1, MAX_FILTER_CHARS)?;
    let (name, value) = text.split_once(':').ok_or_else(|| {
        Error::invalid(
            "filter",
            "name a dimension and its value, with a colon between, such as model:small",
        )
    })?;
    Ok(DimensionFilter {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

/// Query usage
///
/// Sums of the events by window, and by customer and dimensions if `group_by` says so. Amounts come together as the feature
/// counts: added up, or the largest, or the latest; of a unique count, members that were new in their period.
///
/// As CSV there is a line for each group and window: `start`, `customer` and `dimensions.…` as far as they are grouped by,
/// `amount`, `events`. Values of dimensions that a spreadsheet would take for a formula begin with an apostrophe.
#[utoipa::path(
    get, path = "/v1/usage/query", tag = "usage", operation_id = "usage_query",
    params(Single, Repeated, ShopHeaders),
    responses(
        (status = 200, content((UsageReport = "application/json"), (String = "text/csv"))),
        Failures
    )
)]
async fn query(
    State(app): State<App>,
    headers: HeaderMap,
    caller: ShopCaller,
    asked: Asked,
) -> Result<Response, Problem> {
    let format = Format::asked_for(asked.single.format, &headers);
    let report = usage::query(&app, &caller, &asked.query()?).await?;
    Ok(match format {
        Format::Csv => csv(&report).into_response(&format!("usage-{}.csv", report.feature)),
        Format::Json => {
            let mut response = Json(report).into_response();
            vary(response.headers_mut());
            response
        }
    })
}

impl UsageReport {
    /// The report as CSV, a line for each group and window.
    pub fn to_csv(&self) -> String {
        csv(self).into_text()
    }
}

fn csv(report: &UsageReport) -> Csv {
    let mut csv = Csv::default();
    let is_by_customer = report.group_by.iter().any(|name| name == "customer");
    let names = || report.group_by.iter().filter(|name| *name != "customer");
    csv.own("start");
    if is_by_customer {
        csv.own("customer");
    }
    for name in names() {
        csv.own(format_args!("dimensions.{name}"));
    }
    csv.own("amount");
    csv.own("events");
    csv.end_line();
    for group in &report.groups {
        for point in &group.points {
            csv.own(point.start);
            if is_by_customer {
                csv.own(group.customer.map(|id| id.to_string()).unwrap_or_default());
            }
            for name in names() {
                csv.foreign(
                    group
                        .dimensions
                        .get(name)
                        .and_then(Option::as_deref)
                        .unwrap_or_default(),
                );
            }
            csv.own(&point.amount);
            csv.own(point.events);
            csv.end_line();
        }
    }
    csv
}
