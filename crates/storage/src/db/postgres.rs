//! PostgreSQL: a pool, and transactions that take on a role of no rights but their scope's.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPoolOptions, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor, Pool};
use types::{Error, Result};

use super::error::from_sqlx;
use crate::scope::Scope;

/// A node that is cut off in the middle of a transaction holds its locks until the server ends it; by itself, that is when
/// TCP gives up, hours later. No transaction of ours waits for anything but the database.
const LET_GO: &str = "SET idle_in_transaction_session_timeout = '30s'";

/// How long one statement may take. Requests give up later than this, so that they learn why.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How a transaction sees the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// One consistent snapshot, read only.
    Snapshot,
    /// As if transactions ran one after the other; a conflict runs the closure again.
    Serializable,
    /// Each statement sees what is committed: for code that locks the rows it decides on.
    Locked,
}

pub(crate) struct PostgresDb {
    pub(super) pool: Pool<Postgres>,
}

impl PostgresDb {
    /// Connects to the server that `url` names.
    pub(crate) async fn open(url: &SecretString, max_connections: u32) -> Result<Self> {
        let options: PgConnectOptions = url.expose_secret().parse().map_err(|error: sqlx::Error| {
            Error::unavailable(
                "The database URL is not a PostgreSQL URL: postgres://user:password@host/database",
            )
            .with_source(error)
        })?;
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(3))
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(LET_GO).await.map(drop) })
            })
            .connect_with(options.application_name("plinth").statement_cache_capacity(512))
            .await
            .map_err(from_sqlx)?;
        Ok(PostgresDb { pool })
    }

    /// Opens a transaction in a scope: isolation, role and settings travel in one message.
    pub(super) async fn begin<S: Scope>(&self, scope: S, isolation: Isolation) -> Result<PostgresTx> {
        let connection = self.pool.acquire().await.map_err(from_sqlx)?;
        let statement = begin_statement(scope, isolation);
        PostgresTx::begin(connection, statement).await.map_err(from_sqlx)
    }
}

/// A transaction, undone when it is dropped.
///
/// A host that vanishes says nothing, and whoever waits for its answer would wait for hours. So every statement has a time
/// limit, and a connection that still owes an answer is closed: it does not go back to the pool, where the next one would
/// wait for it.
pub(super) struct PostgresTx {
    /// Absent once it has been committed.
    connection: Option<PoolConnection<Postgres>>,
    /// A statement was sent, and its answer has not come.
    waiting: bool,
}

impl PostgresTx {
    async fn begin(connection: PoolConnection<Postgres>, statement: String) -> sqlx::Result<Self> {
        let mut tx = PostgresTx {
            connection: Some(connection),
            waiting: false,
        };
        let (waiting, connection) = tx.parts()?;
        in_time(waiting, connection.execute(AssertSqlSafe(statement))).await?;
        Ok(tx)
    }

    fn parts(&mut self) -> sqlx::Result<(&mut bool, &mut PgConnection)> {
        match &mut self.connection {
            Some(connection) => Ok((&mut self.waiting, connection)),
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    pub(super) async fn fetch_all(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> sqlx::Result<Vec<PgRow>> {
        let (waiting, connection) = self.parts()?;
        in_time(waiting, connection.fetch_all(query)).await
    }

    pub(super) async fn fetch_optional(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> sqlx::Result<Option<PgRow>> {
        let (waiting, connection) = self.parts()?;
        in_time(waiting, connection.fetch_optional(query)).await
    }

    /// The number of rows it touched.
    pub(super) async fn execute(&mut self, query: Query<'_, Postgres, PgArguments>) -> sqlx::Result<u64> {
        let (waiting, connection) = self.parts()?;
        let done = in_time(waiting, connection.execute(query)).await?;
        Ok(done.rows_affected())
    }

    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        let (waiting, connection) = self.parts()?;
        in_time(waiting, connection.execute("COMMIT")).await?;
        self.connection = None;
        Ok(())
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if self.waiting {
            connection.close_on_drop();
            return;
        }
        tokio::spawn(async move {
            if in_time(&mut false, connection.execute("ROLLBACK")).await.is_err() {
                connection.close_on_drop();
            }
        });
    }
}

/// Waits for an answer, `waiting` being set until it comes.
async fn in_time<T>(waiting: &mut bool, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    *waiting = true;
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => {
            *waiting = false;
            answer
        }
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

fn begin_statement<S: Scope>(scope: S, isolation: Isolation) -> String {
    let isolation = match isolation {
        Isolation::Snapshot => "ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        Isolation::Serializable => "ISOLATION LEVEL SERIALIZABLE",
        Isolation::Locked => "ISOLATION LEVEL READ COMMITTED",
    };
    let mut sql = format!("BEGIN {isolation}; SET LOCAL ROLE {}", S::ROLE.name());
    // Both are UUIDs printed by us: nothing of a caller's text gets here.
    if let Some(workspace) = scope.workspace() {
        sql.push_str(&format!("; SET LOCAL plinth.workspace = '{}'", workspace.uuid()));
    }
    if let Some(user) = scope.user() {
        sql.push_str(&format!("; SET LOCAL plinth.person = '{}'", user.uuid()));
    }
    sql
}
