//! Live or test: what the address says. An address that says nothing, as those in the sidebar, means the mode that the
//! reader was in last; every form says it, so that nothing is changed in another mode than the page shows.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use runtime::authenticate::cookie;
use types::Mode;

const COOKIE: &str = "__Host-mode";

/// The mode of a request.
pub fn mode_of(query: Option<&str>, headers: &HeaderMap) -> Mode {
    named(query).or_else(|| last(headers)).unwrap_or(Mode::Live)
}

/// The query that names a mode.
pub fn mode_query(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "mode=live",
        Mode::Test => "mode=test",
    }
}

/// Remembers the mode that a page was shown in.
pub(super) fn remember(query: Option<&str>, request: &HeaderMap, response: &mut Response) {
    let Some(mode) = named(query) else { return };
    if !response.status().is_success() || last(request).unwrap_or(Mode::Live) == mode {
        return;
    }
    let value = match mode {
        Mode::Live => "__Host-mode=live; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
        Mode::Test => "__Host-mode=test; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
    };
    response
        .headers_mut()
        .append(header::SET_COOKIE, HeaderValue::from_static(value));
}

fn named(query: Option<&str>) -> Option<Mode> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(name, _)| name == "mode")?.1.parse().ok()
}

fn last(headers: &HeaderMap) -> Option<Mode> {
    cookie(headers, COOKIE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_goes_before_what_was_last() {
        let mut headers = HeaderMap::new();
        assert_eq!(mode_of(None, &headers), Mode::Live);
        headers.insert(header::COOKIE, HeaderValue::from_static("__Host-mode=test"));
        assert_eq!(mode_of(Some("cursor=a"), &headers), Mode::Test);
        assert_eq!(mode_of(Some("cursor=a&mode=live"), &headers), Mode::Live);
        assert_eq!(mode_of(Some("mode=nothing"), &HeaderMap::new()), Mode::Live);
    }
}
