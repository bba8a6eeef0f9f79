//! The HTTP kit: what a handler takes in and gives out, and the pipeline every request goes through.

mod body;
mod cors;
mod health;
mod idempotency;
mod openapi;
mod page;
mod pipeline;
mod problem;
mod security;

pub use self::body::{Body, Created, OneOrMany, Params, Segments};
pub(crate) use self::health::LastHealth;
pub use self::health::health_routes;
pub(crate) use self::idempotency::forget_old as forget_idempotency_keys;
pub use self::idempotency::layer as idempotency_layer;
pub use self::openapi::{Failures, describe};
pub use self::page::PageQuery;
pub use self::pipeline::layer as pipeline_layer;
pub use self::problem::{Problem, ProblemBody, Reported};
pub use self::security::require_own_page;
