use proptest::collection::vec;
use proptest::prelude::*;

use super::super::root_key::RootKey;
use super::*;

const ROOT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn root() -> RootKey {
    RootKey::from_text(ROOT).unwrap()
}

fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(number))
}

fn place(row: &[u8]) -> Place<'_> {
    Place {
        table: "identities",
        workspace: Some(workspace(7)),
        row,
        column: "refresh_token",
    }
}

/// The owned parts of a place, so that proptest can make them.
type Parts = (String, Option<u128>, Vec<u8>, String);

fn parts() -> impl Strategy<Value = Parts> {
    (
        "[ab]{0,3}",
        proptest::option::of(0..3_u128),
        vec(0..3_u8, 0..4),
        "[ab]{0,3}",
    )
}

fn as_place((table, owner, row, column): &Parts) -> Place<'_> {
    Place {
        table,
        workspace: owner.map(workspace),
        row,
        column,
    }
}

proptest! {
    #[test]
    fn what_was_sealed_opens_where_it_was_sealed(plain in vec(any::<u8>(), 0..200), parts in parts()) {
        let key = DataKey::generate().unwrap();
        let sealed = key.seal(&as_place(&parts), &plain).unwrap();
        prop_assert_eq!(sealed.as_bytes().len(), plain.len() + SEALED_OVERHEAD_BYTES);
        let stored = SealedBytes::from_vec(sealed.into_vec()).unwrap();
        let opened = key.open(&as_place(&parts), &stored).unwrap();
        prop_assert_eq!(&*opened, &plain);
    }

    #[test]
    fn any_flipped_bit_is_noticed(plain in vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), bit in 0..8) {
        let key = root().sealing_key();
        let mut bytes = key.seal(&place(b"row"), &plain).unwrap().into_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let outcome = SealedBytes::from_vec(bytes).and_then(|sealed| key.open(&place(b"row"), &sealed));
        let error = outcome.unwrap_err();
        let named = match at {
            0 => matches!(error, OpenError::UnknownVersion { .. }),
            1..HEADER_BYTES => matches!(error, OpenError::WrongKey { .. }),
            _ => error == OpenError::Tampered,
        };
        prop_assert!(named, "byte {}: {}", at, error);
    }

    #[test]
    fn any_cut_is_noticed(plain in vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>()) {
        let key = root().sealing_key();
        let mut bytes = key.seal(&place(b"row"), &plain).unwrap().into_vec();
        bytes.truncate(at.index(bytes.len()));
        let outcome = SealedBytes::from_vec(bytes).and_then(|sealed| key.open(&place(b"row"), &sealed));
        let noticed = matches!(outcome, Err(OpenError::Truncated { .. } | OpenError::Tampered));
        prop_assert!(noticed, "{:?}", outcome);
    }

    #[test]
    fn a_value_opens_at_no_other_place(here in parts(), there in parts()) {
        prop_assume!(here != there);
        let key = root().sealing_key();
        let sealed = key.seal(&as_place(&here), b"secret").unwrap();
        prop_assert_eq!(key.open(&as_place(&there), &sealed), Err(OpenError::Tampered));
    }

    #[test]
    fn two_lists_of_parts_never_frame_alike(a in vec(vec(0..3_u8, 0..10), 0..5), b in vec(vec(0..3_u8, 0..10), 0..5)) {
        let framed = |parts: &[Vec<u8>]| frame(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(framed(&a) == framed(&b), a == b);
    }
}

#[test]
fn every_component_of_the_place_counts() {
    let key = root().sealing_key();
    let here = place(b"row");
    let sealed = key.seal(&here, b"secret").unwrap();
    let elsewhere = [
        Place {
            table: "users",
            ..here
        },
        Place {
            workspace: Some(workspace(8)),
            ..here
        },
        Place {
            workspace: None,
            ..here
        },
        Place {
            row: b"other",
            ..here
        },
        Place {
            column: "access_token",
            ..here
        },
        // The same characters, split elsewhere.
        Place {
            table: "identitiesrefresh_token",
            column: "",
            ..here
        },
    ];
    for there in elsewhere {
        assert_eq!(key.open(&there, &sealed), Err(OpenError::Tampered), "{there:?}");
    }
}

#[test]
fn the_tree_of_keys_opens_from_the_root_down() {
    let keys = RootKeys::new(root(), vec![]);
    let (tenant, person) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    let tenant_owner = KeyOwner::Workspace(workspace(7));
    let person_owner = KeyOwner::Subject {
        workspace: workspace(7),
        subject: Uuid::from_u128(9),
    };
    let wrapped_tenant = keys.wrap(&tenant, &tenant_owner).unwrap();
    let wrapped_person = tenant.wrap(&person, &person_owner).unwrap();
    let sealed = person.seal(&place(b"row"), b"ada@example.com").unwrap();

    let tenant = keys.unwrap(&wrapped_tenant, &tenant_owner).unwrap();
    let person = tenant.unwrap(&wrapped_person, &person_owner).unwrap();
    assert_eq!(
        &**person.open(&place(b"row"), &sealed).unwrap(),
        b"ada@example.com"
    );
}

