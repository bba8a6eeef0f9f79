//! Credentials that machines present, such as `sk_live_p1_…`.
//!
//! ```text
//! kind _ mode _ p1 _ id (22) secret (43) checksum (6)
//! ```
//!
//! The 71 characters after the last underscore are the body, in base62; the id is the API key's own. A whole credential
//! has [`Credential::text_len`] characters: 82 for `sk pk vk dk`, 84 for `cket`. `p1` is the version of this format.
//!
//! What is stored is HMAC-SHA-256 over the text before the checksum, keyed with a pepper, beside the id of the root key
//! that the pepper was derived from. 256 random bits need no slow hash.

use std::fmt;

use subtle::ConstantTimeEq;
use types::Mode;
use types::id::ApiKeyId;
use zeroize::Zeroizing;

use super::derived_key::DerivedKey;
use super::key_body::{BODY_LEN, BodyError, KeyBody};
use super::random::RandomError;

const VERSION: &str = "p1";
const HINT_LEN: usize = 4;

/// Finds credentials that leaked into text. Publishable keys are left out: they are meant to be seen.
pub const LEAK_PATTERN: &str = r"\b(?:sk|cket|vk|dk)_(?:live|test)_p1_[0-9A-Za-z]{71}\b";

/// What a credential is for. The prefix picks the authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialKind {
    /// `sk`: a server's key; whoever holds it acts for its workspace or platform.
    Secret,
    /// `pk`: stands in a page or an app for all to see.
    Publishable,
    /// `cket`: embeds a widget.
    Embed,
    /// `vk`: calls the AI relay.
    Relay,
    /// `dk`: one device of an end user.
    Device,
}

impl CredentialKind {
    pub const ALL: [CredentialKind; 5] = [
        CredentialKind::Secret,
        CredentialKind::Publishable,
        CredentialKind::Embed,
        CredentialKind::Relay,
        CredentialKind::Device,
    ];

    /// What stands before the first underscore; also how the kind is stored.
    pub const fn prefix(self) -> &'static str {
        match self {
            CredentialKind::Secret => "sk",
            CredentialKind::Publishable => "pk",
            CredentialKind::Embed => "cket",
            CredentialKind::Relay => "vk",
            CredentialKind::Device => "dk",
        }
    }

    pub fn from_prefix(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.prefix() == prefix)
    }
}

/// Why a text is no credential. Known without any look at the database; none of the messages repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("this is no API key: one begins with sk_, pk_, cket_, vk_ or dk_")]
    UnknownKind,
    #[error("after its kind an API key says live or test")]
    UnknownMode,
    #[error("the API key's format is not p1, the one this server reads")]
    UnknownVersion,
    #[error(
        "the API key is {found} characters long instead of {expected}: it was cut off or something was added"
    )]
    WrongLength { found: usize, expected: usize },
    #[error("the API key has a character that no key has, or a number out of range: copy it again")]
    Malformed,
    #[error("the API key's checksum is wrong: it was mistyped or changed; copy it again")]
    WrongChecksum,
}

/// A credential with its secret. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct Credential {
    kind: CredentialKind,
    mode: Mode,
    body: KeyBody,
}

impl Credential {
    /// A new credential, and its text: the one time that it is shown.
    pub fn generate(kind: CredentialKind, mode: Mode) -> Result<(Self, Zeroizing<String>), RandomError> {
        let credential = Credential {
            kind,
            mode,
            body: KeyBody::generate(ApiKeyId::generate().uuid())?,
        };
        let text = credential.text();
        Ok((credential, text))
    }

    /// Reads what a client presented. Refuses typos by their checksum.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let mut parts = text.splitn(4, '_');
        let mut part = || parts.next().unwrap_or_default();
        let kind = CredentialKind::from_prefix(part()).ok_or(CredentialError::UnknownKind)?;
        let mode = part().parse().map_err(|_| CredentialError::UnknownMode)?;
        if part() != VERSION {
            return Err(CredentialError::UnknownVersion);
        }
        let body = KeyBody::parse(text, text.len() - part().len()).map_err(|error| match error {
            BodyError::Length => CredentialError::WrongLength {
                found: text.chars().count(),
                expected: Self::text_len(kind),
            },
            BodyError::Malformed => CredentialError::Malformed,
            BodyError::Checksum => CredentialError::WrongChecksum,
        })?;
        Ok(Credential { kind, mode, body })
    }

    /// How many characters every credential of this kind has.
    pub const fn text_len(kind: CredentialKind) -> usize {
        kind.prefix().len() + "_live_".len() + VERSION.len() + "_".len() + BODY_LEN
    }

    pub fn kind(&self) -> CredentialKind {
        self.kind
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The API key's id, by which its row is found.
    pub fn id(&self) -> ApiKeyId {
        ApiKeyId::from_uuid(self.body.id)
    }

    /// What is stored: tells nothing about the secret, and is worthless without the pepper.
    pub fn hash(&self, pepper: &DerivedKey) -> [u8; 32] {
        pepper.mac(self.body.text_before_checksum(&self.prefix()).as_bytes())
    }

    /// Whether `stored` is this credential's hash, in time that does not depend on where they differ.
    pub fn verify(&self, stored: &[u8], pepper: &DerivedKey) -> bool {
        self.hash(pepper).ct_eq(stored).into()
    }

    /// How lists show the key: its prefix and last four characters (of the checksum), as in `sk_live_p1_…Bk3x`.
    pub fn display_hint(&self) -> String {
        let text = self.text();
        let (prefix, body) = text.split_at(text.len() - BODY_LEN);
        format!("{prefix}…{}", &body[BODY_LEN - HINT_LEN..])
    }

    fn prefix(&self) -> [&'static str; 6] {
        [self.kind.prefix(), "_", self.mode.as_str(), "_", VERSION, "_"]
    }

    fn text(&self) -> Zeroizing<String> {
        self.body.text(&self.prefix())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Credential({} {} {}, redacted)",
            self.kind.prefix(),
            self.mode,
            self.id()
        )
    }
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
