//! What a customer's fields may hold.

use std::collections::BTreeMap;

use jiff::civil::Time;
use ledger::{Anchor, AnchorError};
use types::text::check_text;
use types::{Error, Result, Timestamp};

/// Characters of a name, at most.
pub const MAX_NAME_CHARS: usize = 200;
/// Characters of an e-mail address, at most.
pub const MAX_EMAIL_CHARS: usize = 254;
/// Entries of the metadata, at most.
pub const MAX_METADATA_ENTRIES: usize = 50;
/// Characters of a metadata key, at most.
pub const MAX_METADATA_KEY_CHARS: usize = 40;
/// Characters of a metadata value, at most.
pub const MAX_METADATA_VALUE_CHARS: usize = 500;
/// Longer than any name in the time zone database.
pub(super) const MAX_ZONE_CHARS: usize = 64;

const DEFAULT_ZONE: &str = "UTC";

pub(super) fn check_name(name: &str) -> Result<()> {
    check_text("name", name, 1, MAX_NAME_CHARS)
}

/// A note for people, not something we send to: that there is something on both sides of the last `@` is
/// enough.
pub(super) fn check_email(email: &str) -> Result<()> {
    check_text("email", email, 3, MAX_EMAIL_CHARS)?;
    match email.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() => Ok(()),
        _ => Err(Error::invalid(
            "email",
            "not an e-mail address, such as ada@example.com",
        )),
    }
}

pub(crate) fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<()> {
    if metadata.len() > MAX_METADATA_ENTRIES {
        let message = format!(
            "has {} entries; at most {MAX_METADATA_ENTRIES} are kept",
            metadata.len()
        );
        return Err(Error::invalid("metadata", message));
    }
    for (key, value) in metadata {
        check_text("metadata", key, 1, MAX_METADATA_KEY_CHARS)
            .map_err(|error| Error::invalid("metadata", format!("a key: {}", error.fields()[0].message)))?;
        check_text(&format!("metadata.{key}"), value, 0, MAX_METADATA_VALUE_CHARS)?;
    }
    Ok(())
}

/// The anchor that a request describes: months of the calendar in UTC when it says nothing.
pub(super) fn anchor(time_zone: Option<&str>, day: Option<i8>, at: Option<Timestamp>) -> Result<Anchor> {
    if let Some(zone) = time_zone {
        check_text("time_zone", zone, 1, MAX_ZONE_CHARS)?;
    }
    let zone = time_zone.unwrap_or(DEFAULT_ZONE);
    let anchor = match (day, at) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid(
                "anchor_day",
                "give anchor_day or anchor_at, not both",
            ));
        }
        (Some(day), None) => Anchor::monthly(day, Time::midnight(), zone),
        (None, Some(instant)) => Anchor::at(instant, zone),
        (None, None) => Anchor::calendar(zone),
    };
    anchor.map_err(|error| {
        let field = match error {
            AnchorError::Zone(_) => "time_zone",
            AnchorError::Day => "anchor_day",
            AnchorError::Year => "anchor_at",
        };
        Error::invalid(field, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_a_day_or_an_instant_in_a_zone() {
        let first = |anchor: Result<Anchor>| anchor.unwrap().first().to_string();
        assert_eq!(first(anchor(None, None, None)), "2024-01-01T00:00:00");
        assert_eq!(
            first(anchor(Some("Asia/Kolkata"), Some(31), None)),
            "2024-01-31T00:00:00"
        );
        let instant = "2026-05-04T22:30:00Z".parse().unwrap();
        assert_eq!(
            first(anchor(Some("Europe/Berlin"), None, Some(instant))),
            "2026-05-05T00:30:00"
        );
    }

    #[test]
    fn an_anchor_that_cannot_be_names_its_field() {
        let field = |anchor: Result<Anchor>| anchor.unwrap_err().fields()[0].field.clone();
        assert_eq!(field(anchor(Some("Mars/Base"), None, None)), "time_zone");
        assert_eq!(field(anchor(Some("\0"), None, None)), "time_zone");
        assert_eq!(field(anchor(None, Some(32), None)), "anchor_day");
        assert_eq!(field(anchor(None, Some(1), Some(Timestamp::EPOCH))), "anchor_day");
        assert_eq!(field(anchor(None, None, Some(Timestamp::MIN))), "anchor_at");
    }

    #[test]
    fn metadata_is_bounded() {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert!(check_metadata(&one(&"k".repeat(40), &"v".repeat(500))).is_ok());
        assert!(check_metadata(&one("tier", "")).is_ok());
        for bad in [
            one("", "v"),
            one(&"k".repeat(41), "v"),
            one("k", &"v".repeat(501)),
            one("k", "\0"),
        ] {
            assert!(check_metadata(&bad).is_err(), "{bad:?}");
        }
        let many = (0..=MAX_METADATA_ENTRIES).map(|n| (n.to_string(), String::new()));
        assert!(check_metadata(&many.collect()).is_err());
    }

    #[test]
    fn an_address_has_two_sides() {
        assert!(check_email("ada@example.com").is_ok());
        for bad in ["ada", "@example.com", "ada@", "a\0@b"] {
            assert!(check_email(bad).is_err(), "{bad}");
        }
    }
}
