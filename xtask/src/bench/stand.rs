//! A server on a fresh database with a shop in it, to be loaded and looked into.

use std::path::Path;

use anyhow::Result;

use super::one_commit;
use super::report::Rate;
use super::shop::Shop;
use super::sql::Sql;
use super::wrk::{Load, Wrk};
use crate::servers::Durability;
use crate::servers::plinth::{Operator, Plinth};
use crate::servers::postgres::Postgres;

/// Where the product keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// As many commits at once as make sense: SQLite has one writer, PostgreSQL is given the connections that the product uses.
    pub fn committers(self) -> u32 {
        match self {
            Self::Sqlite => 1,
            Self::Postgres => 16,
        }
    }
}

/// A running server that nobody else calls.
pub struct Stand {
    pub database: Database,
    pub operator: Operator,
    pub shop: Shop,
    // Dropped in this order: the server before its database.
    pub server: Plinth,
    postgres: Option<Postgres>,
    sqlite_file: std::path::PathBuf,
}

impl Stand {
    /// Starts a server and opens a shop with so many customers, of whom the first has made one call.
    pub fn open(plinth: &Path, database: Database, customers: u32) -> Result<Self> {
        let postgres = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(Postgres::start(Durability::Full)?),
        };
        let settings = postgres
            .iter()
            .map(|postgres| ("PLINTH_DATABASE_URL", postgres.url().to_owned()))
            .collect();
        let server = Plinth::serve_with(plinth, &[], settings)?;
        let operator = server.bootstrap("ops@example.com")?;
        let shop = server.explain(Shop::open(server.address(), &operator, customers))?;
        server.explain(shop.consume(server.address()))?;
        Ok(Self {
            database,
            operator,
            shop,
            sqlite_file: server.data_dir().join("plinth.db"),
            server,
            postgres,
        })
    }

    /// Consume calls for `secs` seconds.
    pub fn load(&self, wrk: &Wrk, load: Load, secs: u64) -> Result<Rate> {
        self.server
            .explain(wrk.run(self.server.address(), &self.shop.api_key, load, secs))
    }

    /// The yardstick without a group commit, on the database of this server.
    pub fn one_commit(&self, example: &Path, secs: u64) -> Result<Rate> {
        let url = match &self.postgres {
            Some(postgres) => postgres.url().to_owned(),
            None => format!("sqlite:{}", self.sqlite_file.display()),
        };
        one_commit::measure(example, &url, &self.shop, self.database.committers(), secs)
    }

    /// A way into the database beside the server.
    pub fn sql(&self) -> Result<Sql<'_>> {
        match &self.postgres {
            Some(postgres) => Ok(Sql::Postgres(postgres)),
            None => Sql::sqlite(&self.sqlite_file),
        }
    }

    /// Stops the server, after its complaints were shown.
    pub fn close(self) -> Result<()> {
        for complaint in self.server.complaints() {
            println!("{}: {complaint}", self.database.name());
        }
        self.server.stop()
    }
}
