//! A transaction: the only way to reach the database. It knows its scope, runs the same statements on both databases,
//! and after a failed statement it can only roll back.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::postgres::PgArguments;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Executor, SqlSafeStr, SqlStr};
use tokio::sync::Notify;
use types::{Error, Result};

use super::error::{from_commit, from_sqlx};
use super::postgres::PostgresTx;
use super::row::{Inner, Row};
use super::rows::{self, Chunks};
use super::sqlite::Lease;
use super::value::Value;
use crate::scope::{Scope, Tenant};

/// Which of the two databases runs the statements, for the few that must differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// Picks the text for the database of `$tx`: for the few statements that one text cannot say.
#[macro_export]
macro_rules! dialect {
    ($tx:expr, sqlite: $sqlite:expr, postgres: $postgres:expr $(,)?) => {
        match $tx.dialect() {
            $crate::Dialect::Sqlite => $sqlite,
            $crate::Dialect::Postgres => $postgres,
        }
    };
}

pub(super) enum Connection {
    Reader(sqlx::Transaction<'static, Sqlite>),
    Writer(Lease),
    Postgres(PostgresTx),
}

type AfterCommit = Box<dyn FnOnce() + Send>;

/// A transaction in scope `S`.
///
/// It is handed to a closure by value, so that the closure's future borrows nothing from its caller and can run on any
/// thread. When the closure is done with it, dropping it gives the connection back to whoever began the transaction and
/// will commit it.
pub struct Tx<S> {
    open: Option<Open>,
    scope: S,
    slot: Slot,
}

/// What a transaction is while it is under way.
pub(super) struct Open {
    connection: Connection,
    failed: bool,
    after_commit: Vec<AfterCommit>,
    queued: Arc<Notify>,
}

/// Where a dropped [`Tx`] leaves its connection.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Open>>>);

impl Slot {
    /// The transaction, given back.
    ///
    /// # Errors
    /// Internal, when the closure kept its `Tx`: then nothing can be committed.
    pub(super) fn take(&self) -> Result<Open> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        open.ok_or_else(|| Error::internal("a transaction outlived its closure"))
    }
}

impl<S> Drop for Tx<S> {
    fn drop(&mut self) {
        *self.slot.0.lock().unwrap_or_else(PoisonError::into_inner) = self.open.take();
    }
}

impl<S: Scope> Tx<S> {
    pub(super) fn new(connection: Connection, scope: S, queued: Arc<Notify>) -> (Self, Slot) {
        let slot = Slot::default();
        let open = Open {
            connection,
            failed: false,
            after_commit: Vec::new(),
            queued,
        };
        (
            Tx {
                open: Some(open),
                scope,
                slot: slot.clone(),
            },
            slot,
        )
    }

    fn open(&mut self) -> &mut Open {
        match &mut self.open {
            Some(open) => open,
            None => unreachable!("a transaction is emptied only when it is dropped"),
        }
    }

    pub fn scope(&self) -> S {
        self.scope
    }

    pub fn dialect(&self) -> Dialect {
        match &self.open {
            Some(Open {
                connection: Connection::Postgres(_),
                ..
            }) => Dialect::Postgres,
            _ => Dialect::Sqlite,
        }
    }

    /// Runs `wake` once the transaction is durable, and never if it is not. For waking a worker or dropping a cached
    /// value: it must be quick and cannot fail.
    pub fn after_commit(&mut self, wake: impl FnOnce() + Send + 'static) {
        self.open().after_commit.push(Box::new(wake));
    }

    /// Wakes whoever waits on [`super::Db::queued`] once the transaction is durable: it queued work.
    pub fn announce_work(&mut self) {
        let queued = self.open().queued.clone();
        self.after_commit(move || queued.notify_one());
    }

    /// Runs a statement; the number of rows it touched.
    pub async fn execute(&mut self, sql: &'static str, params: Vec<Value>) -> Result<u64> {
        let sql = self.guard(sql)?;
        self.run(sql.into_sql_str(), params).await
    }

