//! What a page of usage shows, as a file for spreadsheets.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Uri, header};
use runtime::App;
use runtime::http::Problem;
use types::{Error, Result};

use super::asked::Asked;
use super::metered;
use super::report::{Query, chosen};
use crate::frame::Shopkeeper;

pub(super) async fn send(State(app): State<App>, keeper: Shopkeeper, uri: Uri) -> Result<Response, Problem> {
    let features = metered(&app, &keeper).await?;
    let asked = Asked::read(uri.query());
    let feature = chosen(&features, &asked.feature).ok_or_else(|| Error::not_found("feature"))?;
    let asked = asked.settle(feature);
    let now = app.now();
    let query = Query {
        app: &app,
        keeper: &keeper,
        asked: &asked,
        to: now + Duration::from_micros(1),
    };
    let report = query.whole(now).await?;
    let name = format!(
        "attachment; filename=\"usage-{}-{}.csv\"",
        feature.key,
        asked.span.word()
    );
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, report.to_csv()).into_response())
}
