//! The cryptography the house is built on: pure functions over bytes and keys, without a database.

pub mod derived_key;
pub mod random;
pub mod root_key;
pub mod root_key_file;
pub mod sealing;

pub use derived_key::DerivedKey;
pub use random::{RandomError, random_bytes};
pub use root_key::{RootKey, RootKeys, purpose};
pub use root_key_file::ROOT_KEY_FILE;
pub use sealing::{DataKey, KeyOwner, OpenError, Place, SealError, SealedBytes, WrappedKey};
