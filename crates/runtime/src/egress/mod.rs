//! The guard for outbound HTTP to an address that a user gave: webhook endpoints, OIDC discovery, connectors.
//!
//! A name is resolved once, every address it has is checked, and the connection goes to one of those very addresses, so
//! that a name which changes its mind in between gains nothing. Redirects are not followed, proxies and cookies are not known,
//! every size and every wait has a limit. A connection serves one request.
//!
//! Not here: addresses that the operator gave (mail, blobs, cache, database); they are trusted.

mod address;
mod block;
mod client;
mod error;
mod policy;
mod resolve;
mod target;
#[cfg(test)]
mod tests;

pub use block::{Block, NotABlock};
pub use client::{Egress, Request, Response, is_reserved_header};
pub use error::EgressError;
pub use policy::{AllowedHost, EgressPolicy, NotAHost};
pub use resolve::{Resolve, SystemResolver};
