//! Making a key's secret, and knowing it again.

use runtime::App;
use runtime::crypto::{Credential, CredentialKind, purpose};
use types::id::ApiKeyId;
use types::{Error, Mode, Result};

use super::ApiKeyKind;
use crate::credentials::StoredSecret;

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

/// Whether the credential is the one that was stored.
pub(super) fn matches(app: &App, presented: &Credential, stored: &StoredSecret) -> bool {
    if stored.pepper == app.root_keys().current().id() {
        // Every request comes this way: the pepper is at hand.
        return presented.verify(&stored.hash, app.api_key_pepper());
    }
    stored.matches(app, purpose::API_KEY_PEPPER, |hash, pepper| {
        presented.verify(hash, pepper)
    })
}
