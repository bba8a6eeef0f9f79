//! Sealing what must not be readable in the database.

use storage::Tenant;
use types::{Error, Result};

use crate::crypto::{Place, RootKeys, SealedBytes};

/// Seals and opens under the root key. What belongs to a person is sealed under a key of theirs instead.
pub struct Sealer {
    root_keys: RootKeys,
}

impl Sealer {
    pub(crate) fn new(root_keys: RootKeys) -> Self {
        Sealer { root_keys }
    }

    /// Seals a value for the one place it is stored at.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        let sealed = self.root_keys.current().sealing_key().seal(place, plain)?;
        Ok(sealed.into_vec())
    }

    /// Opens what [`Sealer::seal`] made, also under a retired root key.
    ///
    /// # Errors
    /// Internal, when the value was changed, moved, or sealed under a key that is not known any more.
    pub fn open(&self, place: &Place<'_>, sealed: Vec<u8>) -> Result<Vec<u8>> {
        let sealed = SealedBytes::from_vec(sealed)?;
        let root = self
            .root_keys
            .iter()
            .find(|root| root.sealing_key().id() == sealed.key_id());
        let root =
            root.ok_or_else(|| Error::internal("sealed under a root key that this server does not have"))?;
        Ok(root.sealing_key().open(place, &sealed)?.to_vec())
    }

    /// Seals an answer that is kept to be replayed: it may hold a secret that is shown once.
    pub(crate) fn seal_answer(&self, tenant: Tenant, key: &str, answer: &[u8]) -> Result<Vec<u8>> {
        self.seal(&answer_place(tenant, key), answer)
    }

    pub(crate) fn open_answer(&self, tenant: Tenant, key: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        self.open(&answer_place(tenant, key), sealed.to_vec())
    }
}

fn answer_place<'a>(tenant: Tenant, key: &'a str) -> Place<'a> {
    Place {
        table: "idempotency_keys",
        workspace: Some(tenant.id()),
        row: key.as_bytes(),
        column: "body",
    }
}
