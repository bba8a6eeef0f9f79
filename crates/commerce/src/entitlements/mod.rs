//! Entitlements: what a customer may use, and why.

mod columns;
mod http;
mod resolve;
mod store;

pub(crate) use self::columns::LimitColumns;
pub(crate) use self::http::routes;
pub(crate) use self::resolve::{OverrideSource, PlanSource, Resolved, Source, resolve};
