//! Sealing: XChaCha20-Poly1305 over a value, bound to the place it is stored at.
//!
//! ```text
//! 0x01 ‖ key id (16) ‖ nonce (24) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! The associated data is the label, the first 17 bytes, and the place: table, workspace, row and column, each behind
//! its length (u64, big-endian). A sealed value that is copied to another row, column or workspace does not open.
//!
//! Keys form a tree: the root key wraps a workspace's key, which wraps the keys of the people in it. To wrap is to seal
//! with other associated data: another label, the first 17 bytes, the wrapped key's id, the owner's kind (`workspace` or
//! `subject`), the workspace, and the subject if there is one, framed alike. Destroying a wrapped subject key erases what was sealed
//! with it, everywhere, backups included.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use types::id::{SealingKeyId, WorkspaceId};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};
use super::root_key::RootKeys;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 17;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// How many bytes a sealed value is longer than the plain one.
pub const SEALED_OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

const SEAL_LABEL: &str = "plinth/seal/v1";
const WRAP_LABEL: &str = "plinth/wrap/v1";

/// Where a sealed value is stored. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub table: &'a str,
    /// None for a row of a table that belongs to no workspace.
    pub workspace: Option<WorkspaceId>,
    /// The row's key: an id's 16 bytes, or a text key's UTF-8.
    pub row: &'a [u8],
    pub column: &'a str,
}

impl Place<'_> {
    fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let workspace = self.workspace.map(|id| id.uuid().into_bytes());
        let workspace = workspace.as_ref().map_or(&[][..], |bytes| &bytes[..]);
        frame(&[
            SEAL_LABEL.as_bytes(),
            header,
            self.table.as_bytes(),
            workspace,
            self.row,
            self.column.as_bytes(),
        ])
    }
}

/// Whose data a key seals. A wrapped key unwraps only for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    Workspace(WorkspaceId),
    /// A person within a workspace: the key that erasure destroys.
    Subject {
        workspace: WorkspaceId,
        subject: Uuid,
    },
}

impl KeyOwner {
    fn associated_data(&self, header: &[u8], key: SealingKeyId) -> Vec<u8> {
        let (kind, workspace, subject) = match self {
            KeyOwner::Workspace(workspace) => ("workspace", workspace, None),
            KeyOwner::Subject { workspace, subject } => ("subject", workspace, Some(subject.into_bytes())),
        };
        frame(&[
            WRAP_LABEL.as_bytes(),
            header,
            key.uuid().as_bytes(),
            kind.as_bytes(),
            workspace.uuid().as_bytes(),
            subject.as_ref().map_or(&[][..], |bytes| &bytes[..]),
        ])
    }
}

/// Each part behind its length, so that no two lists of parts give the same bytes.
fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
    for part in parts {
        framed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        framed.extend_from_slice(part);
    }
    framed
}

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("the value is larger than the cipher's limit of 256 GiB")]
    TooLarge,
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the sealed value is {length} bytes long, shorter than an empty one: it was cut off")]
    Truncated { length: usize },
    #[error("the sealed value has format {found}; this server reads format 1: it was sealed by a newer one")]
    UnknownVersion { found: u8 },
    #[error("the value was sealed with key {found}, not with the one at hand")]
    WrongKey { found: SealingKeyId },
    #[error("the value was changed after it was sealed, or moved from another row, column or workspace")]
    Tampered,
}

impl From<SealError> for types::Error {
    fn from(error: SealError) -> Self {
        types::Error::internal(error)
    }
}

impl From<OpenError> for types::Error {
    fn from(error: OpenError) -> Self {
        types::Error::internal(error)
    }
}

/// A sealed value as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBytes(Vec<u8>);

impl SealedBytes {
    /// Takes bytes from the database. Says at once when they are cut off or of a newer format.
    pub fn from_vec(bytes: Vec<u8>) -> Result<Self, OpenError> {
        match bytes.first() {
            Some(&found) if found != VERSION => Err(OpenError::UnknownVersion { found }),
            _ if bytes.len() < SEALED_OVERHEAD_BYTES => Err(OpenError::Truncated { length: bytes.len() }),
            _ => Ok(SealedBytes(bytes)),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// Which key opens it.
    pub fn key_id(&self) -> SealingKeyId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[1..HEADER_BYTES]);
        SealingKeyId::from_uuid(Uuid::from_bytes(id))
    }
}

impl fmt::Debug for SealedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedBytes({} bytes, key {})", self.0.len(), self.key_id())
    }
}

