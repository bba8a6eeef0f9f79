//! Making a key's secret, and knowing it again.

use runtime::App;
use runtime::crypto::{Credential, CredentialKind, purpose};
use types::id::{ApiKeyId, SealingKeyId};
use types::{Error, Mode, Result};

use super::ApiKeyKind;

/// What is kept of a secret.
#[derive(Debug, Clone)]
pub(super) struct StoredSecret {
    /// HMAC of the credential.
    pub hash: Vec<u8>,
    /// The root key whose pepper it was made with.
    pub pepper: SealingKeyId,
}

/// A secret that was just made.
pub(super) struct Minted {
    pub id: ApiKeyId,
    pub hint: String,
    pub stored: StoredSecret,
    /// The credential, on its way to the one answer that shows it.
    pub text: String,
}

pub(super) fn mint(app: &App, kind: ApiKeyKind, mode: Mode) -> Result<Minted> {
    let kind = match kind {
        ApiKeyKind::Secret => CredentialKind::Secret,
        ApiKeyKind::Publishable => CredentialKind::Publishable,
    };
    let (credential, text) = Credential::generate(kind, mode).map_err(Error::internal)?;
    Ok(Minted {
        id: credential.id(),
        hint: credential.display_hint(),
        stored: StoredSecret {
            hash: credential.hash(app.api_key_pepper()).to_vec(),
            pepper: app.root_keys().current().id(),
        },
        text: text.as_str().to_owned(),
    })
}

/// Whether the credential is the one that was stored. Also false when the operator has dropped the root key that it was
/// hashed under: nobody can tell any more.
pub(super) fn matches(app: &App, presented: &Credential, stored: &StoredSecret) -> bool {
    if stored.pepper == app.root_keys().current().id() {
        return presented.verify(&stored.hash, app.api_key_pepper());
    }
    match app.root_keys().find(stored.pepper) {
        Some(retired) => presented.verify(&stored.hash, &retired.derive(purpose::API_KEY_PEPPER)),
        None => {
            tracing::warn!(api_key = %presented.id(), root_key = %stored.pepper, "an API key needs a root key that this server was not given");
            false
        }
    }
}
