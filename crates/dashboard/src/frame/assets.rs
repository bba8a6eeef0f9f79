//! The files of the design system, under addresses that change with their content: a browser keeps them for ever. Each is
//! compressed once, when it is first asked for.

use std::io::Write;
use std::sync::OnceLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use runtime::App;
use ui::assets::{self, Asset, CACHE_CONTROL};

pub(crate) fn routes() -> Router<App> {
    assets::all().iter().fold(Router::new(), |router, asset| {
        let packed: &'static OnceLock<Option<Bytes>> = Box::leak(Box::default());
        let answer = move |headers: HeaderMap| std::future::ready(serve(asset, packed, &headers));
        router.route(&asset.path, get(answer))
    })
}

fn serve(asset: &'static Asset, packed: &OnceLock<Option<Bytes>>, headers: &HeaderMap) -> Response {
    let fixed = [
        (header::CACHE_CONTROL, CACHE_CONTROL),
        (header::ETAG, asset.etag.as_str()),
        (header::VARY, "accept-encoding"),
    ];
    if has_it(headers, &asset.etag) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    let typed = [(header::CONTENT_TYPE, asset.content_type)];
    match packed.get_or_init(|| pack(asset.bytes)) {
        Some(packed) if accepts_gzip(headers) => {
            let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
            (fixed, typed, encoding, packed.clone()).into_response()
        }
        _ => (fixed, typed, Bytes::from_static(asset.bytes)).into_response(),
    }
}

fn pack(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn has_it(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    known.is_some_and(|known| {
        known
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    })
}

/// `gzip`, unless it is named with a weight of zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (value, takes) in [
            ("gzip, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(
                accepts_gzip(&headers(header::ACCEPT_ENCODING, value)),
                takes,
                "{value}"
            );
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        assert!(has_it(&headers(header::IF_NONE_MATCH, "\"a\", W/\"b\""), "\"b\""));
        assert!(!has_it(&headers(header::IF_NONE_MATCH, "\"a\""), "\"b\""));
    }
}
