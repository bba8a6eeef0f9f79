//! Tests of the crate `runtime`, a file a noun.

mod audit;
mod http;
mod idempotency;
mod inbox;
mod jobs;
mod outbox;
mod subject_keys;

use crate::harness::Example;

/// What each noun's operations are called like, in an order in which an owner can make them all.
pub const EXAMPLES: &[&[Example]] = &[audit::EXAMPLES];
