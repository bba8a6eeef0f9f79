//! Tests of the crate `commerce`, a file a noun.

mod api_keys;
pub mod customer_keys;
mod customers;
mod entitlements;
mod features;
mod gates;
mod grants;
mod holds;
mod ingest;
mod overrides;
mod plans;
mod platforms;
mod rate_limits;
mod records;
mod subscriptions;
mod usage;
mod usage_events;
mod usage_query;
mod usage_verify;

use crate::harness::Example;

/// What each noun's operations are called like, in an order in which an owner can make them all.
pub const EXAMPLES: &[&[Example]] = &[
    platforms::EXAMPLES,
    api_keys::EXAMPLES,
    features::EXAMPLES,
    plans::EXAMPLES,
    customers::EXAMPLES,
    customer_keys::EXAMPLES,
    entitlements::EXAMPLES,
    subscriptions::EXAMPLES,
    overrides::EXAMPLES,
    grants::EXAMPLES,
    rate_limits::EXAMPLES,
    usage::EXAMPLES,
    usage_query::EXAMPLES,
    usage_events::EXAMPLES,
    holds::EXAMPLES,
    ingest::EXAMPLES,
];
