//! What a call asks for, read and checked as far as it can be without the database.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::{Charge, RateCharge};
use runtime::Actor;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use types::id::{HoldId, Kind, RequestId, UsageEventId};
use types::text::check_text;
use types::{Error, Id, Result, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::KeyedUse;
use crate::Shop;
use crate::amount::Amount;
use crate::customers::{CustomerRef, EndUserRef, Reference};
use crate::features::MAX_DIMENSIONS;

/// The longest idempotency key, in characters.
const MAX_KEY_CHARS: usize = 255;
/// The longest key of a feature, in characters.
const MAX_FEATURE_CHARS: usize = 63;
/// The longest member of a unique count and the longest value of a dimension, in characters.
const MAX_VALUE_CHARS: usize = 200;
/// The longest name of a route, in characters.
const MAX_ROUTE_CHARS: usize = 200;

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
    /// Who or what is counted, for a feature that counts distinct ones; the end user when absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    pub member: Option<String>,
    /// Values of the feature's dimensions, by name, such as `{"model": "small"}`.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub dimensions: BTreeMap<String, String>,
    /// What was called, for rate limits of one route, such as `POST /v1/reports`.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    pub route: Option<String>,
    /// Makes the call safe to repeat: the same key gets the same answer and is counted once. Kept 32 days. The header
    /// `Idempotency-Key` does the same.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
}

impl NewUsage {
    /// One of the feature, by the customer, and nothing more to say.
    pub fn one(customer: CustomerRef, feature: &str) -> Self {
        NewUsage {
            customer,
            end_user: None,
            feature: feature.to_owned(),
            amount: None,
            member: None,
            dimensions: BTreeMap::new(),
            route: None,
            idempotency_key: None,
        }
    }
}

/// Something that waits to be decided.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub shop: Shop,
    pub key: Option<Key>,
    /// The instant whose periods it is counted in: when it arrived, unless it tells of the past.
    pub at: Timestamp,
    pub work: Work,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Use(Box<Use>),
    Settle(Settle),
    Release(HoldId),
    /// Gives back what a hold reserves whose time is over.
    Expire(HoldId),
    Correct(Correct),
}

/// A use of a feature, or of nothing but what [`Also`] names.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub customer: CustomerRef,
    pub end_user: Option<EndUserRef>,
    pub feature: Option<String>,
    pub amount: Amount,
    pub member: Option<String>,
    pub dimensions: BTreeMap<String, String>,
    pub route: Option<String>,
    pub verb: Verb,
    pub also: Also,
}

/// What becomes of the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Used, if there is room.
    Spend,
    /// Held for so long, if there is room.
    Reserve(Duration),
    /// Used already: charged, room or not.
    Record(Told),
}

/// How usage of the past is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// As it happens, perhaps late.
    Event,
    /// As a history that is filled in: nobody is warned of it.
    Backfill,
}

/// What a call is charged to beside the customer's own counter and rate limits: the limits of the key that it was made with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Also {
    /// The key, for rate limits that count by key.
    pub api_key: Option<Uuid>,
    pub charges: Vec<Charge>,
    /// Counters of calls: one call, whatever amount it is of, and never given back.
    pub calls: Vec<Charge>,
    pub rates: Vec<RateCharge>,
}

impl Also {
    /// Whether nothing is charged.
    pub(crate) fn is_empty(&self) -> bool {
        self.charges.is_empty() && self.calls.is_empty() && self.rates.is_empty()
    }
}

/// Charges what a hold has cost altogether so far.
#[derive(Debug, Clone)]
pub(super) struct Settle {
    pub hold: HoldId,
    /// None: all that is held.
    pub total: Option<Amount>,
    pub close: bool,
}

/// Takes back units of an event.
#[derive(Debug, Clone)]
pub(super) struct Correct {
    pub event: UsageEventId,
    /// None: all that is left of it.
    pub amount: Option<Amount>,
    /// Who does it, and in which request: for the audit log.
    pub actor: Actor,
    pub request: Option<RequestId>,
}

/// An idempotency key, and what it stands for.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub text: String,
    pub fingerprint: [u8; 32],
}

impl Use {
    /// A use as it was sent.
    ///
    /// # Errors
    /// `validation_failed`, naming the field.
    pub(super) fn read(input: NewUsage, verb: Verb) -> Result<Self> {
        check_text("feature", &input.feature, 1, MAX_FEATURE_CHARS)?;
        if let Some(member) = &input.member {
            check_text("member", member, 1, MAX_VALUE_CHARS)?;
        }
        if let Some(route) = &input.route {
            check_text("route", route, 1, MAX_ROUTE_CHARS)?;
        }
        check_dimensions(&input.dimensions)?;
        Ok(Use {
            customer: input.customer,
            end_user: input.end_user,
            feature: Some(input.feature),
            amount: input.amount.unwrap_or(Amount::Integer(1)),
            member: input.member,
            dimensions: input.dimensions,
            route: input.route,
            verb,
            also: Also::default(),
        })
    }

    /// A use by somebody who came with a key.
    pub(super) fn of_key(input: KeyedUse, also: Also) -> Self {
        Use {
            customer: input.customer,
            end_user: input.end_user.map(EndUserRef::Id),
            feature: input.feature,
            amount: input.amount.unwrap_or(Amount::Integer(1)),
            member: None,
            dimensions: input.dimensions,
            route: input.route,
            verb: Verb::Spend,
            also,
        }
    }

