//! What a call asks for, read and checked as far as it can be without the database.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use types::id::Kind;
use types::text::check_text;
use types::{Error, Id, Result};
use utoipa::ToSchema;

use crate::Shop;
use crate::amount::Amount;
use crate::customers::{CustomerRef, EndUserRef, Reference};

/// The longest idempotency key, in characters.
const MAX_KEY_CHARS: usize = 255;
/// The longest key of a feature, in characters.
const MAX_FEATURE_CHARS: usize = 63;

/// A use of a feature by a customer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUsage {
    /// The customer, by id or by your own external id.
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "acme")]
    pub customer: CustomerRef,
    /// The customer's end user who did it, by id or by your own external id; one whose external id is new is made.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub end_user: Option<EndUserRef>,
    /// The key of a metered feature.
    #[schema(min_length = 1, max_length = 63, example = "calls")]
    pub feature: String,
    /// How much, above zero; 1 when absent.
    #[serde(default)]
    pub amount: Option<Amount>,
    /// Makes the call safe to repeat: the same key gets the same answer and is counted once. Kept 32 days. The header
    /// `Idempotency-Key` does the same.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
}

/// A use that waits to be decided.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub shop: Shop,
    pub customer: CustomerRef,
    pub end_user: Option<EndUserRef>,
    pub feature: String,
    pub amount: Amount,
    pub key: Option<Key>,
}

/// An idempotency key, and what it stands for.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub text: String,
    pub fingerprint: [u8; 32],
}

impl Order {
    /// # Errors
    /// `validation_failed`, naming the field.
    pub(super) fn read(shop: Shop, input: NewUsage) -> Result<Self> {
        check_text("feature", &input.feature, 1, MAX_FEATURE_CHARS)?;
        let amount = input.amount.unwrap_or(Amount::Integer(1));
        let key = match input.idempotency_key {
            None => None,
            Some(text) => {
                check_text("idempotency_key", &text, 1, MAX_KEY_CHARS)?;
                let fingerprint =
                    fingerprint(&input.customer, input.end_user.as_ref(), &input.feature, &amount)?;
                Some(Key { text, fingerprint })
            }
        };
        Ok(Order {
            shop,
            customer: input.customer,
            end_user: input.end_user,
            feature: input.feature,
            amount,
            key,
        })
    }
}

/// Kept with the answer for as long as the key is: made of what was sent, and of nothing that a new version may name anew.
fn fingerprint(
    customer: &CustomerRef,
    end_user: Option<&EndUserRef>,
    feature: &str,
    amount: &Amount,
) -> Result<[u8; 32]> {
    let amount = serde_json::to_string(amount).map_err(Error::internal)?;
    // Nobody's external id is empty.
    let end_user = end_user.map_or_else(String::new, name);
    let mut hasher = Sha256::new();
    for part in [name(customer), end_user, feature.to_owned(), amount] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Ok(hasher.finalize().into())
}

fn name<K: Kind>(named: &Reference<Id<K>>) -> String {
    match named {
        Reference::Id(id) => id.to_string(),
        Reference::External(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_outlives_the_version_that_made_it() {
        let customer = CustomerRef::External("acme".to_owned());
        let made = fingerprint(&customer, None, "calls", &Amount::Integer(3)).unwrap();
        let hex: String = made.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "8a365f799068d3f7d3710e2e8daa05b5a31f011450b3ba1625e094e4b81daff8"
        );
    }
}
