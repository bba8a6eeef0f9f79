//! What every key of a machine ends with, whatever stands before it: an id, a secret and a checksum, in base62.
//!
//! ```text
//! prefix id (22) secret (43) checksum (6)
//! ```
//!
//! The id (128 bits) finds the row, so nothing is ever searched by a hash. The secret is 256 bits. The checksum is the
//! CRC-32 (IEEE) of all characters before it, the prefix included, so that a typo, a cut or a mixed-up prefix is refused
//! without asking the database; as a CRC over the text itself it notices every change within four neighbouring characters.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::base62;
use super::random::{RandomError, random_bytes};

const ID_DIGITS: usize = 22;
const SECRET_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;
/// Characters of a body.
pub(super) const BODY_LEN: usize = ID_DIGITS + SECRET_DIGITS + CHECKSUM_DIGITS;

/// An id and its secret. Wiped when dropped.
#[derive(Clone)]
pub(super) struct KeyBody {
    pub(super) id: Uuid,
    secret: Zeroizing<[u8; 32]>,
}

/// Why characters are no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    Length,
    Malformed,
    Checksum,
}

impl KeyBody {
    /// A body with a new secret.
    pub(super) fn generate(id: Uuid) -> Result<Self, RandomError> {
        Ok(KeyBody {
            id,
            secret: random_bytes()?,
        })
    }

    /// Reads what follows the first `prefix_len` bytes of a text, which must end a character.
    pub(super) fn parse(text: &str, prefix_len: usize) -> Result<Self, BodyError> {
        let body = &text.as_bytes()[prefix_len..];
        if body.len() != BODY_LEN {
            return Err(BodyError::Length);
        }
        let (id, rest) = body.split_at(ID_DIGITS);
        let (secret, checksum) = rest.split_at(SECRET_DIGITS);
        let body = KeyBody {
            id: Uuid::from_bytes(*decode(id)?),
            secret: decode(secret)?,
        };
        let checksum = u32::from_be_bytes(*decode(checksum)?);
        if checksum != crc32fast::hash(&text.as_bytes()[..text.len() - CHECKSUM_DIGITS]) {
            return Err(BodyError::Checksum);
        }
        Ok(body)
    }

    /// The key with that prefix, as far as its checksum: what is hashed.
    pub(super) fn text_before_checksum(&self, prefix: &[&str]) -> Zeroizing<String> {
        let prefix_len: usize = prefix.iter().map(|part| part.len()).sum();
        let mut text = Zeroizing::new(String::with_capacity(prefix_len + BODY_LEN));
        for part in prefix {
            text.push_str(part);
        }
        base62::encode_into(self.id.as_bytes(), ID_DIGITS, &mut text);
        base62::encode_into(self.secret.as_slice(), SECRET_DIGITS, &mut text);
        text
    }

    /// The whole key with that prefix.
    pub(super) fn text(&self, prefix: &[&str]) -> Zeroizing<String> {
        let mut text = self.text_before_checksum(prefix);
        let checksum = crc32fast::hash(text.as_bytes());
        base62::encode_into(&checksum.to_be_bytes(), CHECKSUM_DIGITS, &mut text);
        text
    }
}

fn decode<const N: usize>(digits: &[u8]) -> Result<Zeroizing<[u8; N]>, BodyError> {
    let mut bytes = Zeroizing::new([0; N]);
    base62::decode_into(digits, bytes.as_mut_slice()).ok_or(BodyError::Malformed)?;
    Ok(bytes)
}
