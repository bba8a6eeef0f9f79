//! Headers that every answer carries, and the refusal of unsafe requests from other sites' pages.

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use types::{Error, ErrorCode, Result};

use crate::app::App;
use crate::authenticate::{Credential, SESSION_COOKIE, cookie, credential};

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("strict-origin-when-cross-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
    (
        // For this very host: what its sub-domains speak is for their owners to say.
        HeaderName::from_static("strict-transport-security"),
        HeaderValue::from_static("max-age=31536000"),
    ),
];

/// An answer that is not a page loads nothing and is framed by nobody.
const DATA_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

pub(super) fn add_headers(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in &HEADERS {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(DATA_POLICY);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

pub(super) fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// Refuses an unsafe request that a browser sent from a page of another site with our cookie on it. What sends no such
/// headers is no browser, and has no cookie it was not given.
pub(super) fn check_origin(app: &App, request: &Request) -> Result<()> {
    let headers = request.headers();
    // Only a token that was read as one: beside any other `Authorization` it is the cookie that speaks.
    let shows_token = matches!(credential(headers), Some(Credential::Bearer(_)));
    if is_safe(request.method())
        || shows_token
        || cookie(headers, SESSION_COOKIE).is_none() && !headers.contains_key("sec-fetch-site")
    {
        return Ok(());
    }
    let refused = match (text(headers, "sec-fetch-site"), text(headers, "origin")) {
        (Some("same-origin" | "none"), _) => false,
        (_, Some(origin)) => !app.is_own_origin(origin),
        (Some(_), None) => true,
        (None, None) => false,
    };
    if refused { Err(another_site()) } else { Ok(()) }
}

/// Takes a request from the script of one of our own pages, and nothing else: for an address that only those have a use for.
///
/// # Errors
/// `origin_refused`.
pub fn require_own_page(app: &App, headers: &HeaderMap) -> Result<()> {
    match (text(headers, "sec-fetch-site"), text(headers, "origin")) {
        (Some("same-origin"), _) => Ok(()),
        (None, Some(origin)) if app.is_own_origin(origin) => Ok(()),
        _ => Err(another_site()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn another_site() -> Error {
    Error::new(
        ErrorCode::OriginRefused,
        "This was sent by a page of another site. Open Plinth itself and try there.",
    )
}
