//! From the session cookie to a grant.

use std::time::Duration;

use async_trait::async_trait;
use runtime::App;
use runtime::authenticate::{Authenticator, Credential, Grant};
use runtime::crypto::{OpaqueToken, TokenHash, TokenUse};
use storage::Reason;
use types::id::WorkspaceId;
use types::{Error, ErrorCode, Result};

use super::store;

/// How exact `seen_at` is: one write a minute for a session in use.
const SEEN: Duration = Duration::from_secs(60);

/// Knows session cookies. It asks the database every time and keeps nothing, so that a revoked session, a suspended user
/// and a removed member are refused by their very next request, on every node.
pub struct SessionAuthenticator;

#[async_trait]
impl Authenticator for SessionAuthenticator {
    fn accepts(&self, credential: &Credential) -> bool {
        matches!(credential, Credential::Session(_))
    }

    async fn authenticate(
        &self,
        app: &App,
        credential: &Credential,
        workspace: Option<WorkspaceId>,
    ) -> Result<Grant> {
        let Credential::Session(text) = credential else {
            return Err(ended());
        };
        let token = OpaqueToken::parse(text)
            .ok_or_else(ended)?
            .hash(TokenUse::Session);
        let (token, now) = (&token, app.now());
        let found = app
            .db()
            .of(app.issuer().system(Reason::Authentication))
            .read(|mut tx| async move { store::find(&mut tx, token, workspace, now).await })
            .await?
            .ok_or_else(ended)?;
        if now.since(found.seen_at) >= SEEN {
            touch(app, token).await;
        }
        Ok(Grant::Person {
            realm: found.realm,
            user: found.user,
            session: found.session,
            member_of: workspace.zip(found.role.map(|role| role.permissions())),
        })
    }
}

/// Notes that the session is in use. When that cannot be written, such as on a full disk, what only reads still works.
async fn touch(app: &App, token: &TokenHash) {
    let now = app.now();
    let touched = app
        .db()
        .of(app.issuer().system(Reason::Authentication))
        .write_locked(|mut tx| async move { store::touch(&mut tx, token, now).await })
        .await;
    if let Err(error) = touched {
        tracing::warn!(?error, "a session's last use could not be noted");
    }
}

fn ended() -> Error {
    Error::new(ErrorCode::SessionExpired, "The session has ended. Sign in again.")
}
