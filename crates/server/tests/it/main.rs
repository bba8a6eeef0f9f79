//! The tests of the whole product, by part and noun. Every test runs on both databases, in process, in a workspace of
//! its own.

#[macro_use]
mod harness;

mod accounts;
mod cli;
mod commerce;
mod dashboard;
mod processes;
mod runtime;
mod whole;
