//! The rule for the keys that sellers give their features, plans and plan groups, and that their code then names.

use types::{Error, Result};

/// Characters of a key, at most.
pub(crate) const MAX_KEY_CHARS: usize = 63;

/// # Errors
/// `validation_failed`, naming `field`.
pub(crate) fn check_key(field: &str, key: &str) -> Result<()> {
    let mut bytes = key.bytes();
    let starts_well = bytes.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on_well = bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'));
    if starts_well && goes_on_well && key.len() <= MAX_KEY_CHARS {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!(
            "a key is a lower-case letter and up to {} lower-case letters, digits, dots and underscores",
            MAX_KEY_CHARS - 1
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_code_can_name() {
        for key in ["a", "api.calls", "seats_2", &"k".repeat(63)] {
            assert!(check_key("key", key).is_ok(), "{key}");
        }
        for key in ["", "A", "1a", ".a", "a-b", "a b", "é", "a\0", &"k".repeat(64)] {
            assert!(check_key("key", key).is_err(), "{key}");
        }
    }
}