    /// Runs a query; every row.
    pub async fn fetch_all(&mut self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>> {
        let sql = self.guard(sql)?;
        self.query(sql.into_sql_str(), params).await
    }

    /// Runs a query that answers one row or none.
    pub async fn fetch_optional(&mut self, sql: &'static str, params: Vec<Value>) -> Result<Option<Row>> {
        let sql = self.guard(sql)?;
        let outcome = match &mut self.open().connection {
            Connection::Reader(reader) => sqlite_row(&mut *reader, sql, params).await,
            Connection::Writer(lease) => sqlite_row(lease.connection(), sql, params).await,
            Connection::Postgres(tx) => {
                let query = sqlx::query_with(sql, postgres_arguments(params)?);
                let row = tx.fetch_optional(query).await;
                row.map(|row| row.map(|row| Row(Inner::Postgres(row))))
            }
        };
        self.settle(outcome)
    }

    /// Runs a query that always answers a row, such as a count.
    ///
    /// # Errors
    /// Internal, when there is no row.
    pub async fn fetch_one(&mut self, sql: &'static str, params: Vec<Value>) -> Result<Row> {
        let row = self.fetch_optional(sql, params).await?;
        row.ok_or_else(|| Error::internal(format!("no row from: {sql}")))
    }

    /// Inserts many rows with few statements: `head` is `INSERT INTO t (a, b) VALUES`, `tail` what follows the rows,
    /// such as `ON CONFLICT DO NOTHING`. Every row has the same number of values. The number of rows inserted.
    ///
    /// On PostgreSQL one statement carries them all, in their order. On SQLite they go in chunks of few distinct sizes, so
    /// that few statements are prepared.
    pub async fn insert_rows(
        &mut self,
        head: &'static str,
        rows: Vec<Vec<Value>>,
        tail: &'static str,
    ) -> Result<u64> {
        let head = self.guard(head)?;
        if let Connection::Postgres(tx) = &mut self.open().connection {
            let Some((sql, arrays)) = rows::unnested(head, rows, tail)? else {
                return Ok(0);
            };
            let outcome = tx.execute(sqlx::query_with(AssertSqlSafe(sql), arrays)).await;
            return self.settle(outcome);
        }
        let mut inserted = 0;
        for (sql, params) in Chunks::new(head, rows, tail) {
            inserted += self.run(AssertSqlSafe(sql).into_sql_str(), params).await?;
        }
        Ok(inserted)
    }

    /// Looks many things up with few statements: `head` is `WITH k (a, b) AS (VALUES`, `tail` what follows the rows, such as
    /// `) SELECT t.* FROM k CROSS JOIN t WHERE t.a = k.a AND t.b = k.b`. Every row has the same number of values.
    /// With as few statements as [`Tx::insert_rows`].
    pub async fn fetch_rows(
        &mut self,
        head: &'static str,
        rows: Vec<Vec<Value>>,
        tail: &'static str,
    ) -> Result<Vec<Row>> {
        let head = self.guard(head)?;
        if let Connection::Postgres(tx) = &mut self.open().connection {
            let Some((sql, arrays)) = rows::unnested(head, rows, tail)? else {
                return Ok(Vec::new());
            };
            let outcome = tx.fetch_all(sqlx::query_with(AssertSqlSafe(sql), arrays)).await;
            let rows = self.settle(outcome)?;
            return Ok(rows.into_iter().map(|row| Row(Inner::Postgres(row))).collect());
        }
        let mut found = Vec::new();
        for (sql, params) in Chunks::new(head, rows, tail) {
            found.extend(self.query(AssertSqlSafe(sql).into_sql_str(), params).await?);
        }
        Ok(found)
    }

    async fn run(&mut self, sql: SqlStr, params: Vec<Value>) -> Result<u64> {
        let outcome = match &mut self.open().connection {
            Connection::Reader(reader) => sqlite_execute(&mut *reader, sql, params).await,
            Connection::Writer(lease) => sqlite_execute(lease.connection(), sql, params).await,
            Connection::Postgres(tx) => {
                let query = sqlx::query_with(sql, postgres_arguments(params)?);
                tx.execute(query).await
            }
        };
        self.settle(outcome)
    }

    async fn query(&mut self, sql: SqlStr, params: Vec<Value>) -> Result<Vec<Row>> {
        let outcome = match &mut self.open().connection {
            Connection::Reader(reader) => sqlite_rows(&mut *reader, sql, params).await,
            Connection::Writer(lease) => sqlite_rows(lease.connection(), sql, params).await,
            Connection::Postgres(tx) => {
                let query = sqlx::query_with(sql, postgres_arguments(params)?);
                let rows = tx.fetch_all(query).await;
                rows.map(|rows| rows.into_iter().map(|row| Row(Inner::Postgres(row))).collect())
            }
        };
        self.settle(outcome)
    }

    /// Refuses a statement that a tenant may not run: every one of them names its workspace, on both databases, beside
    /// whatever row level security does on one of them. Answers what is to be run.
    fn guard(&mut self, sql: &'static str) -> Result<&'static str> {
        if self.open().failed {
            return Err(Error::internal("a statement failed before in this transaction"));
        }
        if self.scope.workspace().is_some() && !sql.contains("workspace_id") {
            self.open().failed = true;
            return Err(Error::internal(format!(
                "a tenant's statement does not name its workspace: {sql}"
            )));
        }
        #[cfg(feature = "mutation")]
        let sql = super::mutation::in_place_of(sql);
        Ok(sql)
    }

    fn settle<T>(&mut self, outcome: sqlx::Result<T>) -> Result<T> {
        outcome.map_err(|error| {
            self.open().failed = true;
            from_sqlx(error)
        })
    }
}

impl Open {
    /// Ends a transaction that only read.
    pub(super) async fn finish_read(self) -> Result<()> {
        match self.connection {
            Connection::Reader(tx) => tx.commit().await.map_err(from_sqlx)?,
            Connection::Writer(lease) => lease.finish().await?,
            Connection::Postgres(tx) => tx.commit().await.map_err(from_sqlx)?,
        }
        Ok(())
    }

    /// Makes the transaction durable, then runs what waits for that.
    ///
    /// # Errors
    /// Nothing was written, unless the error is `outcome_unknown`: the connection broke while committing.
    pub(super) async fn commit(self) -> Result<()> {
        if self.failed {
            return Err(Error::internal(
                "the transaction went on after a failed statement",
            ));
        }
        match self.connection {
            Connection::Reader(_) => return Err(Error::internal("a read transaction cannot commit writes")),
            Connection::Writer(lease) => lease.finish().await?,
            Connection::Postgres(tx) => tx.commit().await.map_err(from_commit)?,
        }
        for wake in self.after_commit {
            wake();
        }
        Ok(())
    }
}

impl Tx<Tenant> {
    /// The workspace whose rows this transaction reaches: bound by every statement of a store.
    pub fn workspace(&self) -> types::id::WorkspaceId {
        self.scope.id()
    }
}

async fn sqlite_rows(
    connection: &mut SqliteConnection,
    sql: SqlStr,
    params: Vec<Value>,
) -> sqlx::Result<Vec<Row>> {
    let query = sqlx::query_with(sql, sqlite_arguments(params)?);
    let rows = connection.fetch_all(query).await?;
    Ok(rows.into_iter().map(|row| Row(Inner::Sqlite(row))).collect())
}

async fn sqlite_row(
    connection: &mut SqliteConnection,
    sql: &'static str,
    params: Vec<Value>,
) -> sqlx::Result<Option<Row>> {
    let query = sqlx::query_with(sql, sqlite_arguments(params)?);
    let row = connection.fetch_optional(query).await?;
    Ok(row.map(|row| Row(Inner::Sqlite(row))))
}

async fn sqlite_execute(
    connection: &mut SqliteConnection,
    sql: SqlStr,
    params: Vec<Value>,
) -> sqlx::Result<u64> {
    let query = sqlx::query_with(sql, sqlite_arguments(params)?);
    Ok(connection.execute(query).await?.rows_affected())
}

fn sqlite_arguments(params: Vec<Value>) -> sqlx::Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for param in params {
        match param {
            Value::Bool(value) => Arguments::add(&mut arguments, value),
            Value::Int(value) => Arguments::add(&mut arguments, value),
            Value::Text(value) => Arguments::add(&mut arguments, value),
            Value::Bytes(value) => Arguments::add(&mut arguments, value),
            Value::Uuid(value) => Arguments::add(&mut arguments, value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_arguments(params: Vec<Value>) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    for param in params {
        match param {
            Value::Bool(value) => arguments.add(value),
            Value::Int(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            Value::Uuid(value) => arguments.add(value),
        }
        .map_err(Error::internal)?;
    }
    Ok(arguments)
}
