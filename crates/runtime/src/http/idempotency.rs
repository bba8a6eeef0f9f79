//! `Idempotency-Key`: an unsafe request that is sent again under the same key has its first answer replayed and is not
//! run again.
//!
//! The key is taken before the handler runs and the answer is stored after it. Should the server die in between, the key
//! stays taken for its lifetime, and a retry is told that the outcome is unknown: nothing ever runs twice. Usage has its own, finer
//! mechanism, in the same transaction as the debit; its routes are not under this layer.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use storage::{Row, Tenant, params};
use types::{Error, ErrorCode, Result, Timestamp};

use super::problem::{Problem, Reported};
use super::security::is_safe;
use crate::app::App;
use crate::authenticate::{Grant, grant};

/// How long a key is remembered.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// How the names of the headers begin that name a workspace, a platform, a mode.
const OWN_HEADERS: &str = "plinth-";
const MAX_KEY_CHARS: usize = 255;
/// An answer larger than this is not kept; the products' answers are far smaller.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The key of a request: whose it is, and what it stands for.
struct Taken {
    tenant: Tenant,
    actor: String,
    key: String,
    fingerprint: [u8; 32],
}

/// Layer for the routes whose unsafe requests may carry a key.
pub async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    if is_safe(request.method()) || !request.headers().contains_key(&KEY) {
        return next.run(request).await;
    }
    match keyed(&app, request, next).await {
        Ok(response) => response,
        Err(error) => Problem(error).into_response(),
    }
}

async fn keyed(app: &App, request: Request, next: Next) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let key = parse_key(parts.headers.get(&KEY))?;
    let (tenant, actor) = match grant(&mut parts, app).await? {
        Grant::SecretKey {
            workspace, api_key, ..
        } => (app.issuer().tenant(workspace), api_key.to_string()),
        Grant::Person {
            user,
            member_of: Some((workspace, _)),
            ..
        } => (app.issuer().tenant(workspace), user.to_string()),
        // Keys are remembered in a workspace; without one the request runs as if it had no key.
        _ => return Ok(next.run(Request::from_parts(parts, body)).await),
    };
    let bytes = to_bytes(body, app.limits().body_bytes).await.map_err(|_| {
        Error::new(
            ErrorCode::PayloadTooLarge,
            "The body is larger than this endpoint accepts.",
        )
    })?;
    let taken = Taken {
        tenant,
        actor,
        key,
        fingerprint: fingerprint(&parts, &bytes),
    };
    if let Some(replay) = take(app, &taken).await? {
        return Ok(replay);
    }
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    keep(app, &taken, response).await
}

/// What makes two requests the same one: also our own headers, which say what the request is about.
fn fingerprint(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut add = |part: &[u8]| {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    };
    add(parts.method.as_str().as_bytes());
    add(parts.uri.to_string().as_bytes());
    add(body);
    let mut ours: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| name.starts_with(OWN_HEADERS))
        .collect();
    ours.sort_unstable();
    for (name, value) in ours {
        add(name.as_bytes());
        add(value);
    }
    hasher.finalize().into()
}

fn parse_key(value: Option<&HeaderValue>) -> Result<String> {
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The draft makes it a structured-field string, in quotes; most clients send it bare.
    let text = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    if text.is_empty() || text.len() > MAX_KEY_CHARS {
        return Err(Error::invalid(
            "Idempotency-Key",
            format!("must have 1 to {MAX_KEY_CHARS} ASCII characters"),
        ));
    }
    Ok(text.to_owned())
}

const TAKE: &str =
    "INSERT INTO idempotency_keys (workspace_id, actor, idempotency_key, fingerprint, created_at)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace_id, actor, idempotency_key) DO NOTHING";
const FORGET_OLD: &str = "DELETE FROM idempotency_keys
    WHERE workspace_id = $1 AND actor = $2 AND idempotency_key = $3 AND created_at < $4";
