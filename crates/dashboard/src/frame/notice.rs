//! What the last request did, said once above the page that follows it. The words travel in a cookie of a minute, signed,
//! so that nothing stands on a page that we did not write.

use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use runtime::App;
use runtime::authenticate::cookie;
use types::{Error, Result};

const COOKIE: &str = "__Host-notice";
const LABEL: &[u8] = b"plinth/notice/v1\0";
/// Bytes of a MAC.
const TAG_LEN: usize = 32;

/// Goes to another page of ours (303), as every form that worked does.
pub fn go(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// Goes to another page of ours, which says what was done.
///
/// # Errors
/// Internal, never seen: base64 is made of letters that a header may have.
pub fn go_saying(app: &App, path: &str, notice: &str) -> Result<Response> {
    let mut signed = app.csrf_key().mac(&message(notice)).to_vec();
    signed.extend_from_slice(notice.as_bytes());
    let text = URL_SAFE_NO_PAD.encode(signed);
    let cookie = format!("{COOKIE}={text}; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
    let mut response = go(path);
    let value = HeaderValue::from_str(&cookie).map_err(Error::internal)?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(response)
}

/// The notice that this request brought, if we wrote it.
pub(super) fn read(app: &App, headers: &HeaderMap) -> Option<String> {
    let signed = URL_SAFE_NO_PAD.decode(cookie(headers, COOKIE)?).ok()?;
    let (tag, notice) = signed.split_at_checked(TAG_LEN)?;
    let notice = std::str::from_utf8(notice).ok()?;
    app.csrf_key()
        .verify_mac(&message(notice), tag)
        .then(|| notice.to_owned())
}

/// Takes the notice away from a browser that has seen it.
pub(super) fn forget(request: &HeaderMap, response: &mut Response) {
    let is_page = response.status().is_success() && response.headers().get(header::LOCATION).is_none();
    if is_page && cookie(request, COOKIE).is_some() {
        let cleared =
            HeaderValue::from_static("__Host-notice=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
        response.headers_mut().append(header::SET_COOKIE, cleared);
    }
}

fn message(notice: &str) -> Vec<u8> {
    [LABEL, notice.as_bytes()].concat()
}
