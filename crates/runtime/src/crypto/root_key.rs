//! The root key: 32 bytes that everything sealed and every pepper comes from. It lives in a file beside the data or in
//! the environment, and never in a backup: a stolen backup opens nothing, and a lost root key loses what was sealed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use sha2::Sha256;
use types::id::SealingKeyId;
use uuid::Builder;
use zeroize::Zeroizing;

use super::derived_key::DerivedKey;
use super::random::{RandomError, random_bytes};
use super::sealing::DataKey;

/// What a derived key is for. Labels are part of every value made with the key: they are never changed or reused.
pub mod purpose {
    pub const API_KEY_PEPPER: &str = "api-key-pepper";
    pub const CUSTOMER_KEY_PEPPER: &str = "customer-key-pepper";
    pub const CSRF: &str = "csrf";
    pub const CURSOR: &str = "cursor";
    pub const AUDIT: &str = "audit";
}

const SALT: &[u8] = b"plinth/root-key/v1";
const KEY_ID: &str = "key-id";
const SEALING: &str = "sealing";

/// The operator's secret. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct RootKey {
    id: SealingKeyId,
    secret: Zeroizing<[u8; 32]>,
}

/// The text is no root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootKeyTextError {
    #[error("expected 32 bytes as base64 (44 characters) or hex (64 characters)")]
    NotAKey,
    #[error(
        "all 32 bytes are the same: that is a placeholder, not a secret; `openssl rand -base64 32` makes one"
    )]
    Placeholder,
}

impl RootKey {
    /// A new root key from the operating system's generator.
    pub fn generate() -> Result<Self, RandomError> {
        random_bytes().map(Self::from_secret)
    }

    /// Reads base64 (either alphabet, padded or not) or hex, as a file or `PLINTH_ROOT_KEY` holds it; white space
    /// around it is ignored.
    pub fn from_text(text: &str) -> Result<Self, RootKeyTextError> {
        let secret = decode(text.trim()).ok_or(RootKeyTextError::NotAKey)?;
        if secret.iter().all(|byte| *byte == secret[0]) {
            return Err(RootKeyTextError::Placeholder);
        }
        Ok(Self::from_secret(secret))
    }

    /// The key as base64, to be written to a file that only its owner reads.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.secret.as_slice()))
    }

    fn from_secret(secret: Zeroizing<[u8; 32]>) -> Self {
        let hash = expand(&secret, KEY_ID);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        // A custom UUID (version 8) says by its form that it was derived and tells no time.
        let id = Builder::from_custom_bytes(id).into_uuid();
        RootKey {
            id: SealingKeyId::from_uuid(id),
            secret,
        }
    }

    /// Names the key without telling it: stands in sealed data and beside every hash made with a derived pepper.
    pub fn id(&self) -> SealingKeyId {
        self.id
    }

    /// The key for one purpose (HKDF-SHA-256). Keys of two purposes tell nothing about each other or about the root.
    pub fn derive(&self, purpose: &str) -> DerivedKey {
        DerivedKey::from_bytes(*expand(&self.secret, purpose))
    }

    /// The key that wraps the workspaces' keys and seals what belongs to no workspace.
    pub fn sealing_key(&self) -> DataKey {
        DataKey::from_parts(self.id, expand(&self.secret, SEALING))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({}, redacted)", self.id)
    }
}

/// The root keys a server knows: the current one makes, the retired ones only read. A retired key is dropped when
/// nothing is wrapped with it and no key was hashed with a pepper of it.
#[derive(Debug, Clone)]
pub struct RootKeys {
    current: RootKey,
    retired: Vec<RootKey>,
}

impl RootKeys {
    pub fn new(current: RootKey, retired: Vec<RootKey>) -> Self {
        RootKeys { current, retired }
    }

    /// The key that new things are made with.
    pub fn current(&self) -> &RootKey {
        &self.current
    }

    /// The key with this id, if the operator still gives it.
    pub fn find(&self, id: SealingKeyId) -> Option<&RootKey> {
        self.iter().find(|key| key.id() == id)
    }

    /// Every known key, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &RootKey> {
        std::iter::once(&self.current).chain(&self.retired)
    }
}

/// HKDF-SHA-256 to 32 bytes.
fn expand(secret: &[u8; 32], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(SALT), secret)
        .expand(purpose.as_bytes(), derived.as_mut_slice())
        .expect("HKDF refuses only outputs above 255 blocks, and this is one");
    derived
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = match text.len() {
        64 => decode_hex(text)?,
        43 | 44 => decode_base64(text)?,
        _ => return None,
    };
    let mut secret = Zeroizing::new([0; 32]);
    (bytes.len() == secret.len()).then(|| secret.copy_from_slice(&bytes))?;
    Some(secret)
}

fn decode_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks_exact(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect();
    bytes.map(Zeroizing::new)
}

fn decode_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let standard = Zeroizing::new(text.trim_end_matches('=').replace('-', "+").replace('_', "/"));
    let padded = Zeroizing::new(format!("{}=", standard.as_str()));
    STANDARD.decode(padded.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn key() -> RootKey {
        RootKey::from_text(HEX).unwrap()
    }

    #[test]
    fn every_spelling_is_the_same_key() {
        let padded = format!("  {BASE64}\n");
        for text in [BASE64, BASE64.trim_end_matches('='), &padded, &HEX.to_uppercase()] {
            assert_eq!(RootKey::from_text(text).unwrap().id(), key().id(), "{text}");
        }
        assert_eq!(key().to_text().as_str(), BASE64);
    }

    #[test]
    fn the_url_safe_alphabet_is_read_too() {
        let standard = "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let url_safe = "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let id = |text| RootKey::from_text(text).unwrap().id();
        assert_eq!(id(standard), id(url_safe));
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        let placeholder = "0".repeat(64);
        for text in [
            "",
            "secret",
            &HEX[1..],
            &HEX.replace('f', "g"),
            &"é".repeat(32),
            &BASE64[1..],
        ] {
            assert_eq!(
                RootKey::from_text(text).unwrap_err(),
                RootKeyTextError::NotAKey,
                "{text}"
            );
        }
        assert_eq!(
            RootKey::from_text(&placeholder).unwrap_err(),
            RootKeyTextError::Placeholder
        );
    }

    #[test]
    fn derived_keys_are_hkdf_sha_256() {
        // Computed with Python's hmac module: changing them would void every API key and every sealed byte.
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(key().derive(purpose::API_KEY_PEPPER).expose()),
            "673df95338bb9adaccd3aef0dcdb88d412428d80c0734b4c216c2d49e6cb34b0"
        );
        assert_eq!(
            hex(key().id().uuid().as_bytes()),
            "0d8b7699438a880db5789f4d995ccc54"
        );
    }

    #[test]
    fn a_retired_key_is_found_and_an_unknown_one_is_not() {
        let (current, retired) = (RootKey::generate().unwrap(), key());
        let keys = RootKeys::new(current.clone(), vec![retired.clone()]);
        assert_eq!(keys.current().id(), current.id());
        assert_eq!(keys.find(retired.id()).map(RootKey::id), Some(retired.id()));
        assert!(keys.find(RootKey::generate().unwrap().id()).is_none());
    }

    #[test]
    fn debug_tells_the_id_alone() {
        let shown = format!("{:?}", RootKeys::new(key(), vec![]));
        assert!(shown.contains(&key().id().to_string()));
        assert!(!shown.contains("secret") && !shown.contains(&HEX[..8]), "{shown}");
    }
}
