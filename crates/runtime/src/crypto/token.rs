//! Opaque tokens for people: sessions in cookies, single-use links in mail, and the token that proves a form is ours.
//!
//! An opaque token is 256 random bits, shown as 43 characters of unpadded base64url and stored as SHA-256 over its use
//! and its bytes: a stolen database holds no token, and a token made for one use is unknown to every other. That a link
//! works once and for how long is the rule of the row it is stored in.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use types::id::SessionId;
use zeroize::Zeroizing;

use super::derived_key::DerivedKey;
use super::random::{RandomError, random_bytes};

/// Characters of every opaque token.
pub const TOKEN_LEN: usize = 43;

const HASH_LABEL: &[u8] = b"plinth/token/v1\0";
const CSRF_LABEL: &[u8] = b"plinth/csrf/v1\0";

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUse {
    Session,
    EmailVerification,
    PasswordReset,
    SignInLink,
    Invitation,
    /// The one-time link that a server prints for its operator.
    OperatorLink,
}

impl TokenUse {
    const fn label(self) -> &'static str {
        match self {
            TokenUse::Session => "session",
            TokenUse::EmailVerification => "email-verification",
            TokenUse::PasswordReset => "password-reset",
            TokenUse::SignInLink => "sign-in-link",
            TokenUse::Invitation => "invitation",
            TokenUse::OperatorLink => "operator-link",
        }
    }
}

/// 256 random bits that their holder presents. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct OpaqueToken(Zeroizing<[u8; 32]>);

impl OpaqueToken {
    pub fn generate() -> Result<Self, RandomError> {
        random_bytes().map(OpaqueToken)
    }

    /// Reads a cookie or a link. None for what cannot be a token, so that nothing is asked of the database.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_LEN {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let mut token = Zeroizing::new([0; 32]);
        (bytes.len() == token.len()).then(|| token.copy_from_slice(&bytes))?;
        Some(OpaqueToken(token))
    }

    /// The text for the cookie or the link: the only copy.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// What is stored and looked up.
    pub fn hash(&self, usage: TokenUse) -> TokenHash {
        let mut hash = Sha256::new_with_prefix(HASH_LABEL);
        hash.update(usage.label());
        hash.update([0]);
        hash.update(self.0.as_slice());
        TokenHash(hash.finalize().into())
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(redacted)")
    }
}

/// A token's hash. Two are compared in time that does not depend on where they differ.
#[derive(Debug, Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the database holds this hash.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

/// The token that a session's forms carry: another site can make a browser send its cookie, but not this.
pub fn csrf_token(key: &DerivedKey, session: SessionId) -> String {
    URL_SAFE_NO_PAD.encode(key.mac(&csrf_message(session)))
}

/// Whether a form carries its session's token.
pub fn csrf_token_matches(key: &DerivedKey, session: SessionId, presented: &str) -> bool {
    presented.len() == TOKEN_LEN
        && URL_SAFE_NO_PAD
            .decode(presented)
            .is_ok_and(|tag| key.verify_mac(&csrf_message(session), &tag))
}

fn csrf_message(session: SessionId) -> Vec<u8> {
    [CSRF_LABEL, session.uuid().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn what_is_shown_is_what_is_read() {
        let token = OpaqueToken::generate().unwrap();
        let text = token.to_text();
        assert_eq!(text.len(), TOKEN_LEN);
        let read = OpaqueToken::parse(&text).unwrap();
        let stored = token.hash(TokenUse::Session);
        assert!(read.hash(TokenUse::Session).matches(stored.as_bytes()));
    }

    #[test]
    fn what_cannot_be_a_token_is_refused() {
        let spelled_otherwise = TEXT.replace("Hh8", "Hh9");
        for text in [
            "",
            &TEXT[1..],
            &format!("{TEXT}="),
            &TEXT.replace('A', "+"),
            &spelled_otherwise,
        ] {
            assert!(OpaqueToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_for_one_use_is_unknown_to_another() {
        let token = OpaqueToken::generate().unwrap();
        let reset = token.hash(TokenUse::PasswordReset);
        assert!(!reset.matches(token.hash(TokenUse::SignInLink).as_bytes()));
        assert!(!reset.matches(&reset.as_bytes()[..31]));
    }

    #[test]
    fn the_stored_hash_is_the_documented_one() {
        // Computed with Python's hashlib: changing it would sign everybody out.
        let hash = OpaqueToken::parse(TEXT).unwrap().hash(TokenUse::Session);
        let hex: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "4aaac92bdc61ede0862c994b45316c012747c852fd5ad1a9f4f0dd35ffbb0220"
        );
    }

    #[test]
    fn a_form_is_ours_only_with_its_own_session_and_key() {
        let (key, other_key) = (DerivedKey::from_bytes([1; 32]), DerivedKey::from_bytes([2; 32]));
        let (session, other_session) = (SessionId::random(), SessionId::random());
        let token = csrf_token(&key, session);
        assert!(csrf_token_matches(&key, session, &token));
        assert!(!csrf_token_matches(&key, other_session, &token));
        assert!(!csrf_token_matches(&other_key, session, &token));
        assert!(!csrf_token_matches(&key, session, &token[1..]));
        assert!(!csrf_token_matches(&key, session, ""));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(
            format!("{:?}", OpaqueToken::parse(TEXT).unwrap()),
            "OpaqueToken(redacted)"
        );
    }
}