    /// Kept with the answer for as long as the key is: made of what was sent, and of nothing that a new version may name anew.
    fn fingerprint(&self) -> Result<[u8; 32]> {
        let amount = serde_json::to_string(&self.amount).map_err(Error::internal)?;
        // Nobody's external id is empty, and no feature's key.
        let end_user = self.end_user.as_ref().map_or_else(String::new, name);
        let feature = self.feature.clone().unwrap_or_default();
        let mut parts = vec![name(&self.customer), end_user, feature, amount];
        if !self.dimensions.is_empty() {
            let dimensions = serde_json::to_string(&self.dimensions).map_err(Error::internal)?;
            parts.extend(["dimensions".to_owned(), dimensions]);
        }
        if let Some(member) = &self.member {
            parts.extend(["member".to_owned(), member.clone()]);
        }
        if let Some(route) = &self.route {
            parts.extend(["route".to_owned(), route.clone()]);
        }
        if let Verb::Reserve(lasts) = self.verb {
            parts.extend(["reserve".to_owned(), lasts.as_secs().to_string()]);
        }
        if let Some(key) = self.also.api_key {
            parts.extend(["api_key".to_owned(), key.to_string()]);
        }
        Ok(digest(&parts))
    }
}

impl Correct {
    fn fingerprint(&self) -> Result<[u8; 32]> {
        let amount = serde_json::to_string(&self.amount).map_err(Error::internal)?;
        Ok(digest(&["correct".to_owned(), self.event.to_string(), amount]))
    }
}

impl Order {
    /// An order that is known by a name of its own, whatever else it says.
    pub(super) fn named(shop: Shop, work: Work, name: String, at: Timestamp) -> Self {
        let key = Key {
            text: name,
            fingerprint: [0; 32],
        };
        Order {
            shop,
            key: Some(key),
            at,
            work,
        }
    }

    /// # Errors
    /// `validation_failed`, when the key is none.
    pub(super) fn new(shop: Shop, work: Work, key: Option<String>, at: Timestamp) -> Result<Self> {
        let key = match key {
            None => None,
            Some(text) => {
                check_text("idempotency_key", &text, 1, MAX_KEY_CHARS)?;
                let fingerprint = match &work {
                    Work::Use(wanted) => wanted.fingerprint()?,
                    Work::Correct(wanted) => wanted.fingerprint()?,
                    // Doing these again is doing them once.
                    Work::Settle(_) | Work::Release(_) | Work::Expire(_) => [0; 32],
                };
                Some(Key { text, fingerprint })
            }
        };
        Ok(Order { shop, key, at, work })
    }
}

impl Order {
    /// The hold that it is about.
    pub(super) fn hold(&self) -> Option<HoldId> {
        match &self.work {
            Work::Settle(Settle { hold, .. }) | Work::Release(hold) | Work::Expire(hold) => Some(*hold),
            Work::Use(_) | Work::Correct(_) => None,
        }
    }

    /// Whether it is a use with that value of a dimension.
    pub(super) fn names_value(&self, name: &str, value: &str) -> bool {
        match &self.work {
            Work::Use(wanted) => wanted.dimensions.get(name).is_some_and(|named| named == value),
            _ => false,
        }
    }
}

/// Checks what a call says beside whose it is, before it is known who comes with the key.
///
/// # Errors
/// `validation_failed`, naming the field.
pub(crate) fn check_call(
    feature: Option<&str>,
    dimensions: &BTreeMap<String, String>,
    route: Option<&str>,
    key: Option<&str>,
) -> Result<()> {
    let texts = [
        ("feature", feature, MAX_FEATURE_CHARS),
        ("route", route, MAX_ROUTE_CHARS),
        ("idempotency_key", key, MAX_KEY_CHARS),
    ];
    for (field, text, most) in texts {
        text.map_or(Ok(()), |text| check_text(field, text, 1, most))?;
    }
    check_dimensions(dimensions)
}

fn check_dimensions(dimensions: &BTreeMap<String, String>) -> Result<()> {
    if dimensions.len() > MAX_DIMENSIONS {
        return Err(Error::invalid(
            "dimensions",
            format!("a feature has at most {MAX_DIMENSIONS}"),
        ));
    }
    for (name, value) in dimensions {
        check_text("dimensions", name, 1, MAX_FEATURE_CHARS)?;
        check_text(&format!("dimensions.{name}"), value, 1, MAX_VALUE_CHARS)?;
    }
    Ok(())
}

fn digest(parts: &[String]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
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
        let usage: NewUsage =
            serde_json::from_str(r#"{"customer": "acme", "feature": "calls", "amount": 3}"#).unwrap();
        let made = Use::read(usage.clone(), Verb::Spend)
            .unwrap()
            .fingerprint()
            .unwrap();
        let hex: String = made.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "8a365f799068d3f7d3710e2e8daa05b5a31f011450b3ba1625e094e4b81daff8"
        );
        let held = Use::read(usage, Verb::Reserve(Duration::from_secs(60))).unwrap();
        assert_ne!(held.fingerprint().unwrap(), made, "another verb is another call");
    }
}
