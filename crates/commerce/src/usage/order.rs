//! What a call asks for, read and checked as far as it can be without the database.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use types::Result;
use types::text::check_text;
use utoipa::ToSchema;

use crate::Shop;
use crate::amount::Amount;
use crate::customers::{CustomerRef, EndUserRef};

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
                    fingerprint(&input.customer, input.end_user.as_ref(), &input.feature, &amount);
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

fn fingerprint(
    customer: &CustomerRef,
    end_user: Option<&EndUserRef>,
    feature: &str,
    amount: &Amount,
) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [
        format!("{customer:?}"),
        format!("{end_user:?}"),
        feature.to_owned(),
        format!("{amount:?}"),
    ] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
