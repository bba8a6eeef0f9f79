//! What may be asked of customers' keys.

use types::text::check_text;
use types::{Error, ErrorCode, Mode, Result, Timestamp};

use super::budget::KeyRate;
use super::forms::{MAX_LIMITS, check_credits, rates};
use super::permissions::check_granted;
use super::resource::{CustomerKeyUpdate, Key, NewCustomerKey};
use crate::customers::check_metadata;

/// The most keys of a customer that are neither revoked nor expired.
pub const MAX_KEYS: i64 = 1_000;
/// The longest time that a rotated key stays good, in seconds: 30 days.
pub const MAX_OVERLAP_SECS: u32 = 30 * 24 * 60 * 60;
/// Characters of a name, at most.
pub const MAX_NAME_CHARS: usize = 100;

/// What keys of our own begin with: a key that was pasted into the wrong place must tell what it is.
const RESERVED: [&str; 5] = ["sk_", "pk_", "cket_", "vk_", "dk_"];

/// What of a new key is known before the database is asked.
pub(super) struct CheckedKey {
    pub(super) prefix: String,
    pub(super) permissions: Vec<String>,
    pub(super) rates: Vec<KeyRate>,
}

/// # Errors
/// `validation_failed`.
pub(super) fn check_new(new: &NewCustomerKey, mode: Mode, now: Timestamp) -> Result<CheckedKey> {
    check_text("name", &new.name, 1, MAX_NAME_CHARS)?;
    check_metadata(&new.metadata)?;
    check_limits(new.limits.len())?;
    check_end(new.expires_at, now)?;
    new.credits.as_ref().map_or(Ok(()), |credits| credits.check())?;
    let prefix = match &new.prefix {
        Some(prefix) => {
            check_prefix(prefix)?;
            prefix.clone()
        }
        None => format!("ck_{mode}_"),
    };
    Ok(CheckedKey {
        prefix,
        permissions: check_granted(&new.permissions)?,
        rates: rates(&new.rate_limits)?,
    })
}

fn check_prefix(prefix: &str) -> Result<()> {
    let rest = prefix.strip_suffix('_').unwrap_or_default();
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let is_good = rest.starts_with(|first: char| first.is_ascii_lowercase())
        && rest.bytes().all(is_plain)
        && prefix.len() <= runtime::crypto::issued::MAX_PREFIX_BYTES;
    if !is_good {
        let message = "begins with a lower-case letter and ends with an underscore, with lower-case letters, digits and \
                       underscores between them, at most 32 in all, such as acme_live_";
        return Err(Error::invalid("prefix", message));
    }
    match RESERVED.iter().find(|reserved| prefix.starts_with(*reserved)) {
        None => Ok(()),
        Some(reserved) => Err(Error::invalid(
            "prefix",
            format!("keys that begin with {reserved} are this server's own; choose another"),
        )),
    }
}

fn check_limits(count: usize) -> Result<()> {
    if count <= MAX_LIMITS {
        return Ok(());
    }
    Err(Error::invalid(
        "limits",
        format!("must have at most {MAX_LIMITS} quotas"),
    ))
}

fn check_end(expires_at: Option<Timestamp>, now: Timestamp) -> Result<()> {
    match expires_at {
        Some(at) if at <= now => Err(Error::invalid("expires_at", "must be an instant to come")),
        _ => Ok(()),
    }
}

/// A change of a key that keeps the rules, as far as they need no database.
pub(super) struct Change<'a> {
    input: &'a CustomerKeyUpdate,
    permissions: Option<Vec<String>>,
    rates: Option<Vec<KeyRate>>,
}

impl<'a> Change<'a> {
    /// # Errors
    /// `validation_failed`.
    pub(super) fn check(input: &'a CustomerKeyUpdate, now: Timestamp) -> Result<Self> {
        if let Some(name) = &input.name {
            check_text("name", name, 1, MAX_NAME_CHARS)?;
        }
        if let Some(metadata) = &input.metadata {
            check_metadata(metadata)?;
        }
        check_limits(input.limits.as_ref().map_or(0, Vec::len))?;
        check_end(input.expires_at.flatten(), now)?;
        if let Some(Some(credits)) = &input.credits {
            credits.check()?;
        }
        if let Some(more) = input.add_credits {
            if input.credits.is_some() {
                return Err(Error::invalid(
                    "add_credits",
                    "set credits or add to them, not both",
                ));
            }
            check_credits("add_credits", more, 1)?;
        }
        Ok(Change {
            input,
            permissions: input.permissions.as_deref().map(check_granted).transpose()?,
            rates: input.rate_limits.as_deref().map(rates).transpose()?,
        })
    }

