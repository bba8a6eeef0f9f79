//! The two tables that more than one body of figures has: what the machine can do, and calls beside it.

use super::report::{Rate, Table, grouped};
use super::stand::Database;

/// What the machine can do at all.
pub struct Yardsticks(Table);

impl Yardsticks {
    pub fn new() -> Self {
        Self(Table::new(&[
            "in turns with",
            "what the machine can do",
            "a second",
            "p50",
            "p99",
            "failed",
        ]))
    }

    /// Append and sync, the bare handler, one commit a call.
    pub fn usual(&mut self, database: Database, [fsync, bare, one_commit]: [&Rate; 3]) {
        let tasks = match database.committers() {
            1 => "one task".to_owned(),
            tasks => format!("{tasks} tasks"),
        };
        self.row(database, "append 4 KB and fdatasync", fsync);
        self.row(database, "bare axum handler, 64 connections", bare);
        self.row(
            database,
            &format!("one commit a call, no HTTP, {tasks}"),
            one_commit,
        );
    }

    pub fn row(&mut self, database: Database, what: &str, rate: &Rate) {
        let [per_sec, p50, p99] = rate.cells();
        let failed = grouped(rate.failed);
        self.0
            .row(&[database.name(), what, &per_sec, &p50, &p99, &failed]);
    }

    pub fn text(&self) -> &str {
        self.0.text()
    }
}

/// Consume calls over HTTP, beside two yardsticks.
pub struct Calls(Table);

impl Calls {
    pub fn new() -> Self {
        Self(Table::new(&[
            "database",
            "load",
            "calls a second",
            "× bare",
            "× one commit a call",
            "p50",
            "p99",
            "failed",
        ]))
    }

    pub fn row(&mut self, database: Database, load: &str, rate: &Rate, [bare, one_commit]: [&Rate; 2]) {
        let [per_sec, p50, p99] = rate.cells();
        self.0.row(&[
            database.name(),
            load,
            &per_sec,
            &format!("{:.3}", rate.per_sec / bare.per_sec),
            &format!("{:.2}", rate.per_sec / one_commit.per_sec),
            &p50,
            &p99,
            &grouped(rate.failed),
        ]);
    }

    pub fn text(&self) -> &str {
        self.0.text()
    }
}
