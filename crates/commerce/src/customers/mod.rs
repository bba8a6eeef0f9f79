//! Customers: who buys from a platform. A customer is an id with the seller's own names for it; people are elsewhere.

mod http;
mod reference;
pub(crate) mod store;

use std::collections::BTreeMap;

use ledger::Anchor;
use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::CustomerId;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

pub(crate) use self::http::routes;
pub use self::reference::{CustomerRef, EndUserRef, MAX_EXTERNAL_ID, Reference};

/// Who buys from a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    pub id: CustomerId,
    /// The seller's own id of the customer, if there is one.
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    /// The seller's own notes.
    pub metadata: BTreeMap<String, String>,
    /// Where the customer's periods begin.
    #[schema(schema_with = anchor_schema)]
    pub anchor: Anchor,
    pub created_at: Timestamp,
    /// An archived customer keeps everything and can use nothing.
    pub archived_at: Option<Timestamp>,
}

fn anchor_schema() -> Object {
    let first = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Local date and time, such as 2026-01-31T00:00:00."));
    let zone = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("IANA time zone, such as Europe/Berlin."));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Where the customer's periods begin: what counts is its day, time and zone.",
        ))
        .property("first", first)
        .required("first")
        .property("zone", zone)
        .required("zone")
        .build()
}
