//! The cryptography the house is built on: pure functions over bytes and keys, without a database.

mod base62;
pub mod canonical_json;
pub mod credential;
pub mod derived_key;
pub mod random;
pub mod root_key;
pub mod root_key_file;
pub mod sealing;
pub mod signing;
pub mod token;

pub use canonical_json::{CanonicalJsonError, canonical_json};
pub use credential::{Credential, CredentialError, CredentialKind};
pub use derived_key::DerivedKey;
pub use random::{RandomError, random_bytes};
pub use root_key::{RootKey, RootKeys, purpose};
pub use root_key_file::{ROOT_KEY_FILE, RootKeyFileError};
pub use sealing::{DataKey, KeyOwner, OpenError, Place, SealError, SealedBytes, WrappedKey};
pub use signing::{CHAIN_START, KeyPair, PublicKey, Signature, chain_hash};
pub use token::{OpaqueToken, TokenHash, TokenUse, csrf_token, csrf_token_matches};
