//! From what was measured to tables, and to which goals are reached.

use anyhow::Result;

use super::rounds::{CUSTOMERS, Measured, Slice};
use crate::bench::report::{Bound, Goal, Table, goals, grouped, millis};
use crate::bench::stand::Database;
use crate::bench::tables::{Calls, Yardsticks};

pub fn report(measured: &[Measured]) -> Result<String> {
    let (mut yardsticks, mut calls) = (Yardsticks::new(), Calls::new());
    let mut told = Table::new(&[
        "database",
        "events a second",
        "a list, p50",
        "a list, p99",
        "told",
        "different ones, each stored once",
        "lists told again",
    ]);
    let (mut sentences, mut reached) = (String::new(), Vec::new());
    for one in measured {
        add_yardsticks(&mut yardsticks, one)?;
        add_calls(&mut calls, one)?;
        add_told(&mut told, one)?;
        sentences.push_str(&sentence(one)?);
        reached.extend(goals_of(one)?);
    }
    Ok(format!(
        "{}\n{}\n{}\n{}\n\n{}",
        yardsticks.text(),
        calls.text(),
        told.text(),
        sentences.trim_end(),
        goals(&reached).text(),
    ))
}

fn add_yardsticks(table: &mut Yardsticks, measured: &Measured) -> Result<()> {
    let (database, rates) = (measured.database, &measured.rates);
    let [fsync, bare, one_commit] =
        [Slice::Fsync, Slice::Bare, Slice::OneCommit].map(|slice| rates.get(slice));
    table.usual(database, [&fsync?, &bare?, &one_commit?]);
    for (slice, what) in [
        (
            Slice::Redis,
            "Redis, `appendfsync always`, check and decrement, 64 connections",
        ),
        (
            Slice::GuardedUpdate,
            "PostgreSQL, guarded `UPDATE` of one row, 32 connections",
        ),
    ] {
        if let Some(rate) = rates.find(slice) {
            table.row(database, what, &rate);
        }
    }
    Ok(())
}

fn add_calls(table: &mut Calls, measured: &Measured) -> Result<()> {
    let rates = &measured.rates;
    let (bare, one_commit) = (rates.get(Slice::Bare)?, rates.get(Slice::OneCommit)?);
    let [few, many] = measured.stored.map(|events| grouped(events as f64));
    for (slice, load) in [
        (Slice::Many, "64 connections, 1,000 customers"),
        (Slice::Hot, "64 connections, one customer"),
        (
            Slice::Wide,
            &format!("64 connections, {} customers", grouped(f64::from(CUSTOMERS))),
        ),
        (Slice::Half, "64 connections, about half of the load"),
        (
            Slice::HalfBesideDashboards,
            "the same, while a dashboard is in use",
        ),
        (Slice::Lone, "one connection, one call after the other"),
        (
            Slice::FewStored,
            &format!("64 connections, {few} events stored before"),
        ),
        (
            Slice::ManyStored,
            &format!("64 connections, {many} events stored before"),
        ),
    ] {
        table.row(measured.database, load, &rates.get(slice)?, [&bare, &one_commit]);
    }
    Ok(())
}

fn add_told(table: &mut Table, measured: &Measured) -> Result<()> {
    let rate = measured.rates.get(Slice::CloudEvents)?;
    let [per_sec, p50, p99] = rate.cells();
    let told = measured.told;
    table.row(&[
        measured.database.name(),
        &per_sec,
        &p50,
        &p99,
        &grouped(told.events as f64),
        &grouped(told.distinct as f64),
        &grouped(told.failed as f64),
    ]);
    Ok(())
}

/// What has no goal.
fn sentence(measured: &Measured) -> Result<String> {
    let (half, beside) = (
        measured.rates.get(Slice::Half)?,
        measured.rates.get(Slice::HalfBesideDashboards)?,
    );
    Ok(format!(
        "On {}: p99 at half of the load is {}, and {} while somebody at the dashboard writes {:.0} times and reads {:.0} pages a \
         second ({} requests failed). {} live counters made the server {:.0} MB larger, {:.0} MB for a million at that rate. ",
        measured.database.name(),
        millis(half.p99_micros),
        millis(beside.p99_micros),
        measured.pace.writes_per_sec,
        measured.pace.pages_per_sec,
        grouped(measured.pace.failed),
        grouped(f64::from(CUSTOMERS)),
        measured.grown_megabytes,
        measured.grown_megabytes * 1e6 / f64::from(CUSTOMERS),
    ))
}

