//! What every request goes through: an id, limits, the origin check, a time limit, and at the end one log line, one
//! metric, and the body of a problem.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use types::id::RequestId;
use types::{Error, ErrorCode, Result};

use super::problem::{Problem, ProblemBody, Reported};
use super::{cors, security};
use crate::app::App;
use crate::authenticate::RequestTag;
use crate::{client_addr, telemetry};

/// No address of ours comes near it.
const MAX_URI_BYTES: usize = 8_192;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The outermost layer.
pub async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::generate();
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(RequestTag(id));
    client_addr::note(
        &mut parts.extensions,
        &parts.headers,
        &app.config().server.trusted_proxies,
    );
    let request = Request::from_parts(parts, body);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // The pattern, not the path: a metric's labels must be few. Absent where nothing matched.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|matched| matched.as_str().to_owned());
    let origin = cors::allowed_origin(&app, &request);

    let mut response = match cors::preflight(&request, origin.as_ref()) {
        Some(preflight) => preflight,
        None => match check(&app, &request) {
            Ok(()) => run(&app, request, next).await,
            Err(error) => Problem(error).into_response(),
        },
    };
    let reported = response.extensions_mut().remove::<Reported>();
    if let Some(Reported(error)) = &reported
        && response.body().size_hint().exact() == Some(0)
    {
        write_problem(&mut response, error, id);
    }
    cors::allow(response.headers_mut(), origin);
    security::add_headers(&mut response);
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }

    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    telemetry::request_metrics(
        method.as_str(),
        route.as_deref().unwrap_or("unmatched"),
        status,
        elapsed,
    );
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    match reported {
        Some(Reported(error)) if status >= 500 => {
            tracing::error!(request_id = %id, %method, path, status, elapsed_us, error = ?error, "request failed");
        }
        Some(Reported(error)) => {
            tracing::info!(request_id = %id, %method, path, status, elapsed_us, code = %error.code(), "request refused");
        }
        None => tracing::info!(request_id = %id, %method, path, status, elapsed_us, "request"),
    }
    response
}

fn write_problem(response: &mut Response, error: &Error, id: RequestId) {
    let body = ProblemBody::new(error, Some(id));
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(bytes);
}

fn check(app: &App, request: &Request) -> Result<()> {
    let limits = app.limits();
    let uri_bytes = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if uri_bytes > MAX_URI_BYTES {
        return Err(Error::new(
            ErrorCode::UriTooLong,
            format!("The address is longer than {MAX_URI_BYTES} bytes."),
        ));
    }
    if uri_bytes + header_bytes(request.headers()) > limits.header_bytes {
        return Err(Error::new(
            ErrorCode::HeadersTooLarge,
            format!("The headers are larger than {} bytes.", limits.header_bytes),
        ));
    }
    security::check_origin(app, request)
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// Runs the handler under the time limit. A panic is a fault of ours and answers like one; it takes nothing else down.
async fn run(app: &App, request: Request, next: Next) -> Response {
    let limit = Duration::from_secs(app.limits().request_timeout_secs);
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(limit, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Problem(Error::internal(panic_text(&*panic))).into_response(),
        Err(_) => Problem(Error::unavailable(
            "The request took too long and was given up. Try again in a moment.",
        ))
        .into_response(),
    };
    // The router's own answers come without an error.
    if response.extensions().get::<Reported>().is_none() && response.body().size_hint().exact() == Some(0) {
        let error = match response.status() {
            StatusCode::NOT_FOUND => Some(Error::not_found("page or endpoint")),
            StatusCode::METHOD_NOT_ALLOWED => Some(Error::new(
                ErrorCode::MethodNotAllowed,
                "This address does not take this method; the header Allow lists those it does.",
            )),
            _ => None,
        };
        if let Some(error) = error {
            let allow = response.headers().get(header::ALLOW).cloned();
            response = Problem(error).into_response();
            if let Some(allow) = allow {
                response.headers_mut().insert(header::ALLOW, allow);
            }
        }
    }
    response
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("a handler panicked: {text}")
}
