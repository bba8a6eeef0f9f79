//! `POST /v1/usage/consume` on one database, in turns with a handler that does nothing.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::BenchArgs;
use super::report::{Rate, Table};
use super::shop::Shop;
use super::start::resident_megabytes;
use super::wrk::{Load, Wrk};
use super::{fsync, one_commit, report};
use crate::process::{Guarded, Keeping};
use crate::servers::plinth::Plinth;
use crate::servers::postgres::{Durability, Postgres};
use crate::servers::{folder, free_port};

const CUSTOMERS: u32 = 1_000;
const CONNECTIONS: u32 = 64;
const START_LIMIT: Duration = Duration::from_secs(10);

const MANY: Load = Load {
    connections: CONNECTIONS,
    customers: CUSTOMERS,
    pause_millis: 0,
};
const HOT: Load = Load { customers: 1, ..MANY };
const LONE: Load = Load {
    connections: 1,
    ..MANY
};

/// The programs to measure.
pub struct Programs<'a> {
    pub plinth: &'a Path,
    pub bare: &'a Path,
    pub one_commit: &'a Path,
}

/// Where the product keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// As many commits at once as make sense: SQLite has one writer, PostgreSQL is given the connections that the product uses.
    fn committers(self) -> u32 {
        match self {
            Self::Sqlite => 1,
            Self::Postgres => 16,
        }
    }
}

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
pub fn measure(programs: &Programs<'_>, wrk: &Wrk, database: Database, args: &BenchArgs) -> Result<Consumed> {
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start(Durability::Full)?),
    };
    let settings = postgres
        .iter()
        .map(|postgres| ("PLINTH_DATABASE_URL", postgres.url().to_owned()))
        .collect();
    let server = Plinth::serve_with(programs.plinth, &[], settings)?;
    let operator = server.bootstrap("ops@example.com")?;
    let shop = server.explain(Shop::open(server.address(), &operator, CUSTOMERS))?;
    let bare = Bare::start(programs.bare)?;

    let run = |address, load| wrk.run(address, &shop.api_key, load, args.slice);
    let url = match &postgres {
        Some(postgres) => postgres.url().to_owned(),
        None => format!("sqlite:{}", server.data_dir().join("plinth.db").display()),
    };
    server.explain(shop.consume(server.address()))?;
    let (mut fsyncs, mut alone) = (Vec::new(), Vec::new());
    let (mut bares, mut manys, mut hots) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        println!("{}: round {round} of {}", database.name(), args.rounds);
        fsyncs.push(fsync::measure()?);
        bares.push(run(bare.address, MANY)?);
        manys.push(server.explain(run(server.address(), MANY))?);
        hots.push(server.explain(run(server.address(), HOT))?);
        alone.push(one_commit::measure(
            programs.one_commit,
            &url,
            &shop,
            database.committers(),
            args.slice,
        )?);
    }
    let many = Rate::median(&manys);
    let lone = server.explain(run(server.address(), LONE))?;
    let half = server.explain(run(server.address(), at_half_of(&many)))?;
    let loaded_megabytes = resident_megabytes(&server)?;
    for complaint in server.complaints() {
        println!("{}: {complaint}", database.name());
    }
    server.stop()?;
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

/// The same connections, each pausing for so long that together they call half as often.
fn at_half_of(full: &Rate) -> Load {
    let between_calls_millis = 1e3 * f64::from(CONNECTIONS) / (full.per_sec / 2.0);
    // Under half the load an answer comes sooner; about half of what it takes under all of it.
    let answer_millis = full.p50_micros / 2e3;
    let pause = (between_calls_millis - answer_millis).max(1.0);
    Load {
        pause_millis: pause.round() as u32,
        ..MANY
    }
}

impl Consumed {
    pub fn rows(&self, table: &mut Table) {
        for (load, rate) in [
            ("64 connections, 1,000 customers", &self.many),
            ("64 connections, one customer", &self.hot),
            ("64 connections, about half of the load", &self.half),
            ("one connection, one call after the other", &self.lone),
        ] {
            let [per_sec, p50, p99] = rate.cells();
            let ratio = |to: &Rate| rate.per_sec / to.per_sec;
            table.row(&[
                self.database.name(),
                load,
                &per_sec,
                &format!("{:.3}", ratio(&self.bare)),
                &format!("{:.2}", ratio(&self.one_commit)),
                &p50,
                &p99,
                &report::grouped(rate.failed),
            ]);
        }
    }

    pub fn yardsticks(&self, table: &mut Table) {
        let name = self.database.name();
        let tasks = match self.database.committers() {
            1 => "one task".to_owned(),
            tasks => format!("{tasks} tasks"),
        };
        for (what, rate) in [
            ("append 4 KB and fdatasync", &self.fsync),
            ("bare axum handler, 64 connections", &self.bare),
            (&format!("one commit a call, no HTTP, {tasks}"), &self.one_commit),
        ] {
            let [per_sec, p50, p99] = rate.cells();
            table.row(&[name, what, &per_sec, &p50, &p99]);
        }
    }

    /// What the next goals are about, in a sentence.
    pub fn summary(&self) -> String {
        format!(
            "On {} {} durable calls a second are {:.2} × the bare handler; a lone call takes {:.1} × as long as an fdatasync; \
             after the load the server holds {:.0} MB of memory. ",
            self.database.name(),
            report::grouped(self.many.per_sec),
            self.many.per_sec / self.bare.per_sec,
            self.lone.p50_micros / self.fsync.p50_micros,
            self.loaded_megabytes,
        )
    }
}

/// The handler that does nothing, running.
struct Bare {
    address: SocketAddr,
    _process: Guarded,
    _folder: TempDir,
}

impl Bare {
    fn start(program: &Path) -> Result<Self> {
        let folder = folder("bare")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(program);
        command.arg(address.to_string());
        let mut process = Guarded::server(&command, &Keeping::default(), &folder.path().join("server.log"))?;
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            if process.ended().context("the bare handler")?.is_some() || Instant::now() > deadline {
                bail!("the bare handler does not start");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            address,
            _process: process,
            _folder: folder,
        })
    }
}
