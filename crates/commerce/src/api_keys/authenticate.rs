//! From `Authorization: Bearer sk_…` to a grant.

use std::sync::Arc;

use async_trait::async_trait;
use runtime::App;
use runtime::authenticate::{Authenticator, Credential, Grant};
use runtime::crypto::Credential as MachineCredential;
use storage::Reason;
use types::id::WorkspaceId;
use types::{Error, ErrorCode, Result, Timestamp};

use super::store::Found;
use super::{ApiKeyKind, ApiKeyStatus, Known, Uses, secret, store};

/// Recognises `sk_` and `pk_` keys.
pub(super) struct KeyAuthenticator {
    known: Arc<Known>,
    uses: Arc<Uses>,
}

impl KeyAuthenticator {
    pub(super) fn new(known: Arc<Known>, uses: Arc<Uses>) -> Self {
        KeyAuthenticator { known, uses }
    }

    /// The key whose secret this is.
    async fn verify(&self, app: &App, presented: &MachineCredential) -> Result<Arc<Found>> {
        let id = presented.id();
        if let Some(known) = self.known.find(id) {
            return if secret::matches(app, presented, &known.secret) {
                Ok(known)
            } else {
                Err(unknown())
            };
        }
        let moment = self.known.moment();
        let found = app
            .db()
            .of(app.issuer().system(Reason::Authentication))
            .read(|mut tx| async move { store::look_up(&mut tx, id).await })
            .await?
            .filter(|found| secret::matches(app, presented, &found.secret))
            .ok_or_else(unknown)?;
        self.uses
            .note(id, found.workspace, found.key.last_used_at, app.now());
        Ok(self.known.remember(found, moment))
    }
}

#[async_trait]
impl Authenticator for KeyAuthenticator {
    fn accepts(&self, credential: &Credential) -> bool {
        matches!(credential, Credential::Bearer(text) if text.starts_with("sk_") || text.starts_with("pk_"))
    }

    async fn authenticate(
        &self,
        app: &App,
        credential: &Credential,
        workspace: Option<WorkspaceId>,
    ) -> Result<Grant> {
        let Credential::Bearer(text) = credential else {
            return Err(unknown());
        };
        let presented = MachineCredential::parse(text).map_err(|error| {
            Error::new(
                ErrorCode::Unauthenticated,
                format!("{}.", capitalized(&error.to_string())),
            )
        })?;
        let known = self.verify(app, &presented).await?;
        check_usable(&known, app.now())?;
        if workspace.is_some_and(|named| named != known.workspace) {
            return Err(Error::not_found("workspace"));
        }
        grant(&known)
    }
}

/// The same answer for a key that never was and for a wrong secret.
fn unknown() -> Error {
    Error::new(
        ErrorCode::Unauthenticated,
        "There is no such API key. Copy it again from where you keep it, or make a new one.",
    )
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn check_usable(found: &Found, now: Timestamp) -> Result<()> {
    match found.key.status(now) {
        ApiKeyStatus::Revoked => Err(Error::new(
            ErrorCode::ApiKeyRevoked,
            "This API key was revoked. Make a new one.",
        )),
        ApiKeyStatus::Expired => Err(Error::new(
            ErrorCode::ApiKeyExpired,
            match found.key.rotated_to {
                Some(new) => format!("This API key was rotated and has expired; {new} takes its place."),
                None => "This API key has expired. Make a new one.".to_owned(),
            },
        )),
        ApiKeyStatus::Active if found.platform_archived => Err(Error::new(
            ErrorCode::ApiKeyRevoked,
            "The platform of this API key is archived, and its keys with it.",
        )),
        ApiKeyStatus::Active => Ok(()),
    }
}

fn grant(found: &Found) -> Result<Grant> {
    let (workspace, key) = (found.workspace, &found.key);
    match (key.kind, key.platform) {
        (ApiKeyKind::Secret, platform) => Ok(Grant::SecretKey {
            workspace,
            api_key: key.id,
            scopes: key.permissions(),
            platform,
            mode: key.mode,
        }),
        (ApiKeyKind::Publishable, Some(platform)) => Ok(Grant::PublishableKey {
            workspace,
            api_key: key.id,
            platform,
            mode: key.mode,
        }),
        (ApiKeyKind::Publishable, None) => Err(Error::internal("a publishable key without a platform")),
    }
}
