//! `POST /v1/usage/consume` on one database, in turns with a handler that does nothing.

use anyhow::Result;

use super::bare::Bare;
use super::programs::Programs;
use super::report::{Rate, grouped};
use super::stand::{Database, Stand};
use super::start::resident_megabytes;
use super::tables::{Calls, Yardsticks};
use super::wrk::{Load, Wrk};
use super::{BenchArgs, fsync};

/// What was measured on one database.
pub struct Consumed {
    database: Database,
    fsync: Rate,
    bare: Rate,
    many: Rate,
    hot: Rate,
    lone: Rate,
    half: Rate,
    one_commit: Rate,
    loaded_megabytes: f64,
}

/// Runs every load on a fresh database.
pub fn measure(programs: &Programs, wrk: &Wrk, database: Database, args: &BenchArgs) -> Result<Consumed> {
    let stand = Stand::open(&programs.plinth, database, Load::MANY.customers)?;
    let bare = Bare::start(&programs.bare)?;
    let load = |load| stand.load(wrk, load, args.slice);
    let (mut fsyncs, mut alone) = (Vec::new(), Vec::new());
    let (mut bares, mut manys, mut hots) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        println!("{}: round {round} of {}", database.name(), args.rounds);
        fsyncs.push(fsync::measure()?);
        bares.push(wrk.run(bare.address, &stand.shop.api_key, Load::MANY, args.slice)?);
        manys.push(load(Load::MANY)?);
        hots.push(load(Load::HOT)?);
        alone.push(stand.one_commit(&programs.one_commit, args.slice)?);
    }
    let many = Rate::median(&manys);
    let lone = load(Load::LONE)?;
    let half = load(Load::at_half_of(&many))?;
    let loaded_megabytes = resident_megabytes(&stand.server)?;
    stand.close()?;
    Ok(Consumed {
        database,
        fsync: Rate::median(&fsyncs),
        bare: Rate::median(&bares),
        many,
        hot: Rate::median(&hots),
        lone,
        half,
        one_commit: Rate::median(&alone),
        loaded_megabytes,
    })
}

impl Consumed {
    pub fn rows(&self, yardsticks: &mut Yardsticks, calls: &mut Calls) {
        yardsticks.usual(self.database, [&self.fsync, &self.bare, &self.one_commit]);
        for (load, rate) in [
            ("64 connections, 1,000 customers", &self.many),
            ("64 connections, one customer", &self.hot),
            ("64 connections, about half of the load", &self.half),
            ("one connection, one call after the other", &self.lone),
        ] {
            calls.row(self.database, load, rate, [&self.bare, &self.one_commit]);
        }
    }

    /// What the next goals are about, in a sentence.
    pub fn summary(&self) -> String {
        format!(
            "On {} {} durable calls a second are {:.2} × the bare handler; a lone call takes {:.1} × as long as an fdatasync; \
             after the load the server holds {:.0} MB of memory. ",
            self.database.name(),
            grouped(self.many.per_sec),
            self.many.per_sec / self.bare.per_sec,
            self.lone.p50_micros / self.fsync.p50_micros,
            self.loaded_megabytes,
        )
    }
}
