//! Sessions: a browser that has signed in. The token is in its cookie and nowhere else; the database has its hash. A
//! session ends when it is revoked, when it is not used for [`IDLE`], and at the latest after [`ABSOLUTE`]; it is looked
//! up for every request, so its end holds at once and on every node.

mod authenticator;
mod http;
pub(crate) mod store;

use std::time::Duration;

use ::http::HeaderValue;
use runtime::audit::NewEntry;
use runtime::authenticate::SESSION_COOKIE;
use runtime::crypto::{OpaqueToken, TokenUse};
use runtime::{Actor, App, UserCaller};
use serde::{Deserialize, Serialize};
use storage::{Scope, Tx};
use types::id::SessionId;
use types::{Error, Page, PageRequest, Result, Timestamp};
use utoipa::ToSchema;
use zeroize::Zeroizing;

pub use self::authenticator::SessionAuthenticator;
pub(crate) use self::http::routes;

use crate::client::Client;
use crate::realms;
use crate::users::User;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A session that is not used for so long ends.
pub const IDLE: Duration = Duration::from_secs(14 * DAY.as_secs());
/// A session ends after this however often it is used.
pub const ABSOLUTE: Duration = Duration::from_secs(90 * DAY.as_secs());

/// A browser that has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub id: SessionId,
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// The latest end, however often it is used.
    pub expires_at: Timestamp,
    /// The address it was started from.
    pub address: String,
    /// What the browser called itself when it signed in.
    pub user_agent: Option<String>,
}

/// A session that was just started, with the only copy of its token.
pub struct NewSession {
    pub token: Zeroizing<String>,
    pub session: Session,
    pub user: User,
}

impl NewSession {
    /// The `Set-Cookie` that gives the browser its session.
    ///
    /// # Errors
    /// Internal, never seen: a token is made of letters that a header may have.
    pub fn cookie(&self) -> Result<HeaderValue> {
        let (token, max_age) = (self.token.as_str(), ABSOLUTE.as_secs());
        let text =
            format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={max_age}; Secure; HttpOnly; SameSite=Lax");
        let mut value = HeaderValue::from_str(&text).map_err(Error::internal)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The `Set-Cookie` that takes the session away from a browser.
pub fn cleared_cookie() -> HeaderValue {
    HeaderValue::from_static("__Host-session=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}

/// Makes a token, outside the transaction that may run twice.
pub(crate) fn new_token() -> Result<OpaqueToken> {
    OpaqueToken::generate().map_err(Error::internal)
}

/// Starts a session in the transaction that has established who it is, and ends the one that the browser had.
pub(crate) async fn start<S: Scope>(
    tx: &mut Tx<S>,
    user: &User,
    token: &OpaqueToken,
    client: &Client,
    now: Timestamp,
) -> Result<Session> {
    if let Some(replaced) = client.session() {
        store::revoke_token(tx, replaced, now).await?;
    }
    let session = Session {
        id: SessionId::generate(),
        created_at: now,
        seen_at: now,
        expires_at: now + ABSOLUTE,
        address: client.address.to_string(),
        user_agent: client.user_agent.clone(),
    };
    store::insert(tx, user, &session, &token.hash(TokenUse::Session)).await?;
    Ok(session)
}

/// The caller's running sessions, newest first.
pub async fn list(app: &App, caller: &UserCaller, page: &PageRequest) -> Result<Page<Session>> {
    let now = app.now();
    app.db()
        .of(caller.person())
        .read(|mut tx| async move { store::list(&mut tx, page, now).await })
        .await
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// `not_found`, when it is not theirs or has ended.
pub async fn revoke(app: &App, caller: &UserCaller, session: SessionId) -> Result<()> {
    let now = app.now();
    app.db()
        .of(caller.person())
        .write(|mut tx| async move {
            if !store::revoke(&mut tx, session, now).await? {
                return Err(Error::not_found("session"));
            }
            let entry = NewEntry::new("session.revoke", "session", session);
            record(&mut tx, caller, entry, now).await
        })
        .await
}

/// Ends every session of the caller but the one they use. The number of sessions that ended.
pub async fn revoke_others(app: &App, caller: &UserCaller) -> Result<u64> {
    let now = app.now();
    app.db()
        .of(caller.person())
        .write(|mut tx| async move {
            let ended = store::revoke_others(&mut tx, caller.session(), now).await?;
            let entry =
                NewEntry::new("session.revoke_others", "user", caller.user()).with_detail("sessions", ended);
            record(&mut tx, caller, entry, now).await?;
            Ok(ended)
        })
        .await
}

async fn record<S: Scope>(
    tx: &mut Tx<S>,
    caller: &UserCaller,
    entry: NewEntry,
    now: Timestamp,
) -> Result<()> {
    let actor = Actor::User(caller.user());
    realms::record(tx, caller.realm(), actor, caller.request(), entry, now).await
}
