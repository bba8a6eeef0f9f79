//! What is kept of a key's secret.

use runtime::App;
use runtime::crypto::DerivedKey;
use types::id::SealingKeyId;

/// What is kept of a secret.
#[derive(Debug, Clone)]
pub(crate) struct StoredSecret {
    /// HMAC of the key.
    pub(crate) hash: Vec<u8>,
    /// The root key whose pepper it was made with.
    pub(crate) pepper: SealingKeyId,
}

impl StoredSecret {
    /// Whether a key is the one that was stored, as `verify` finds with the hash and the pepper it was made with. Also false
    /// when the operator has dropped the root key that it was hashed under: nobody can tell any more.
    pub(crate) fn matches(
        &self,
        app: &App,
        purpose: &str,
        verify: impl FnOnce(&[u8], &DerivedKey) -> bool,
    ) -> bool {
        match app.root_keys().find(self.pepper) {
            Some(root) => verify(&self.hash, &root.derive(purpose)),
            None => {
                tracing::warn!(root_key = %self.pepper, "a key was shown that needs a root key that this server was not given");
                false
            }
        }
    }
}
