//! PostgreSQL: a pool, and transactions that take on a role of no rights but their scope's.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, Postgres};
use sqlx::{AssertSqlSafe, Executor, Pool};
use types::{Error, Result};

use super::error::from_sqlx;
use crate::scope::Scope;

/// A node that is cut off in the middle of a transaction holds its locks until the server ends it; by itself, that is when
/// TCP gives up, hours later. No transaction of ours waits for anything but the database.
const LET_GO: &str = "SET idle_in_transaction_session_timeout = '30s'";

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
    pub(super) async fn begin<S: Scope>(
        &self,
        scope: S,
        isolation: Isolation,
    ) -> Result<sqlx::Transaction<'static, Postgres>> {
        self.pool
            .begin_with(AssertSqlSafe(begin_statement(scope, isolation)))
            .await
            .map_err(from_sqlx)
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