/// A key, sealed with the key above it in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The id of the key inside.
    pub id: SealingKeyId,
    pub sealed: SealedBytes,
}

/// A key that seals values and wraps the keys below it. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct DataKey {
    id: SealingKeyId,
    secret: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// A new key for a workspace or a person.
    pub fn generate() -> Result<Self, RandomError> {
        Ok(DataKey::from_parts(SealingKeyId::generate(), random_bytes()?))
    }

    pub(super) fn from_parts(id: SealingKeyId, secret: Zeroizing<[u8; 32]>) -> Self {
        DataKey { id, secret }
    }

    pub fn id(&self) -> SealingKeyId {
        self.id
    }

    /// Seals `plain` for one place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<SealedBytes, SealError> {
        self.encrypt(plain, |header| place.associated_data(header))
    }

    /// Opens what [`DataKey::seal`] sealed for the same place.
    pub fn open(&self, place: &Place<'_>, sealed: &SealedBytes) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.decrypt(sealed, |header| place.associated_data(header))
    }

    /// Seals `key` so that only its owner's row can hold it.
    pub fn wrap(&self, key: &DataKey, owner: &KeyOwner) -> Result<WrappedKey, SealError> {
        let sealed = self.encrypt(key.secret.as_slice(), |header| {
            owner.associated_data(header, key.id)
        })?;
        Ok(WrappedKey { id: key.id, sealed })
    }

    /// Opens what [`DataKey::wrap`] sealed for the same owner.
    pub fn unwrap(&self, wrapped: &WrappedKey, owner: &KeyOwner) -> Result<DataKey, OpenError> {
        let plain = self.decrypt(&wrapped.sealed, |header| {
            owner.associated_data(header, wrapped.id)
        })?;
        let mut secret = Zeroizing::new([0; 32]);
        if plain.len() != secret.len() {
            return Err(OpenError::Tampered);
        }
        secret.copy_from_slice(&plain);
        Ok(DataKey::from_parts(wrapped.id, secret))
    }

    fn encrypt(&self, plain: &[u8], aad: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<SealedBytes, SealError> {
        let nonce = random_bytes::<NONCE_BYTES>()?;
        let mut sealed = Vec::with_capacity(SEALED_OVERHEAD_BYTES + plain.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(self.id.uuid().as_bytes());
        let aad = aad(&sealed);
        sealed.extend_from_slice(nonce.as_slice());
        let ciphertext = self
            .cipher()
            .encrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: plain,
                    aad: &aad,
                },
            )
            .map_err(|_| SealError::TooLarge)?;
        sealed.extend_from_slice(&ciphertext);
        Ok(SealedBytes(sealed))
    }

    fn decrypt(
        &self,
        sealed: &SealedBytes,
        aad: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.key_id() != self.id {
            return Err(OpenError::WrongKey {
                found: sealed.key_id(),
            });
        }
        let (header, rest) = sealed.0.split_at(HEADER_BYTES);
        let (nonce, ciphertext) = rest.split_at(NONCE_BYTES);
        let nonce = XNonce::try_from(nonce).map_err(|_| OpenError::Truncated {
            length: sealed.0.len(),
        })?;
        let payload = Payload {
            msg: ciphertext,
            aad: &aad(header),
        };
        let plain = self.cipher().decrypt(&nonce, payload);
        plain.map(Zeroizing::new).map_err(|_| OpenError::Tampered)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.secret).into())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, redacted)", self.id)
    }
}

impl RootKeys {
    /// Wraps a workspace's key with the current root key.
    pub fn wrap(&self, key: &DataKey, owner: &KeyOwner) -> Result<WrappedKey, SealError> {
        self.current().sealing_key().wrap(key, owner)
    }

    /// Unwraps with whichever known root key wrapped it.
    pub fn unwrap(&self, wrapped: &WrappedKey, owner: &KeyOwner) -> Result<DataKey, OpenError> {
        let found = wrapped.sealed.key_id();
        let root = self.find(found).ok_or(OpenError::WrongKey { found })?;
        root.sealing_key().unwrap(wrapped, owner)
    }

    /// Whether a retired root key wrapped it: unwrap it, wrap it again, and the retired key can go.
    pub fn needs_rewrap(&self, wrapped: &WrappedKey) -> bool {
        wrapped.sealed.key_id() != self.current().id()
    }
}

#[cfg(test)]
#[path = "sealing_tests.rs"]
mod tests;
