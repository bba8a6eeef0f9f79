//! # Cryptography
//!
//! Pure functions over keys and bytes: no database, no HTTP, no clock. Whoever stores or sends the results decides when.
//!
//! | want | use |
//! |---|---|
//! | the operator's secret, and keys derived from it | [`RootKey::load_or_create`], [`RootKeys`], [`RootKey::derive`] with a [`purpose`] |
//! | a value unreadable in the database and in backups | [`DataKey::seal`] with its [`Place`]; the key wrapped for its [`KeyOwner`] |
//! | a key that a seller issues to a customer | [`IssuedKey::generate`], [`IssuedKey::parse`], [`IssuedKey::verify`] |
//! | an API key, or any other credential of a machine | [`Credential::generate`], [`Credential::parse`], [`Credential::verify`] |
//! | a password | [`PasswordHasher`] and [`PasswordPolicy`] |
//! | a session, a link in a mail, a form that is ours | [`OpaqueToken`], [`csrf_token`] |
//! | a history that nobody can rewrite | [`canonical_json()`], [`chain_hash`], [`KeyPair`] |
//!
//! Secrets come from the operating system's generator alone, are wiped when dropped, are compared in constant time, and
//! have a `Debug` that shows ids only. Nothing panics on any input; what fails says which of the possible reasons it was.
//!
//! Every stored format carries a version, and every MAC, hash and derived key a label, so that a value made for one use
//! means nothing in another. The formats are fixed by test vectors that were computed by other implementations: a change
//! that breaks one would void what people have stored, so it needs a new version beside the old.
//!
//! **The root key.** Losing it loses everything sealed and every API key; it is in no backup. To rotate, the new key is
//! given as the current one and the old one as retired: new things are made with the current key, a workspace's key is
//! wrapped again when it is next used ([`RootKeys::needs_rewrap`]), and the retired key can go when no wrapped key, no sealed
//! value and no key's pepper names its id.
//!
//! What is deliberately not here: encryption of users' own content end to end (`sync`), TLS, JWTs, webhook signatures,
//! and any way to seal without saying where the value is stored.

mod base62;
pub mod canonical_json;
pub mod credential;
pub mod derived_key;
pub mod issued;
mod key_body;
pub mod password;
pub mod random;
pub mod root_key;
pub mod root_key_file;
pub mod sealing;
pub mod signing;
pub mod token;

pub use canonical_json::{CanonicalJsonError, canonical_json};
pub use credential::{Credential, CredentialError, CredentialKind};
pub use derived_key::DerivedKey;
pub use issued::IssuedKey;
pub use password::{
    PasswordContext, PasswordError, PasswordHasher, PasswordPolicy, PasswordRejection, Verification,
};
pub use random::{RandomError, random_bytes};
pub use root_key::{RootKey, RootKeys, purpose};
pub use root_key_file::{ROOT_KEY_FILE, RootKeyFileError};
pub use sealing::{DataKey, KeyOwner, OpenError, Place, SealError, SealedBytes, WrappedKey};
pub use signing::{CHAIN_START, KeyPair, PublicKey, Signature, chain_hash};
pub use token::{OpaqueToken, TokenHash, TokenUse, csrf_token, csrf_token_matches};