fn goals_of(measured: &Measured) -> Result<Vec<Goal>> {
    let (database, rates) = (measured.database, &measured.rates);
    let goal = |what: &str, measured, bound, unit| Goal {
        what: format!("{}: {what}", database.name()),
        measured,
        bound,
        unit,
    };
    let mut goals = Vec::new();
    for (what, one, other, bound) in ratios(database) {
        let ratio = rates.get(one)?.per_sec / rates.get(other)?.per_sec;
        goals.push(goal(what, ratio, bound, "×"));
    }
    let beyond_fsync = rates.get(Slice::Lone)?.p50_micros - rates.get(Slice::Fsync)?.p50_micros;
    goals.extend([
        goal(
            "p99 at half of that load",
            rates.get(Slice::Half)?.p99_micros / 1e3,
            Bound::AtMost(10.0),
            "ms",
        ),
        goal(
            "a lone call, beyond an fdatasync (p50)",
            beyond_fsync / 1e3,
            Bound::AtMost(1.0),
            "ms",
        ),
        goal(
            "CloudEvents in lists",
            rates.get(Slice::CloudEvents)?.per_sec,
            Bound::AtLeast(100_000.0),
            "a second",
        ),
    ]);
    Ok(goals)
}

/// Goals that compare two rates, the first divided by the second.
fn ratios(database: Database) -> Vec<(&'static str, Slice, Slice, Bound)> {
    let consume = "durable consume ÷ bare handler";
    let mut ratios = match database {
        Database::Sqlite => vec![
            (consume, Slice::Many, Slice::Bare, Bound::AtLeast(0.30)),
            (
                "durable consume ÷ one commit a call",
                Slice::Many,
                Slice::OneCommit,
                Bound::AtLeast(6.0),
            ),
            (
                "one hot counter ÷ Redis",
                Slice::Hot,
                Slice::Redis,
                Bound::AtLeast(5.0),
            ),
        ],
        Database::Postgres => vec![(consume, Slice::Many, Slice::Bare, Bound::AtLeast(0.18))],
    };
    ratios.extend([
        (
            "one hot counter ÷ guarded `UPDATE`",
            Slice::Hot,
            Slice::GuardedUpdate,
            Bound::AtLeast(10.0),
        ),
        (
            "one hot counter ÷ 100,000 counters",
            Slice::Hot,
            Slice::Wide,
            Bound::Between(0.8, 1.2),
        ),
        (
            "many stored events ÷ a tenth of them",
            Slice::ManyStored,
            Slice::FewStored,
            Bound::AtLeast(0.9),
        ),
    ]);
    ratios
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ledger::cloud_events::Told;
    use crate::bench::ledger::dashboards::Pace;
    use crate::bench::ledger::rounds::Rates;
    use crate::bench::report::Rate;

    /// Everything runs at 1,000 a second but the bare handler, at twice that.
    fn measured(database: Database) -> Measured {
        let mut rates = Rates::default();
        for slice in Slice::ALL
            .into_iter()
            .filter(|slice| slice.belongs_to(database, 1))
        {
            let rate = Rate {
                per_sec: if slice == Slice::Bare { 2_000.0 } else { 1_000.0 },
                p50_micros: if slice == Slice::Lone { 2_500.0 } else { 1_000.0 },
                p99_micros: 9_000.0,
                failed: 0.0,
            };
            rates.add(slice, rate);
        }
        Measured {
            database,
            rates,
            told: Told::default(),
            pace: Pace {
                writes_per_sec: 2.0,
                pages_per_sec: 3.0,
                failed: 0.0,
            },
            grown_megabytes: 50.0,
            stored: [100_000, 1_000_000],
        }
    }

    #[test]
    fn every_goal_is_told_for_each_database_that_it_is_about() {
        let report = report(&Database::ALL.map(measured)).unwrap();
        let verdicts = |database: &str, verdict: &str| {
            let start = format!("| {database}: ");
            let end = format!("| {verdict} |");
            report
                .lines()
                .filter(|line| line.starts_with(&start) && line.ends_with(&end))
                .count()
        };
        assert_eq!([verdicts("SQLite", "yes"), verdicts("SQLite", "**no**")], [4, 5]);
        assert_eq!(
            [verdicts("PostgreSQL", "yes"), verdicts("PostgreSQL", "**no**")],
            [4, 3]
        );
        assert!(report.contains("| SQLite: durable consume ÷ bare handler | 0.50 × | ≥ 0.30 × | yes |"));
        assert!(
            report.contains("| SQLite: a lone call, beyond an fdatasync (p50) | 1.50 ms | ≤ 1 ms | **no** |")
        );
        assert!(report.contains("50 MB larger, 500 MB for a million"));
    }

    #[test]
    fn a_thing_that_was_not_measured_is_an_error_and_not_a_gap() {
        let mut incomplete = measured(Database::Sqlite);
        incomplete.rates = Rates::default();
        assert!(report(&[incomplete]).is_err());
    }
}
