//! A password on its way in.

use std::fmt;

use runtime::crypto::password::MAX_CODE_POINTS;
use serde::{Deserialize, Deserializer};
use types::{Error, Result};
use zeroize::Zeroizing;

/// A password as somebody sent it. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    pub fn new(text: impl Into<String>) -> Self {
        Password(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A password to compare may be anything that somebody could have chosen; more is not worth hashing.
    ///
    /// # Errors
    /// `validation_failed`, naming the field.
    pub(crate) fn check_length(&self) -> Result<()> {
        if self.0.chars().count() > MAX_CODE_POINTS {
            let right = format!("must have at most {MAX_CODE_POINTS} characters");
            return Err(Error::invalid("password", right));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Password::new)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}