#[test]
fn a_wrapped_key_serves_nobody_but_its_owner() {
    let (wrapping, key) = (root().sealing_key(), DataKey::generate().unwrap());
    let owner = KeyOwner::Workspace(workspace(7));
    let wrapped = wrapping.wrap(&key, &owner).unwrap();
    let subject = |workspace, subject| KeyOwner::Subject { workspace, subject };
    let others = [
        KeyOwner::Workspace(workspace(8)),
        subject(workspace(7), Uuid::nil()),
        subject(workspace(7), workspace(7).uuid()),
    ];
    for other in others {
        assert_eq!(
            wrapping.unwrap(&wrapped, &other).unwrap_err(),
            OpenError::Tampered,
            "{other:?}"
        );
    }
    let renamed = WrappedKey {
        id: SealingKeyId::generate(),
        ..wrapped.clone()
    };
    assert_eq!(
        wrapping.unwrap(&renamed, &owner).unwrap_err(),
        OpenError::Tampered
    );
}

#[test]
fn a_wrapped_key_is_no_sealed_value() {
    let (wrapping, key) = (root().sealing_key(), DataKey::generate().unwrap());
    let wrapped = wrapping.wrap(&key, &KeyOwner::Workspace(workspace(7))).unwrap();
    assert_eq!(
        wrapping.open(&place(b"row"), &wrapped.sealed),
        Err(OpenError::Tampered)
    );
}

#[test]
fn after_rotation_old_wraps_open_and_new_ones_use_the_new_key() {
    let owner = KeyOwner::Workspace(workspace(7));
    let key = DataKey::generate().unwrap();
    let old = RootKeys::new(root(), vec![]).wrap(&key, &owner).unwrap();
    let rotated = RootKeys::new(RootKey::generate().unwrap(), vec![root()]);
    assert!(rotated.needs_rewrap(&old));

    let again = rotated
        .wrap(&rotated.unwrap(&old, &owner).unwrap(), &owner)
        .unwrap();
    assert!(!rotated.needs_rewrap(&again));
    assert_eq!(again.id, key.id());

    let forgotten = RootKeys::new(rotated.current().clone(), vec![]);
    let error = forgotten.unwrap(&old, &owner).unwrap_err();
    assert_eq!(error, OpenError::WrongKey { found: root().id() });
}

#[test]
fn the_same_value_never_seals_to_the_same_bytes() {
    let key = root().sealing_key();
    let sealed = || key.seal(&place(b"row"), b"secret").unwrap();
    assert_ne!(sealed(), sealed());
}

#[test]
fn debug_shows_no_secret() {
    let key = root().sealing_key();
    assert!(format!("{key:?}").contains("redacted"));
    let sealed = key.seal(&place(b"row"), b"secret").unwrap();
    assert!(!format!("{sealed:?}").contains("secret"));
}

/// Sealed and wrapped by libsodium with the root key of the bytes 00…1f, after the format in the module's documentation.
const SEALED: &str = "010d8b7699438a880db5789f4d995ccc54000102030405060708090a0b0c0d0e0f1011121314151617bd356bef\
     f8e706c0c37a24cbdccbaccd518d412afac0";
const WRAPPED: &str = "010d8b7699438a880db5789f4d995ccc54000102030405060708090a0b0c0d0e0f10111213141516178c124adf\
     dfd1f020ca0a3e02d23ec0b72d0e4862001e524bbfe04143979570e99226b7c87dd82ea7c5d8dd92e4365ae9";

fn bytes(hex: &str) -> SealedBytes {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    SealedBytes::from_vec((0..hex.len()).step_by(2).map(byte).collect()).unwrap()
}

#[test]
fn what_another_implementation_sealed_after_the_documented_format_opens() {
    let key = root().sealing_key();
    assert_eq!(&**key.open(&place(b"row"), &bytes(SEALED)).unwrap(), b"secret");

    let owner = KeyOwner::Subject {
        workspace: workspace(7),
        subject: Uuid::from_u128(5),
    };
    let wrapped = WrappedKey {
        id: SealingKeyId::from_uuid(Uuid::from_u128(9)),
        sealed: bytes(WRAPPED),
    };
    assert_eq!(*key.unwrap(&wrapped, &owner).unwrap().secret, [0x42; 32]);
}
