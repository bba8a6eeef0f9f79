//! A key as it is sent and as it is stored.

use std::collections::BTreeMap;

use ledger::Anchor;
use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::{CustomerId, CustomerKeyId, EndUserId};
use utoipa::ToSchema;

use super::budget::Budget;
use super::forms::{CreditsForm, CreditsInput, KeyLimitForm, KeyLimitInput, RateLimitForm};
use crate::customers::{CustomerRef, EndUserRef};
use crate::patch::present;

/// A customer's key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomerKey {
    pub id: CustomerKeyId,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub name: String,
    /// What the key begins with.
    pub prefix: String,
    /// What it ends with: four characters, to tell it from others.
    pub hint: String,
    /// What it may do, in your own words.
    pub permissions: Vec<String>,
    /// Your own notes; a verification answers them.
    pub metadata: BTreeMap<String, String>,
    /// Quotas of its own, beside the customer's.
    pub limits: Vec<KeyLimitForm>,
    /// Verifications that are left; null for as many as you like.
    pub credits: Option<CreditsForm>,
    pub rate_limits: Vec<RateLimitForm>,
    /// A key that is not is refused until it is again.
    pub enabled: bool,
    /// Who made it: the id of a person or of an API key, or `operator`.
    pub created_by: String,
    pub created_at: Timestamp,
    /// From this instant on it is refused.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The key that takes its place.
    pub rotated_to: Option<CustomerKeyId>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A key that was just made, with the secret that is never shown again.
#[derive(Serialize, ToSchema)]
pub struct CreatedCustomerKey {
    pub customer_key: CustomerKey,
    /// The key itself, to be given to the customer now: it cannot be shown again.
    pub secret: String,
}

/// A key to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCustomerKey {
    /// `cus_…` or the external id.
    #[schema(value_type = String, min_length = 1, max_length = 255, example = "acme")]
    pub customer: CustomerRef,
    /// The customer's end user whose key it is, by id or by your own external id; one whose external id is new is made.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub end_user: Option<EndUserRef>,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What your keys begin with, ending with an underscore; `ck_live_` or `ck_test_` when absent.
    #[schema(
        min_length = 2,
        max_length = 32,
        pattern = "^[a-z][a-z0-9_]*_$",
        example = "acme_live_"
    )]
    pub prefix: Option<String>,
    /// What it may do: names such as `documents.read`, or `documents.*` for all that begin like this.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub permissions: Vec<String>,
    /// Notes of yours: at most 50 entries, keys of 40 and values of 500 characters.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Quotas of metered features, one for each.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub limits: Vec<KeyLimitInput>,
    /// Verifications that are granted; as many as you like when absent.
    pub credits: Option<CreditsInput>,
    #[serde(default)]
    #[schema(max_items = 10)]
    pub rate_limits: Vec<RateLimitForm>,
    /// True when absent.
    pub enabled: Option<bool>,
    /// An instant to come, from which on the key is refused.
    pub expires_at: Option<Timestamp>,
}

/// What of a key changes: what is absent stays, null clears. Limits, credits and rate limits change for every key that was
/// rotated into this one too.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerKeyUpdate {
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Takes the place of all permissions there are.
    #[schema(max_items = 100)]
    pub permissions: Option<Vec<String>>,
    /// Takes the place of all metadata there is.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Takes the place of all quotas there are; what is used of a quota that stays is kept.
    #[schema(max_items = 20)]
    pub limits: Option<Vec<KeyLimitInput>>,
    /// Takes the place of what is left.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<CreditsInput>)]
    pub credits: Option<Option<CreditsInput>>,
    /// Adds to what is left, whatever that is by then. Not together with `credits`.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    pub add_credits: Option<i64>,
    /// Takes the place of all rate limits there are.
    #[schema(max_items = 10)]
    pub rate_limits: Option<Vec<RateLimitForm>>,
    pub enabled: Option<bool>,
    /// An instant to come, or null for never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Timestamp>)]
    pub expires_at: Option<Option<Timestamp>>,
}

/// How a key is to be rotated.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerKeyRotation {
    /// Seconds that the old key stays good beside the new one, at most 30 days.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub overlap_secs: u32,
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: CustomerKeyId,
    pub(super) family: CustomerKeyId,
    pub(super) customer: CustomerId,
    pub(super) end_user: Option<EndUserId>,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) hint: String,
    pub(super) permissions: Vec<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) budget: Budget,
    pub(super) enabled: bool,
    pub(super) created_by: String,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) rotated_to: Option<CustomerKeyId>,
    pub(super) last_used_at: Option<Timestamp>,
    /// Where its customer's periods begin, and so those of its quotas.
    pub(super) anchor: Anchor,
    pub(super) customer_archived: bool,
}

impl Key {
    /// The resource, of whose credits so many are used.
    pub(super) fn resource(&self, credits_used: i64, now: Timestamp) -> CustomerKey {
        let credits = self.budget.credits.as_ref();
        CustomerKey {
            id: self.id,
            customer: self.customer,
            end_user: self.end_user,
            name: self.name.clone(),
            prefix: self.prefix.clone(),
            hint: self.hint.clone(),
            permissions: self.permissions.clone(),
            metadata: self.metadata.clone(),
            limits: self.budget.limits.iter().map(KeyLimitForm::from).collect(),
            credits: credits.map(|credits| CreditsForm::new(credits, credits_used, &self.anchor, now)),
            rate_limits: self.budget.rates.iter().map(RateLimitForm::from).collect(),
            enabled: self.enabled,
            created_by: self.created_by.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            rotated_to: self.rotated_to,
            last_used_at: self.last_used_at,
        }
    }

    /// The instant from which on it is refused has come.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
