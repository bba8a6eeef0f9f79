//! Tests that look at the product as a whole.

mod operations;
mod schema;
mod tenancy;
mod twins;
mod walls;
