//! Ed25519 signatures and the hash chain that the audit log's sealer signs.
//!
//! The chain: `hash = SHA-256("plinth/chain/v1\0" ‖ previous hash (32) ‖ canonical JSON of the entry)`, and the first
//! entry's previous hash is 32 zero bytes. Anybody with the entries, a signed head and the public key can check it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};

const CHAIN_LABEL: &[u8] = b"plinth/chain/v1\0";

/// What stands for the hash before the first entry's.
pub const CHAIN_START: [u8; 32] = [0; 32];

/// The hash of an entry, which fixes the entry and all before it.
pub fn chain_hash(previous: &[u8; 32], canonical_entry: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(CHAIN_LABEL);
    hash.update(previous);
    hash.update(canonical_entry);
    hash.finalize().into()
}

/// An Ed25519 key pair. Its secret half is wiped when dropped and never printed.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

impl KeyPair {
    pub fn generate() -> Result<Self, RandomError> {
        Ok(Self::from_seed(&*random_bytes()?))
    }

    /// The key pair that this seed always gives.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        KeyPair(SigningKey::from_bytes(seed))
    }

    /// The seed, to be sealed and stored.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({}, redacted)", self.public_key())
    }
}

/// The half of a key pair that is published; 43 characters of unpadded base64url as text, as in a JSON Web Key's `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// The text or bytes are no public key or signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    #[error("expected an Ed25519 public key: 32 bytes as 43 characters of base64url")]
    NotAPublicKey,
    #[error("expected an Ed25519 signature: 64 bytes as 86 characters of base64url")]
    NotASignature,
    #[error("the signature does not belong to this message and key")]
    WrongSignature,
}

impl PublicKey {
    /// Reads the 32 bytes of a public key. Refuses points of small order, for which many messages share a signature.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SigningError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| SigningError::NotAPublicKey)?;
        (!key.is_weak())
            .then_some(PublicKey(key))
            .ok_or(SigningError::NotAPublicKey)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The key's RFC 7638 thumbprint: names it beside a signature, and as `kid` in a JSON Web Key Set.
    pub fn thumbprint(&self) -> String {
        let key = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(key))
    }

    /// Checks a signature by the strict rules: no malleable and no small-order ones.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SigningError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| SigningError::WrongSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = SigningError;

    fn from_str(text: &str) -> Result<Self, SigningError> {
        Self::from_bytes(&decode(text).ok_or(SigningError::NotAPublicKey)?)
    }
}

/// An Ed25519 signature; 86 characters of unpadded base64url as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Signature(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Signature {
    type Err = SigningError;

    fn from_str(text: &str) -> Result<Self, SigningError> {
        decode(text).map(Signature).ok_or(SigningError::NotASignature)
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::canonical_json::canonical_json;
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        // §7.1, test 2.
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let pair = KeyPair::from_seed(&seed);
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(pair.public_key().as_bytes(), &public);
        let expected = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(pair.sign(&[0x72]), Signature::from_bytes(expected));
        assert_eq!(*pair.seed(), seed);
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // Appendix A.3.
        let key: PublicKey = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".parse().unwrap();
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_signature_holds_for_its_message_and_key_alone() {
        let (pair, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let signature: Signature = pair.sign(b"head").to_string().parse().unwrap();
        let public: PublicKey = pair.public_key().to_string().parse().unwrap();
        assert_eq!(public.verify(b"head", &signature), Ok(()));
        assert_eq!(
            public.verify(b"heap", &signature),
            Err(SigningError::WrongSignature)
        );
        let by_other = other.public_key().verify(b"head", &signature);
        assert_eq!(by_other, Err(SigningError::WrongSignature));
    }

    #[test]
    fn every_flipped_bit_of_a_signature_is_noticed() {
        let pair = KeyPair::generate().unwrap();
        let signature = pair.sign(b"head");
        for bit in 0..512 {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                pair.public_key().verify(b"head", &Signature(bytes)).is_err(),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn what_is_no_key_or_signature_is_refused() {
        let small_order = URL_SAFE_NO_PAD.encode(bytes::<32>(&format!("01{}", "00".repeat(31))));
        for text in ["", "AAAA", "not base64url!", &small_order] {
            assert_eq!(
                text.parse::<PublicKey>(),
                Err(SigningError::NotAPublicKey),
                "{text}"
            );
            assert_eq!(
                text.parse::<Signature>(),
                Err(SigningError::NotASignature),
                "{text}"
            );
        }
    }

    #[test]
    fn the_chain_is_the_documented_one() {
        // Computed with Python's hashlib.
        let entry = |value| canonical_json(&value).unwrap();
        let first = chain_hash(
            &CHAIN_START,
            &entry(json!({"sequence": 1, "action": "workspace.created"})),
        );
        let second = chain_hash(
            &first,
            &entry(json!({"sequence": 2, "action": "api_key.revoked"})),
        );
        assert_eq!(
            first,
            bytes("63ac318b96212a852e109e8bc017989867fca81cbaf629791f8da9e5234202d7")
        );
        assert_eq!(
            second,
            bytes("c5643eab7dda042782b18d53eb226c8b80d610abadb259b12991ba4be9966894")
        );
    }

    #[test]
    fn a_chain_notices_an_edit_a_swap_and_a_cut() {
        let fold = |entries: &[&[u8]]| {
            entries
                .iter()
                .fold(CHAIN_START, |head, entry| chain_hash(&head, entry))
        };
        let head = fold(&[b"a", b"b", b"c"]);
        for other in [
            &[&b"a"[..], b"b", b"d"][..],
            &[b"b", b"a", b"c"],
            &[b"a", b"b"],
            &[b"b", b"c"],
            &[b"ab", b"c"],
        ] {
            assert_ne!(fold(other), head, "{other:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let pair = KeyPair::from_seed(&[7; 32]);
        assert_eq!(
            format!("{pair:?}"),
            format!("KeyPair({}, redacted)", pair.public_key())
        );
    }
}
