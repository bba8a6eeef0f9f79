//! The database: SQLite or PostgreSQL behind one set of statements.

mod error;
mod migrate;
#[cfg(feature = "mutation")]
mod mutation;
mod parity;
mod postgres;
mod rls;
mod row;
mod rows;
mod sqlite;
mod tx;
mod value;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::Executor;
use tokio::sync::Notify;
use types::{Error, Result};

pub use self::error::overtaken;
pub use self::migrate::{MIGRATIONS, Migration, Upgrade};
pub use self::parity::{Column, Index, Schema};
pub use self::row::{FromColumn, Row};
pub use self::tx::{Dialect, Tx};
pub use self::value::Value;

use self::postgres::{Isolation, PostgresDb};
use self::sqlite::SqliteDb;
use self::tx::Connection;
use crate::scope::{Issuer, Scope};
use crate::tables::Table;

/// How often a transaction that lost against another is run again before the caller hears of it.
const MAX_ATTEMPTS: u32 = 12;

/// Which database, and where.
#[derive(Debug, Clone)]
pub enum DbConfig {
    /// One file.
    Sqlite { path: PathBuf },
    Postgres {
        /// `postgres://user:password@host/database`
        url: SecretString,
        /// Connections that are opened at most.
        max_connections: u32,
    },
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    backend: Arc<Backend>,
    queued: Arc<Notify>,
}

enum Backend {
    Sqlite(SqliteDb),
    Postgres(PostgresDb),
}

/// Opens the database, brings its schema up to date and checks that no tenant's table can be reached by another.
/// `tables` is every table of every part.
///
/// # Errors
/// Unavailable, when the database cannot be reached; internal, when its schema is newer than this program or its row
/// level security is not what `tables` asks for.
pub async fn open(config: &DbConfig, tables: &[Table]) -> Result<(Db, Issuer)> {
    open_with(config, tables, Upgrade::Run).await
}

/// [`open`], with a say in what it may do to the schema.
///
/// # Errors
/// Those of [`open`]; unavailable, when steps of the schema are missing that may not be run.
pub async fn open_with(config: &DbConfig, tables: &[Table], upgrade: Upgrade) -> Result<(Db, Issuer)> {
    let backend = match config {
        DbConfig::Sqlite { path } => {
            let sqlite = SqliteDb::open(path).await?;
            migrate::sqlite(&sqlite, path, upgrade).await?;
            Backend::Sqlite(sqlite)
        }
        DbConfig::Postgres { url, max_connections } => {
            let postgres = PostgresDb::open(url, *max_connections).await?;
            migrate::postgres(&postgres, tables, upgrade).await?;
            rls::check(&postgres, tables).await?;
            Backend::Postgres(postgres)
        }
    };
    Ok((
        Db {
            backend: Arc::new(backend),
            queued: Arc::default(),
        },
        Issuer::new(),
    ))
}

impl Db {
    /// The database as `scope` may see it.
    pub fn of<S: Scope>(&self, scope: S) -> Scoped<'_, S> {
        Scoped { db: self, scope }
    }

    /// Signalled after each commit that queued work for somebody in this process.
    pub fn queued(&self) -> &Notify {
        &self.queued
    }

    pub fn dialect(&self) -> Dialect {
        match *self.backend {
            Backend::Sqlite(_) => Dialect::Sqlite,
            Backend::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Asks the database for a sign of life.
    pub async fn check(&self) -> Result<()> {
        match &*self.backend {
            Backend::Sqlite(sqlite) if !sqlite.has_writer() => {
                return Err(Error::unavailable(
                    "The database writer has stopped. Start the server again.",
                ));
            }
            Backend::Sqlite(sqlite) => sqlite.readers.execute("SELECT 1").await.map(drop),
            Backend::Postgres(postgres) => postgres.pool.execute("SELECT 1").await.map(drop),
        }
        .map_err(error::from_sqlx)
    }

    /// Columns and indexes of every table, for comparing the two databases with each other and with the declarations.
    pub async fn schema(&self) -> Result<Schema> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => parity::sqlite(sqlite).await,
            Backend::Postgres(postgres) => parity::postgres(postgres).await,
        }
    }

    /// Writes a consistent copy of an SQLite database to `target`, beside running writers.
    ///
    /// # Errors
    /// On PostgreSQL: its own tools make better copies, and the message names them.
    pub async fn snapshot_to(&self, target: &std::path::Path) -> Result<()> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => migrate::snapshot(sqlite, target).await,
            Backend::Postgres(_) => Err(Error::invalid(
                "database",
                "back up PostgreSQL with pg_dump or continuous archiving; this command copies SQLite",
            )),
        }
    }

    /// Closes every connection, after the transactions under way.
    pub async fn close(&self) {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.pool.close().await,
        }
    }
}

/// The database within one scope.
pub struct Scoped<'a, S> {
    db: &'a Db,
    scope: S,
}

impl<S: Scope> Scoped<'_, S> {
    /// Reads from one consistent snapshot.
    pub async fn read<T, F, Fut>(&self, mut work: F) -> Result<T>
    where
        F: FnMut(Tx<S>) -> Fut,
        Fut: Future<Output = Result<T>> + Send,
    {
        let connection = match &*self.db.backend {
            Backend::Sqlite(sqlite) => {
                Connection::Reader(sqlite.readers.begin().await.map_err(error::from_sqlx)?)
            }
            Backend::Postgres(postgres) => {
                Connection::Postgres(postgres.begin(self.scope, Isolation::Snapshot).await?)
            }
        };
        let (tx, slot) = Tx::new(connection, self.scope, self.db.queued.clone());
        let answer = work(tx).await?;
        slot.take()?.finish_read().await?;
        Ok(answer)
    }

    /// Writes as if alone. `work` may run several times, so it changes nothing but the transaction, and does nothing slow:
    /// no network, no hashing of passwords.
    pub async fn write<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: FnMut(Tx<S>) -> Fut,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.write_with(Isolation::Serializable, work).await
    }

    /// Writes rows that `work` locks before it decides on them (`SELECT … FOR UPDATE`, in key order): for the ledger,
    /// the outbox, the inbox and jobs.
    pub async fn write_locked<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: FnMut(Tx<S>) -> Fut,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.write_with(Isolation::Locked, work).await
    }

    async fn write_with<T, F, Fut>(&self, isolation: Isolation, mut work: F) -> Result<T>
    where
        F: FnMut(Tx<S>) -> Fut,
        Fut: Future<Output = Result<T>> + Send,
    {
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(isolation, &mut work).await;
            match outcome {
                Err(error) if attempt < MAX_ATTEMPTS && error::asks_for_retry(&error) => {
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt<T, F, Fut>(&self, isolation: Isolation, work: &mut F) -> Result<T>
    where
        F: FnMut(Tx<S>) -> Fut,
        Fut: Future<Output = Result<T>> + Send,
    {
        let connection = match &*self.db.backend {
            Backend::Sqlite(sqlite) => Connection::Writer(sqlite.lease().await?),
            Backend::Postgres(postgres) => Connection::Postgres(postgres.begin(self.scope, isolation).await?),
        };
        let (tx, slot) = Tx::new(connection, self.scope, self.db.queued.clone());
        let answer = work(tx).await?;
        slot.take()?.commit().await?;
        Ok(answer)
    }
}

/// A random wait that grows: of two transactions that collide, one should be through before the other comes back.
fn backoff(attempt: u32) -> Duration {
    let ceiling = 1_u64 << attempt.min(7);
    let spread = uuid::Uuid::new_v4().as_u128() as u64 % (ceiling * 1_000);
    Duration::from_micros(500 + spread)
}
