//! Tests of the crate `runtime`, a file a noun.

mod audit;
mod http;
mod idempotency;
mod inbox;
mod jobs;
mod outbox;
mod subject_keys;
