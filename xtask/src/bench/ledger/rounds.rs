//! All loads on one database, in turns: a neighbour who comes and goes disturbs all of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::cloud_events::{Teller, Told};
use super::dashboards::{Clerk, Pace};
use super::fill;
use super::rivals::Rivals;
use crate::bench::bare::Bare;
use crate::bench::programs::Programs;
use crate::bench::report::Rate;
use crate::bench::stand::{Database, Stand};
use crate::bench::start::resident_megabytes;
use crate::bench::wrk::{Load, Wrk};
use crate::bench::{BenchArgs, fsync};

/// Each has a live counter.
pub const CUSTOMERS: u32 = 100_000;
/// At random over all that there are.
const WIDE: Load = Load {
    customers: CUSTOMERS,
    ..Load::MANY
};
/// Lists of calls before the memory of many counters is measured, so that no buffer grows for the first time meanwhile.
const WARM_LISTS: u32 = 10;

/// One thing that is measured, slice by slice, in the order of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slice {
    Fsync,
    Bare,
    Many,
    Hot,
    Wide,
    Half,
    HalfBesideDashboards,
    Lone,
    OneCommit,
    Redis,
    GuardedUpdate,
    FewStored,
    ManyStored,
    CloudEvents,
}

impl Slice {
    pub const ALL: [Self; 14] = [
        Self::Fsync,
        Self::Bare,
        Self::Many,
        Self::Hot,
        Self::Wide,
        Self::Half,
        Self::HalfBesideDashboards,
        Self::Lone,
        Self::OneCommit,
        Self::Redis,
        Self::GuardedUpdate,
        Self::FewStored,
        Self::ManyStored,
        Self::CloudEvents,
    ];

    /// Whether it is measured on this database, in this round. What settles little is measured once.
    pub fn belongs_to(self, database: Database, round: u32) -> bool {
        match self {
            Self::Lone => round == 1,
            Self::Redis => database == Database::Sqlite,
            _ => true,
        }
    }
}

/// The slices of each thing so far.
#[derive(Default)]
pub struct Rates(BTreeMap<Slice, Vec<Rate>>);

impl Rates {
    pub fn add(&mut self, slice: Slice, rate: Rate) {
        self.0.entry(slice).or_default().push(rate);
    }

    fn last(&self, slice: Slice) -> Result<&Rate> {
        let last = self.0.get(&slice).and_then(|rates| rates.last());
        last.with_context(|| format!("{slice:?} is not measured yet"))
    }

    /// The median, where anything was measured.
    pub fn find(&self, slice: Slice) -> Option<Rate> {
        self.0.get(&slice).map(|rates| Rate::median(rates))
    }

    /// # Errors
    /// When nothing was measured.
    pub fn get(&self, slice: Slice) -> Result<Rate> {
        self.find(slice)
            .with_context(|| format!("{slice:?} was not measured"))
    }
}

/// What was measured on one database.
pub struct Measured {
    pub database: Database,
    pub rates: Rates,
    pub told: Told,
    pub pace: Pace,
    /// Megabytes that the server grew by while [`CUSTOMERS`] counters came to life.
    pub grown_megabytes: f64,
    /// Events in the two databases that are compared, before the first call.
    pub stored: [u64; 2],
}

/// Everything that takes part, running.
struct Field<'a> {
    args: &'a BenchArgs,
    programs: &'a Programs,
    wrk: &'a Wrk,
    rivals: &'a Rivals,
    bare: Bare,
    main: Stand,
    few_stored: Stand,
    many_stored: Stand,
    clerk: Clerk,
    teller: Teller,
}

/// Measures everything on fresh databases of one kind.
pub fn measure(
    programs: &Programs,
    wrk: &Wrk,
    rivals: &Rivals,
    database: Database,
    args: &BenchArgs,
) -> Result<Measured> {
    println!("{}: filling databases", database.name());
    let main = Stand::open(&programs.plinth, database, 1)?;
    fill::customers(&main, CUSTOMERS)?;
    let grown_megabytes = main.server.explain(megabytes_of_counters(&main))?;
    let stored = [100_000, 1_000_000].map(|events| events * u64::from(args.events));
    let [few_stored, many_stored] =
        [stored[0], stored[1]].map(|events| with_events(programs, database, events));
    let mut field = Field {
        args,
        programs,
        wrk,
        rivals,
        bare: Bare::start(&programs.bare)?,
        clerk: main.server.explain(Clerk::sign_in(&main))?,
        teller: Teller::of(&main)?,
        main,
        few_stored: few_stored?,
        many_stored: many_stored?,
    };
    let mut rates = Rates::default();
    for round in 1..=args.rounds {
        println!("{}: round {round} of {}", database.name(), args.rounds);
        for slice in Slice::ALL {
            if slice.belongs_to(database, round) {
                let rate = field.run(slice, &rates)?;
                rates.add(slice, rate);
            }
        }
    }
    let told = field.teller.check(&field.main)?;
    let pace = field.clerk.pace();
    for stand in [field.main, field.few_stored, field.many_stored] {
        stand.close()?;
    }
    Ok(Measured {
        database,
        rates,
        told,
        pace,
        grown_megabytes,
        stored,
    })
}