const FIND: &str = "SELECT fingerprint, status, content_type, body FROM idempotency_keys
    WHERE workspace_id = $1 AND actor = $2 AND idempotency_key = $3";
const STORE: &str = "UPDATE idempotency_keys SET status = $4, content_type = $5, body = $6
    WHERE workspace_id = $1 AND actor = $2 AND idempotency_key = $3";
const FREE: &str =
    "DELETE FROM idempotency_keys WHERE workspace_id = $1 AND actor = $2 AND idempotency_key = $3";

/// Takes the key, or gives the answer that is stored under it.
async fn take(app: &App, taken: &Taken) -> Result<Option<Response>> {
    let now = app.now();
    let found = app
        .db()
        .of(taken.tenant)
        .write(|mut tx| async move {
            let (workspace, actor, key) = (tx.workspace(), &taken.actor, &taken.key);
            tx.execute(FORGET_OLD, params![workspace, actor, key, now - RETENTION])
                .await?;
            let new = tx
                .execute(TAKE, params![workspace, actor, key, taken.fingerprint, now])
                .await?;
            if new == 1 {
                Ok(None)
            } else {
                tx.fetch_optional(FIND, params![workspace, actor, key]).await
            }
        })
        .await?;
    found.map(|row| replay(app, taken, &row)).transpose()
}

fn replay(app: &App, taken: &Taken, row: &Row) -> Result<Response> {
    if row.get::<Vec<u8>>("fingerprint")? != taken.fingerprint {
        return Err(Error::new(
            ErrorCode::IdempotencyKeyReused,
            "This Idempotency-Key was used with another request. Make a new key for a new request.",
        ));
    }
    let Some(status) = row.get::<Option<i64>>("status")? else {
        return Err(Error::new(
            ErrorCode::IdempotencyKeyInUse,
            "A request with this Idempotency-Key is under way, or broke off. Look whether it took effect before you \
             send it under a new key.",
        ));
    };
    let sealed = row.get::<Option<Vec<u8>>>("body")?.unwrap_or_default();
    let body = app.sealer().open_answer(taken.tenant, &taken.key, &sealed)?;
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), body).into_response();
    let content_type = row.get::<Option<String>>("content_type")?.unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// Stores an answer that is final; frees the key after one that asks for another try. After an outcome that nobody knows the
/// key stays taken: the request may have taken effect.
async fn keep(app: &App, taken: &Taken, response: Response) -> Result<Response> {
    let reported = response.extensions().get::<Reported>();
    if reported.is_some_and(|Reported(error)| error.is(ErrorCode::OutcomeUnknown)) {
        return Ok(response);
    }
    // A problem is written by the pipeline later, and its cause may have passed when the request is sent again.
    if !response.status().is_success() {
        app.db()
            .of(taken.tenant)
            .write(|mut tx| async move {
                tx.execute(FREE, params![tx.workspace(), &taken.actor, &taken.key])
                    .await
            })
            .await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_ANSWER_BYTES).await.map_err(Error::internal)?;
    let sealed = app.sealer().seal_answer(taken.tenant, &taken.key, &bytes)?;
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let (sealed, content_type, status) = (&sealed, &content_type, i64::from(parts.status.as_u16()));
    app.db()
        .of(taken.tenant)
        .write(|mut tx| async move {
            let params = params![
                tx.workspace(),
                &taken.actor,
                &taken.key,
                status,
                *content_type,
                sealed.as_slice()
            ];
            tx.execute(STORE, params).await
        })
        .await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Deletes the keys that are older than [`RETENTION`].
pub(crate) async fn forget_old(app: &App, now: Timestamp) -> Result<u64> {
    const FORGET: &str = "DELETE FROM idempotency_keys WHERE created_at < $1";
    let before = now - RETENTION;
    app.db()
        .of(app.issuer().system(storage::Reason::Jobs))
        .write_locked(|mut tx| async move { tx.execute(FORGET, params![before]).await })
        .await
}
