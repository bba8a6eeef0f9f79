//! Tests of the crate `commerce`, a file a noun.

mod api_keys;
mod customers;
mod entitlements;
mod features;
mod gates;
mod overrides;
mod plans;
mod platforms;
mod records;
mod subscriptions;
mod usage;