    /// The key as it is to be; its limits are left to whoever can look features up.
    ///
    /// # Errors
    /// `validation_failed` for credits that cannot be added to.
    pub(super) fn applied_to(&self, before: &Key, now: Timestamp) -> Result<Key> {
        let mut key = before.clone();
        if let Some(name) = &self.input.name {
            key.name.clone_from(name);
        }
        if let Some(permissions) = &self.permissions {
            key.permissions.clone_from(permissions);
        }
        if let Some(metadata) = &self.input.metadata {
            key.metadata.clone_from(metadata);
        }
        if let Some(enabled) = self.input.enabled {
            key.enabled = enabled;
        }
        if let Some(expires_at) = self.input.expires_at {
            key.expires_at = expires_at;
        }
        if let Some(rates) = &self.rates {
            key.budget.rates.clone_from(rates);
        }
        let credits = before.budget.credits.as_ref();
        if let Some(set) = &self.input.credits {
            key.budget.credits = set.as_ref().map(|set| set.set(credits, now));
        }
        if let Some(more) = self.input.add_credits {
            let credits = credits.ok_or_else(|| {
                let message = "the key has no credits to add to: it is verified as often as you like; set credits instead";
                Error::invalid("add_credits", message)
            })?;
            key.budget.credits = Some(credits.plus(more, &before.anchor, now)?);
        }
        Ok(key)
    }
}

pub(super) fn check_changeable(key: &Key) -> Result<()> {
    let refuse = |detail: String| Err(Error::new(ErrorCode::Conflict, detail));
    match (key.revoked_at, key.rotated_to) {
        (Some(_), _) => refuse("The key is revoked. Make a new one.".to_owned()),
        (None, Some(new)) => refuse(format!(
            "The key was rotated; {new} takes its place. Change that one."
        )),
        (None, None) => Ok(()),
    }
}

pub(super) fn check_rotatable(key: &Key, now: Timestamp) -> Result<()> {
    check_changeable(key)?;
    if key.customer_archived {
        return Err(Error::new(
            ErrorCode::CustomerArchived,
            "The customer is archived. Unarchive them first.",
        ));
    }
    if key.has_expired(now) {
        return Err(Error::new(
            ErrorCode::Conflict,
            "The key has expired. Make a new one.",
        ));
    }
    Ok(())
}

pub(super) fn check_overlap(overlap_secs: u32) -> Result<()> {
    if overlap_secs > MAX_OVERLAP_SECS {
        return Err(Error::invalid(
            "overlap_secs",
            format!("must be from 0 to {MAX_OVERLAP_SECS} (30 days)"),
        ));
    }
    Ok(())
}

pub(super) fn check_room(usable: i64) -> Result<()> {
    if usable < MAX_KEYS {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Conflict,
        format!("The customer has {MAX_KEYS} usable keys, the most there can be. Revoke one first."),
    )
    .with_member("limit", MAX_KEYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_seller_s_own() {
        for good in [
            "a_",
            "acme_",
            "acme_live_",
            "a1_b2_",
            &format!("{}_", "a".repeat(31)),
        ] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "_",
            "acme",
            "Acme_",
            "1a_",
            "ac-me_",
            "é_",
            "a\0_",
            "sk_live_",
            "pk_",
            &format!("{}_", "a".repeat(32)),
        ] {
            assert_eq!(
                check_prefix(bad).unwrap_err().fields()[0].field,
                "prefix",
                "{bad}"
            );
        }
    }

    #[test]
    fn room_ends_at_the_limit() {
        assert!(check_room(MAX_KEYS - 1).is_ok());
        assert!(check_room(MAX_KEYS).is_err());
    }
}
