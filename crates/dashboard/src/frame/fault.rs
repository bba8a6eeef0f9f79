//! What becomes of a page's error: a page that says what happened and what to do, or the way to sign in.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use maud::Markup;
use runtime::authenticate::{RequestTag, SESSION_COOKIE, cookie};
use runtime::http::{Problem, Reported};
use types::id::RequestId;
use types::{Error, ErrorCode};
use ui::{Button, Page};

use super::{mode, notice, policy, return_path};

/// The layer around every page.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let mut response = next.run(request).await;
    if let Some(Reported(error)) = response.extensions().get::<Reported>().cloned() {
        response = asked.answer(&error);
    }
    notice::forget(&asked.headers, &mut response);
    mode::remember(asked.uri.query(), &asked.headers, &mut response);
    policy::protect(&mut response);
    response
}

/// The answer to an address that leads nowhere: a page for a browser, a problem for a program.
pub(crate) async fn nowhere(request: Request) -> Response {
    let asked = Asked::of(&request);
    let error = Error::not_found("page or endpoint");
    if !asked.wants_page() {
        return Problem(error).into_response();
    }
    let mut response = asked.answer(&Arc::new(error));
    policy::protect(&mut response);
    response
}

/// What of the request its error page depends on.
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    id: Option<RequestId>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        Asked {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            id: request.extensions().get::<RequestTag>().map(|tag| tag.0),
        }
    }

    fn wants_page(&self) -> bool {
        let accepted = self
            .headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        accepted.is_some_and(|accepted| accepted.contains("text/html"))
    }

    fn answer(&self, error: &Arc<Error>) -> Response {
        // A part of a page that renews itself keeps what it shows when there is nothing newer.
        if self.headers.contains_key("hx-request") {
            return StatusCode::NO_CONTENT.into_response();
        }
        if error.code().status() == 401 {
            return self.sign_in();
        }
        let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, page(error, self.id)).into_response();
        if let Some(secs) = error.retry_after_secs() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        // For the log.
        response.extensions_mut().insert(Reported(error.clone()));
        response
    }

    /// To sign in, and back to here where that makes sense. A session that has ended is taken away.
    fn sign_in(&self) -> Response {
        let here = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let target = match self.method {
            Method::GET if here != "/" => format!("/sign-in?{}", return_path::query(here)),
            _ => "/sign-in".to_owned(),
        };
        let mut response = notice::go(&target);
        if cookie(&self.headers, SESSION_COOKIE).is_some() {
            let cleared = accounts::sessions::cleared_cookie();
            response.headers_mut().append(header::SET_COOKIE, cleared);
        }
        response
    }
}

fn page(error: &Error, id: Option<RequestId>) -> Markup {
    let code = error.code();
    let (heading, sentence) = match code {
        ErrorCode::NotFound => (
            "Nothing here",
            "This page does not exist, or it belongs to a workspace that you are not in.",
        ),
        ErrorCode::PermissionDenied => ("You may not do this", error.detail()),
        ErrorCode::OriginRefused => ("This form is too old", error.detail()),
        ErrorCode::Internal => (
            "Something broke",
            "The fault is on our side and has been logged. Try again; if it stays, quote the reference below.",
        ),
        _ => (code.title(), error.detail()),
    };
    let reference = id.map(|id| id.to_string());
    let back = Button::primary("Go to the start").href("/");
    Page::new(heading).message(heading, sentence, &back, reference.as_deref())
}
