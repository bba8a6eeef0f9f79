//! Tests of the crate `commerce`, a file a noun.
