//! Tests of the crate `runtime`, a file a noun.
