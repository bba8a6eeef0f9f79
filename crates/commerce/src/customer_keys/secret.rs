//! Making a key's secret, and knowing it again.

use runtime::App;
use runtime::crypto::{IssuedKey, purpose};
use types::id::CustomerKeyId;
use types::{Error, Result};

use crate::credentials::StoredSecret;

/// A secret that was just made.
pub(super) struct Minted {
    pub(super) fresh: Fresh,
    /// The key, on its way to the one answer that shows it.
    pub(super) text: String,
}

/// What is stored of it.
pub(super) struct Fresh {
    pub(super) id: CustomerKeyId,
    pub(super) hint: String,
    pub(super) stored: StoredSecret,
}

pub(super) fn mint(app: &App, prefix: &str) -> Result<Minted> {
    let (key, text) = IssuedKey::generate(prefix).map_err(Error::internal)?;
    let root = app.root_keys().current();
    Ok(Minted {
        fresh: Fresh {
            id: key.id(),
            hint: key.hint(),
            stored: StoredSecret {
                hash: key.hash(&root.derive(purpose::CUSTOMER_KEY_PEPPER)).to_vec(),
                pepper: root.id(),
            },
        },
        text: text.as_str().to_owned(),
    })
}

/// Whether the key is the one that was stored.
pub(super) fn matches(app: &App, presented: &IssuedKey, stored: &StoredSecret) -> bool {
    stored.matches(app, purpose::CUSTOMER_KEY_PEPPER, |hash, pepper| {
        presented.verify(hash, pepper)
    })
}
