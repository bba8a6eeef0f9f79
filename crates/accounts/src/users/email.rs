//! E-mail addresses: which are accepted, and when two are the same.

use types::text::check_text;
use types::{Error, Result};
use unicode_normalization::UnicodeNormalization;

/// Characters of the longest address that mail can be sent to (RFC 5321).
pub const MAX_EMAIL_CHARS: usize = 254;
const MAX_LOCAL_CHARS: usize = 64;
const MIN_EMAIL_CHARS: usize = 3;

/// An address that mail could be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    typed: String,
    normalised: String,
}

impl Email {
    /// Reads an address somebody typed. Only its form is looked at: whether it exists, mail alone can tell.
    ///
    /// # Errors
    /// `validation_failed`, naming `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let typed = text.trim();
        check_text(field, typed, MIN_EMAIL_CHARS, MAX_EMAIL_CHARS)?;
        let parts = typed.rsplit_once('@');
        if !parts.is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain)) {
            return Err(Error::invalid(
                field,
                "must be an e-mail address, such as ada@example.com",
            ));
        }
        Ok(Email {
            typed: typed.to_owned(),
            normalised: typed.nfc().flat_map(char::to_lowercase).nfc().collect(),
        })
    }

    /// As it was typed, without space around it.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// As it is compared. Case is ignored in the part before the `@` too: servers that tell `Ada` from `ada` are museum
    /// pieces, and two accounts that look alike are a trap.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }
}

fn is_local_part(local: &str) -> bool {
    (1..=MAX_LOCAL_CHARS).contains(&local.chars().count())
        && !local.contains(|c: char| c.is_whitespace() || c.is_control() || "@<>()[],;:\\\"".contains(c))
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(text: &str) -> String {
        Email::parse("email", text).unwrap().normalised().to_owned()
    }

    #[test]
    fn two_spellings_of_one_address_are_one() {
        assert_eq!(normalised(" Ada@Example.COM "), "ada@example.com");
        assert_eq!(
            normalised("zu\u{308}rich@example.ch"),
            normalised("Z\u{dc}RICH@example.ch")
        );
    }

    #[test]
    fn what_was_typed_is_kept() {
        assert_eq!(
            Email::parse("email", " Ada@example.com").unwrap().typed(),
            "Ada@example.com"
        );
    }

    #[test]
    fn unusual_addresses_are_accepted() {
        for text in [
            "a@b",
            "operator@localhost",
            "o'hara+tag@sub.example.co.uk",
            "用户@例子.公司",
        ] {
            assert!(Email::parse("email", text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_field() {
        let long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "", "ada", "@b.c", "a@", "a@b..c", "a@-b.c", "a b@c.d", "a@b@c.d", "<a@b.c>", "a\0@b.c", &long,
        ] {
            let error = Email::parse("email", text).unwrap_err();
            assert_eq!(error.fields()[0].field, "email", "{text}");
        }
    }
}
