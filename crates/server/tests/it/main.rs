//! The tests of the whole product, by part and noun. Every test runs on both databases, in process, in a workspace of
//! its own. What cannot be seen in process has processes: `cli`, `processes`.

// A test says when it is skipped, and shows what its server logged when it fails.
#![allow(clippy::print_stdout)]

#[macro_use]
mod harness;

mod accounts;
mod cli;
mod commerce;
mod dashboard;
mod processes;
mod runtime;
mod whole;
