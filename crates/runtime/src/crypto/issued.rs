//! Keys that a seller issues to customers, such as `acme_live_…`: a prefix of the seller's own, and the body that every
//! key of a machine has. The prefix ends with an underscore and the body has none, so a key tells where its body begins.
//!
//! What is stored is HMAC-SHA-256 over the text before the checksum, keyed with a pepper, as for [`super::Credential`].

use std::fmt;

use subtle::ConstantTimeEq;
use types::id::CustomerKeyId;
use zeroize::Zeroizing;

use super::derived_key::DerivedKey;
use super::key_body::KeyBody;
use super::random::RandomError;

/// Bytes of a seller's prefix, at most.
pub const MAX_PREFIX_BYTES: usize = 32;

const HINT_LEN: usize = 4;

/// A key with its secret. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct IssuedKey {
    prefix: String,
    body: KeyBody,
}

impl IssuedKey {
    /// A new key, and its text: the one time that it is shown. The prefix ends with an underscore.
    pub fn generate(prefix: &str) -> Result<(Self, Zeroizing<String>), RandomError> {
        let key = IssuedKey {
            prefix: prefix.to_owned(),
            body: KeyBody::generate(CustomerKeyId::generate().uuid())?,
        };
        let text = key.body.text(&[prefix]);
        Ok((key, text))
    }

    /// Reads what was presented; none for what is no key, a mistyped or cut one included.
    pub fn parse(text: &str) -> Option<Self> {
        let prefix_len = text.rfind('_')? + 1;
        if prefix_len > MAX_PREFIX_BYTES {
            return None;
        }
        Some(IssuedKey {
            prefix: text[..prefix_len].to_owned(),
            body: KeyBody::parse(text, prefix_len).ok()?,
        })
    }

    /// The id by which its row is found.
    pub fn id(&self) -> CustomerKeyId {
        CustomerKeyId::from_uuid(self.body.id)
    }

    /// What is stored: tells nothing about the secret, and is worthless without the pepper.
    pub fn hash(&self, pepper: &DerivedKey) -> [u8; 32] {
        pepper.mac(self.body.text_before_checksum(&[&self.prefix]).as_bytes())
    }

    /// Whether `stored` is this key's hash, in time that does not depend on where they differ.
    pub fn verify(&self, stored: &[u8], pepper: &DerivedKey) -> bool {
        self.hash(pepper).ct_eq(stored).into()
    }

    /// The last four characters, by which people tell keys apart. They are part of the checksum.
    pub fn hint(&self) -> String {
        let text = self.body.text(&[&self.prefix]);
        text[text.len() - HINT_LEN..].to_owned()
    }
}

impl fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedKey({} {}, redacted)", self.prefix, self.id())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn generate(prefix: &str) -> (IssuedKey, String) {
        let (key, text) = IssuedKey::generate(prefix).unwrap();
        (key, text.to_string())
    }

    fn pepper(byte: u8) -> DerivedKey {
        DerivedKey::from_bytes([byte; 32])
    }

    proptest! {
        #[test]
        fn what_is_shown_is_what_is_read(prefix in "[a-z][a-z0-9_]{0,30}_") {
            let (key, text) = generate(&prefix);
            prop_assert!(text.starts_with(&prefix) && text.ends_with(&key.hint()));
            let parsed = IssuedKey::parse(&text).unwrap();
            prop_assert_eq!(parsed.id(), key.id());
            prop_assert!(parsed.verify(&key.hash(&pepper(7)), &pepper(7)));
            prop_assert!(!parsed.verify(&key.hash(&pepper(7)), &pepper(8)));
        }

        #[test]
        fn a_replaced_character_is_noticed(at in any::<prop::sample::Index>(), new in "[0-9A-Za-z_é]") {
            let (_, text) = generate("acme_live_");
            let mut characters: Vec<char> = text.chars().collect();
            let (at, new) = (at.index(characters.len()), new.chars().next().unwrap());
            prop_assume!(characters[at] != new);
            characters[at] = new;
            prop_assert!(IssuedKey::parse(&characters.iter().collect::<String>()).is_none());
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in any::<String>(), tail in "\\PC{60,80}") {
            prop_assert!(IssuedKey::parse(&text).is_none());
            let dressed_up = format!("acme_{tail}");
            prop_assert!(IssuedKey::parse(&dressed_up).is_none());
        }
    }

    #[test]
    fn the_prefix_belongs_to_the_key() {
        let (_, text) = generate("acme_live_");
        assert!(IssuedKey::parse(&text.replace("live", "test")).is_none());
        assert!(IssuedKey::parse(&text["acme_".len()..]).is_none());
    }

    #[test]
    fn debug_shows_no_secret() {
        let (key, text) = generate("acme_");
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.id().to_string()), "{shown}");
        assert!(!shown.contains(&text[30..60]), "{shown}");
    }
}
