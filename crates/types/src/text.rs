//! The rule that every text a caller sends has to keep.

use crate::{Error, Result};

/// Checks a text from a request: `min` to `max` characters, and none of them NUL, which PostgreSQL cannot keep.
///
/// # Errors
/// `validation_failed`, naming `field`.
pub fn check_text(field: &str, value: &str, min: usize, max: usize) -> Result<()> {
    if value.contains('\0') {
        return Err(Error::invalid(field, "must not contain the NUL character"));
    }
    let length = value.chars().count();
    if (min..=max).contains(&length) {
        return Ok(());
    }
    let right = match min {
        0 => format!("must have at most {max} characters"),
        _ => format!("must have {min} to {max} characters"),
    };
    Err(Error::invalid(field, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        assert!(check_text("name", "éé", 1, 2).is_ok());
        assert!(check_text("name", "ééé", 1, 2).is_err());
        assert!(check_text("name", "", 1, 2).is_err());
        assert!(check_text("name", "", 0, 2).is_ok());
    }

    #[test]
    fn nul_is_refused() {
        let error = check_text("name", "a\0b", 1, 9).unwrap_err();
        assert_eq!(error.fields()[0].field, "name");
    }
}
