//! Tests of the crate `accounts`, a file a noun.
