//! How a request body names a customer or an end user: by our id or by the seller's own.

use std::borrow::Cow;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use types::id::{CustomerId, EndUserId, Kind};
use types::text::check_text;
use types::{Error, Id, Result};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The longest external id, in characters.
pub const MAX_EXTERNAL_ID_CHARS: usize = 255;

/// A customer, by `cus_…` or by external id. An external id never looks like an id of ours, so a text names
/// one thing only.
pub type CustomerRef = Reference<CustomerId>;
/// An end user of a customer, by `eus_…` or by external id.
pub type EndUserRef = Reference<EndUserId>;

/// Somebody, by our id or by the seller's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference<I> {
    Id(I),
    External(String),
}

impl<K: Kind> FromStr for Reference<Id<K>> {
    type Err = Error;

    /// Whatever reads as an id of ours is one.
    fn from_str(text: &str) -> Result<Self> {
        if let Ok(id) = text.parse() {
            return Ok(Reference::Id(id));
        }
        check_text(K::NOUN, text, 1, MAX_EXTERNAL_ID_CHARS)?;
        Ok(Reference::External(text.to_owned()))
    }
}

impl<'de, K: Kind> Deserialize<'de> for Reference<Id<K>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|error: Error| D::Error::custom(error.detail()))
    }
}

impl<K: Kind> PartialSchema for Reference<Id<K>> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_EXTERNAL_ID_CHARS))
            .description(Some(format!(
                "An id, {}_…, or the external id that it was created with.",
                K::PREFIX
            )))
            .into()
    }
}

impl<K: Kind> ToSchema for Reference<Id<K>> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}_ref", K::NOUN.replace(' ', "_")))
    }
}

/// Checks an external id that is about to be stored.
///
/// # Errors
/// `validation_failed`, when it is empty, too long, or reads as an id of ours.
pub(super) fn check_external_id<K: Kind>(external_id: &str) -> Result<()> {
    check_text("external_id", external_id, 1, MAX_EXTERNAL_ID_CHARS)?;
    if external_id.parse::<Id<K>>().is_ok() {
        let message = format!(
            "must be an id of yours; {}_… is an id that this API gives",
            K::PREFIX
        );
        return Err(Error::invalid("external_id", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::id;

    #[test]
    fn an_id_of_ours_wins() {
        let id = CustomerId::generate();
        assert_eq!(id.to_string().parse::<CustomerRef>().unwrap(), Reference::Id(id));
        let external = Reference::External("cus_acme".to_owned());
        assert_eq!("cus_acme".parse::<CustomerRef>().unwrap(), external);
        assert!(check_external_id::<id::Customer>("cus_acme").is_ok());
        assert!(check_external_id::<id::Customer>(&id.to_string()).is_err());
    }

    #[test]
    fn texts_that_name_nobody_are_refused() {
        for text in ["", "a\0", &"a".repeat(MAX_EXTERNAL_ID_CHARS + 1)] {
            assert!(text.parse::<CustomerRef>().is_err(), "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<CustomerRef>(&json).is_err(), "{text:?}");
        }
    }
}
