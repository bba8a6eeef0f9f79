//! Tests of the crate `commerce`, a file a noun.

mod api_keys;
mod customers;
mod entitlements;
mod overrides;
mod records;
mod subscriptions;
mod usage;
