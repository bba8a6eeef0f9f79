use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;

use super::*;

static LEAK: LazyLock<Regex> = LazyLock::new(|| Regex::new(LEAK_PATTERN).unwrap());

/// Computed with Python's integers, zlib and hmac: id, secret 00…1f, and the hash under a pepper of sevens.
const VECTOR: &str = "sk_live_p1_031eVPRJnEj4qXsi3lcVPN003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3JwvMj";
const VECTOR_ID: u128 = 0x019a_9e6c_0a00_7000_8000_0000_0000_0001;
const VECTOR_HASH: &str = "5580ac966910ba2412f57d3d9e0bd3cd4f98155cb336011f917a40acfcb716b9";

fn pepper(byte: u8) -> DerivedKey {
    DerivedKey::from_bytes([byte; 32])
}

fn any_kind() -> impl Strategy<Value = CredentialKind> {
    prop::sample::select(CredentialKind::ALL.to_vec())
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Live, Mode::Test])
}

fn generate(kind: CredentialKind, mode: Mode) -> (Credential, String) {
    let (credential, text) = Credential::generate(kind, mode).unwrap();
    (credential, text.to_string())
}

fn any_character() -> impl Strategy<Value = char> {
    prop_oneof![4 => prop::char::ranges(vec!['0'..='9', 'A'..='Z', 'a'..='z', '_'..='_'].into()), 1 => any::<char>()]
}

proptest! {
    #[test]
    fn what_is_shown_is_what_is_read(kind in any_kind(), mode in any_mode()) {
        let (credential, text) = generate(kind, mode);
        prop_assert_eq!(text.len(), Credential::text_len(kind));
        let parsed = Credential::parse(&text).unwrap();
        prop_assert_eq!((parsed.kind(), parsed.mode(), parsed.id()), (kind, mode, credential.id()));
        prop_assert!(parsed.verify(&credential.hash(&pepper(7)), &pepper(7)));
    }

    #[test]
    fn a_replaced_character_is_noticed(kind in any_kind(), at in any::<prop::sample::Index>(), new in any_character()) {
        let (_, text) = generate(kind, Mode::Live);
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        prop_assume!(characters[at] != new);
        characters[at] = new;
        prop_assert!(Credential::parse(&characters.iter().collect::<String>()).is_err());
    }

    #[test]
    fn a_missing_or_added_character_is_noticed(at in any::<prop::sample::Index>(), new in any_character()) {
        let (_, text) = generate(CredentialKind::Secret, Mode::Test);
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        characters.insert(at, new);
        prop_assert!(Credential::parse(&characters.iter().collect::<String>()).is_err());
        characters.remove(at);
        characters.remove(at);
        prop_assert!(Credential::parse(&characters.iter().collect::<String>()).is_err());
    }

    #[test]
    fn two_swapped_neighbours_are_noticed(at in any::<prop::sample::Index>()) {
        let (_, text) = generate(CredentialKind::Secret, Mode::Live);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len() - 1);
        prop_assume!(bytes[at] != bytes[at + 1]);
        bytes.swap(at, at + 1);
        prop_assert!(Credential::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
    }

    #[test]
    fn any_text_is_answered_without_a_panic(text in any::<String>(), tail in "\\PC{60,80}") {
        let _ = Credential::parse(&text);
        let dressed_up = format!("sk_live_p1_{tail}");
        prop_assert!(Credential::parse(&dressed_up).is_err());
    }

    #[test]
    fn a_leaked_credential_is_found_in_any_text(kind in any_kind(), mode in any_mode()) {
        let (_, text) = generate(kind, mode);
        let leak = format!("curl -H 'authorization: Bearer {text}' https://api.example.com");
        let found = LEAK.find(&leak).map(|hit| hit.as_str().to_owned());
        prop_assert_eq!(found, (kind != CredentialKind::Publishable).then_some(text));
    }
}

#[test]
fn the_format_is_the_documented_one() {
    let credential = Credential::parse(VECTOR).unwrap();
    assert_eq!(credential.id().uuid().as_u128(), VECTOR_ID);
    assert_eq!(*credential.text(), VECTOR);
    let hash = credential.hash(&pepper(7));
    assert_eq!(
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        VECTOR_HASH
    );
    assert_eq!(credential.display_hint(), "sk_live_p1_…wvMj");
}

#[test]
fn each_fault_is_named() {
    let with_prefix = |prefix: &str| VECTOR.replace("sk_live_p1_", prefix);
    let expected = [
        (String::new(), CredentialError::UnknownKind),
        (
            "eyJhbGciOiJFZERTQSJ9.e30.c2ln".to_owned(),
            CredentialError::UnknownKind,
        ),
        (with_prefix("sk-live-p1-"), CredentialError::UnknownKind),
        (with_prefix("sk_prod_p1_"), CredentialError::UnknownMode),
        (with_prefix("sk_live_p2_"), CredentialError::UnknownVersion),
        (with_prefix("sk_test_p1_"), CredentialError::WrongChecksum),
        (with_prefix("pk_live_p1_"), CredentialError::WrongChecksum),
        (
            VECTOR[..60].to_owned(),
            CredentialError::WrongLength {
                found: 60,
                expected: 82,
            },
        ),
        (VECTOR.replace("wvMj", "wv-j"), CredentialError::Malformed),
        (VECTOR.replace("f3JwvMj", "fzzzzzz"), CredentialError::Malformed),
    ];
    for (text, error) in expected {
        assert_eq!(Credential::parse(&text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn another_pepper_or_another_credential_does_not_verify() {
    let (credential, _) = generate(CredentialKind::Secret, Mode::Live);
    let (other, _) = generate(CredentialKind::Secret, Mode::Live);
    let stored = credential.hash(&pepper(1));
    assert!(credential.verify(&stored, &pepper(1)));
    assert!(!credential.verify(&stored, &pepper(2)));
    assert!(!other.verify(&stored, &pepper(1)));
    assert!(!credential.verify(&stored[..31], &pepper(1)));
    assert!(!credential.verify(&[], &pepper(1)));
}

#[test]
fn debug_shows_no_secret() {
    let credential = Credential::parse(VECTOR).unwrap();
    let shown = format!("{credential:?}");
    assert!(shown.contains(&credential.id().to_string()), "{shown}");
    assert!(!shown.contains("aUlTJC7"), "{shown}");
}