/// A shop of a thousand customers with so many events in the past.
fn with_events(programs: &Programs, database: Database, events: u64) -> Result<Stand> {
    let stand = Stand::open(&programs.plinth, database, 1)?;
    fill::customers(&stand, Load::MANY.customers)?;
    fill::events(&stand, Load::MANY.customers, events)?;
    Ok(stand)
}

/// What the server grows by when each customer is counted for the first time.
fn megabytes_of_counters(stand: &Stand) -> Result<f64> {
    for _ in 0..WARM_LISTS {
        fill::counters(stand, 1..=1_000)?;
    }
    let before = resident_megabytes(&stand.server)?;
    fill::counters(stand, 1..=CUSTOMERS)?;
    let after = resident_megabytes(&stand.server)?;
    let [counters] = stand
        .sql()?
        .numbers("SELECT count(*) FROM counters WHERE used > 0")?;
    ensure!(
        counters >= i64::from(CUSTOMERS),
        "of {CUSTOMERS} counters {counters} are there"
    );
    Ok(after - before)
}

impl Field<'_> {
    fn run(&mut self, slice: Slice, so_far: &Rates) -> Result<Rate> {
        let secs = self.args.slice;
        let half = || so_far.last(Slice::Many).map(Load::at_half_of);
        let main = |load| self.main.load(self.wrk, load, secs);
        match slice {
            Slice::Fsync => fsync::measure(),
            Slice::Bare => {
                let key = &self.main.shop.api_key;
                self.wrk.run(self.bare.address, key, Load::MANY, secs)
            }
            Slice::Many => main(Load::MANY),
            Slice::Hot => main(Load::HOT),
            Slice::Wide => main(WIDE),
            Slice::Half => main(half()?),
            Slice::HalfBesideDashboards => {
                let half = half()?;
                self.clerk.beside(|| main(half))
            }
            Slice::Lone => main(Load::LONE),
            Slice::OneCommit => self.main.one_commit(&self.programs.one_commit, secs),
            Slice::Redis => self.rivals.redis(secs),
            Slice::GuardedUpdate => self.rivals.guarded_update(secs),
            Slice::FewStored => self.few_stored.load(self.wrk, Load::MANY, secs),
            Slice::ManyStored => self.many_stored.load(self.wrk, Load::MANY, secs),
            Slice::CloudEvents => {
                let told = self.teller.run(secs);
                self.main.server.explain(told)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_slices_counts_and_the_last_one_sets_the_pace() {
        let rate = |per_sec| Rate {
            per_sec,
            p50_micros: 1.0,
            p99_micros: 2.0,
            failed: 0.0,
        };
        let mut rates = Rates::default();
        for per_sec in [10.0, 30.0, 20.0] {
            rates.add(Slice::Many, rate(per_sec));
        }
        assert_eq!(rates.get(Slice::Many).unwrap().per_sec, 20.0);
        assert_eq!(rates.last(Slice::Many).unwrap().per_sec, 20.0);
        rates.add(Slice::Many, rate(50.0));
        assert_eq!(rates.last(Slice::Many).unwrap().per_sec, 50.0);
        assert!(rates.find(Slice::Redis).is_none() && rates.get(Slice::Redis).is_err());
    }

    #[test]
    fn a_round_has_every_slice_once_and_in_order() {
        assert!(Slice::ALL.is_sorted_by(|one, next| one < next));
        let of = |database, round| {
            Slice::ALL
                .iter()
                .filter(|slice| slice.belongs_to(database, round))
                .count()
        };
        assert_eq!([of(Database::Sqlite, 1), of(Database::Sqlite, 2)], [14, 13]);
        assert_eq!([of(Database::Postgres, 1), of(Database::Postgres, 2)], [13, 12]);
    }
}
