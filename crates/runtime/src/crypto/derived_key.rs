//! A key with one purpose, derived from a root key: what peppers, CSRF tokens and signed cursors are keyed with.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const BLOCK_BYTES: usize = 64;

/// 32 bytes that serve one purpose. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct DerivedKey(Zeroizing<[u8; 32]>);

impl DerivedKey {
    /// Wraps key bytes that come from elsewhere, such as a test vector.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        DerivedKey(Zeroizing::new(bytes))
    }

    /// The key itself, for the few uses that are no MAC, such as the seed of a signing key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA-256 of `message`.
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        // HMAC pads a short key with zeros to one block: doing it here leaves no length to be refused.
        let mut block = Zeroizing::new([0; BLOCK_BYTES]);
        block[..self.0.len()].copy_from_slice(self.0.as_slice());
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// Whether `tag` is the MAC of `message`, in time that does not depend on where they differ.
    pub fn verify_mac(&self, message: &[u8], tag: &[u8]) -> bool {
        self.mac(message).ct_eq(tag).into()
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_hmac_sha_256() {
        // Computed with Python's hmac module.
        let key = DerivedKey::from_bytes([0x0b; 32]);
        let expected = [
            0x19, 0x8a, 0x60, 0x7e, 0xb4, 0x4b, 0xfb, 0xc6, 0x99, 0x03, 0xa0, 0xf1, 0xcf, 0x2b, 0xbd, 0xc5,
            0xba, 0x0a, 0xa3, 0xf3, 0xd9, 0xae, 0x3c, 0x1c, 0x7a, 0x3b, 0x16, 0x96, 0xa0, 0xb6, 0x8c, 0xf7,
        ];
        assert_eq!(key.mac(b"Hi There"), expected);
        assert!(key.verify_mac(b"Hi There", &expected));
        assert!(!key.verify_mac(b"Hi there", &expected));
        assert!(!key.verify_mac(b"Hi There", &expected[..31]));
    }
}
