//! The check that a form is ours. Every form that changes something carries a token that another site cannot know: of
//! the session, or before there is one, of the visit.
//!
//! A handler of a form takes [`Posted`], which checks the token before it gives anything away. It cannot be forgotten: what
//! says who looks at a page refuses to say it to an unsafe request whose form was not checked.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use maud::Markup;
use runtime::authenticate::cookie;
use runtime::crypto::{csrf_token, csrf_token_matches};
use runtime::http::Problem;
use runtime::{App, UserCaller};
use types::id::SessionId;
use types::{Error, ErrorCode, Result};
use ui::form::CSRF_FIELD;
use ui::{AuthCard, Page};

use super::{Entries, browser_errors};

/// The cookie of somebody who has not signed in: an id that their forms' token is made of.
const VISIT_COOKIE: &str = "__Host-visit";
/// No form of ours comes near it.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// Whoever sent a form, and what they entered.
pub struct Posted<R>(pub R, pub Entries);

/// Somebody who looks at pages.
pub trait Reader: FromRequestParts<App, Rejection = Problem> + Send {
    /// The id that their forms' token is made of: unless said otherwise, their session's.
    fn form_owner(parts: &mut Parts, app: &App) -> impl Future<Output = Result<SessionId, Problem>> + Send {
        async move {
            let caller = <UserCaller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
            Ok(caller.session())
        }
    }
}

/// Remembers in the request that its form was checked.
#[derive(Clone, Copy)]
struct Checked;

impl<R: Reader> FromRequest<App> for Posted<R> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let owner = R::form_owner(&mut parts, app).await?;
        let entries = read(&parts.headers, body).await?;
        if !csrf_token_matches(app.csrf_key(), owner, entries.raw(CSRF_FIELD)) {
            return Err(not_ours().into());
        }
        parts.extensions.insert(Checked);
        Ok(Posted(R::from_request_parts(&mut parts, app).await?, entries))
    }
}

/// # Errors
/// Internal, for an unsafe request whose form was not checked.
pub(super) fn require_checked(parts: &Parts) -> Result<()> {
    if parts.method.is_safe() || parts.extensions.get::<Checked>().is_some() {
        return Ok(());
    }
    Err(Error::internal(
        "a form is handled without its check: take Posted<…>",
    ))
}

async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<Entries> {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|text| text.starts_with(b"application/x-www-form-urlencoded")) {
        return Err(Error::new(
            ErrorCode::UnsupportedMediaType,
            "This address takes a form, as its page sends it. Programs use the API under /v1.",
        ));
    }
    let body = axum::body::to_bytes(body, MAX_FORM_BYTES)
        .await
        .map_err(|_| Error::new(ErrorCode::PayloadTooLarge, "The form is larger than any of ours."))?;
    Ok(Entries::parse(&body))
}

fn not_ours() -> Error {
    Error::new(
        ErrorCode::OriginRefused,
        "This form was made for another session, or by another site. Open the page again and send it from there.",
    )
}

/// Somebody who has not signed in, as their forms know them.
#[derive(Debug, Clone)]
pub struct Visit {
    /// What their forms carry.
    pub csrf: String,
    /// Gives the browser its visit, when it has none.
    pub set_cookie: Option<[(http::HeaderName, HeaderValue); 1]>,
    error_reports: Option<&'static str>,
}

impl Visit {
    /// A page for somebody who has not signed in.
    pub fn page(&self, title: &str, card: &AuthCard) -> Markup {
        Page::new(title).error_reports(self.error_reports).auth(card)
    }
}

fn visit(headers: &HeaderMap) -> Option<SessionId> {
    cookie(headers, VISIT_COOKIE)?.parse().ok()
}

impl FromRequestParts<App> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        require_checked(parts)?;
        let (id, set_cookie) = match visit(&parts.headers) {
            Some(id) => (id, None),
            None => {
                let id = SessionId::random();
                let text = format!("{VISIT_COOKIE}={id}; Path=/; Secure; HttpOnly; SameSite=Lax");
                let value = HeaderValue::from_str(&text).map_err(Error::internal)?;
                (id, Some([(header::SET_COOKIE, value)]))
            }
        };
        Ok(Visit {
            csrf: csrf_token(app.csrf_key(), id),
            set_cookie,
            error_reports: browser_errors::address(app),
        })
    }
}

impl Reader for Visit {
    async fn form_owner(parts: &mut Parts, _: &App) -> Result<SessionId, Problem> {
        visit(&parts.headers).ok_or_else(|| not_ours().into())
    }
}
