//! SQLite: a pool of readers and one writer.
//!
//! Writers take turns in the order they came. Each turn is a savepoint of one open transaction, and the transaction
//! commits when nobody waits or it has held enough turns; only then is anybody told that their write is durable. So a
//! burst of writers shares one fsync, and a lone one waits for nobody.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Executor, Pool};
use tokio::sync::{mpsc, oneshot};
use types::{Error, Result};

use super::error::{from_sqlx, outcome_unknown};

const READERS: u32 = 4;
/// The most turns one commit holds: bounds how long the first of them waits.
const MAX_TURNS: usize = 128;
/// Writers that may wait; more are told to try again.
const MAX_WAITING: usize = 4_096;
/// How long another process's write transaction is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct SqliteDb {
    pub(super) readers: Pool<Sqlite>,
    turns: mpsc::Sender<Wish>,
}

impl SqliteDb {
    /// Opens the database file, creating it when missing.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let options = options(path)?;
        let writer = options.clone().connect().await.map_err(from_sqlx)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(from_sqlx)?;
        let (turns, queue) = mpsc::channel(MAX_WAITING);
        tokio::spawn(
            Writer {
                connection: Some(writer),
                queue,
            }
            .run(),
        );
        Ok(SqliteDb { readers, turns })
    }

    /// Whether writes are taken.
    pub(super) fn has_writer(&self) -> bool {
        !self.turns.is_closed()
    }

    /// Waits for a turn to write.
    pub(super) async fn lease(&self) -> Result<Lease> {
        let (grant, granted) = oneshot::channel();
        self.turns
            .try_send(Wish::Turn(Turn { grant }))
            .map_err(|_| busy())?;
        granted.await.map_err(|_| busy())?
    }
}

impl SqliteDb {
    /// Closes every connection, after the transactions under way.
    pub(super) async fn close(&self) {
        // Readers first: a reader in the middle of a transaction keeps the log from being folded in.
        self.readers.close().await;
        let (closed, done) = oneshot::channel();
        if self.turns.send(Wish::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// Whether the disk would not say that it holds what was written: SQLITE_IOERR_FSYNC or SQLITE_IOERR_DIR_FSYNC.
fn is_failed_sync(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "1034" | "1290"))
}

fn busy() -> Error {
    Error::unavailable(
        "Too many writes are waiting for the database. Nothing was changed; try again in a moment.",
    )
}

fn options(path: &Path) -> Result<SqliteConnectOptions> {
    // The path goes in by `filename`, because a path may hold characters that mean something in a URL.
    Ok(SqliteConnectOptions::from_str("sqlite:")
        .map_err(from_sqlx)?
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(512)
        .pragma("temp_store", "memory")
        .pragma("trusted_schema", "off"))
}

/// What is asked of the writer.
enum Wish {
    Turn(Turn),
    /// To close the connection and say so.
    Close(oneshot::Sender<()>),
}

/// A place in the queue of writers.
struct Turn {
    grant: oneshot::Sender<Result<Lease>>,
}

/// The writer connection, for the length of a turn. Dropping it undoes the turn.
pub(super) struct Lease {
    held: Option<Held>,
}

struct Held {
    connection: SqliteConnection,
    give_back: oneshot::Sender<Returned>,
}

struct Returned {
    connection: SqliteConnection,
    /// Told when the turn is durable; absent when the turn is to be undone.
    finished: Option<oneshot::Sender<Result<()>>>,
}

impl Lease {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        match &mut self.held {
            Some(held) => &mut held.connection,
            None => unreachable!("a lease is emptied only when it is consumed"),
        }
    }

    /// Ends the turn and waits until it is durable.
    pub(super) async fn finish(mut self) -> Result<()> {
        let (finished, durable) = oneshot::channel();
        if let Some(Held {
            connection,
            give_back,
        }) = self.held.take()
        {
            // The writer waits for this; when it is gone, so is `finished`, and the wait below ends.
            let _ = give_back.send(Returned {
                connection,
                finished: Some(finished),
            });
        }
        durable.await.map_err(|_| outcome_unknown())?
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Held {
            connection,
            give_back,
        }) = self.held.take()
        {
            let _ = give_back.send(Returned {
                connection,
                finished: None,
            });
        }
    }
}

/// The task that owns the writer connection between turns.
struct Writer {
    connection: Option<SqliteConnection>,
    queue: mpsc::Receiver<Wish>,
}

impl Writer {
    async fn run(mut self) {
        while let Some(wish) = self.queue.recv().await {
            let closing = match wish {
                Wish::Close(closed) => Some(closed),
                Wish::Turn(first) => match self.batch(first).await {
                    Some(closing) => closing,
                    None => {
                        tracing::error!(
                            "the database writer lost its connection; the server must be started again"
                        );
                        return;
                    }
                },
            };
            if let Some(closed) = closing {
                self.close().await;
                // Whoever asked may have stopped waiting.
                let _ = closed.send(());
                return;
            }
        }
        self.close().await;
    }

    /// Folds the write-ahead log into the database file, so that the file alone is the database.
    async fn close(&mut self) {
        if let Err(error) = self.statement("PRAGMA wal_checkpoint(TRUNCATE)").await {
            tracing::warn!(%error, "the write-ahead log stays beside the database file");
        }
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }

    /// One commit with as many turns as wait for it. `None` when the connection is lost; within, who asked meanwhile for the
    /// writer to close.
    async fn batch(&mut self, first: Turn) -> Option<Option<oneshot::Sender<()>>> {
        if let Err(error) = self.statement("BEGIN IMMEDIATE").await {
            let _ = first.grant.send(Err(from_sqlx(error)));
            return Some(None);
        }
        let mut waiting = Vec::new();
        let mut next = Some(first);
        let mut closing = None;
        let mut outcome = Ok(());
        while let Some(turn) = next {
            outcome = self.turn(turn, &mut waiting).await?;
            next = match outcome {
                Ok(()) if waiting.len() < MAX_TURNS => match self.queue.try_recv() {
                    Ok(Wish::Turn(turn)) => Some(turn),
                    Ok(Wish::Close(closed)) => {
                        closing = Some(closed);
                        None
                    }
                    Err(_) => None,
                },
                _ => None,
            };
        }
        let ending = if outcome.is_ok() && !waiting.is_empty() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        if outcome.is_ok() {
            outcome = self.statement(ending).await;
            if outcome.is_err() {
                // Nothing to roll back is what SQLite answers when it already has.
                let _ = self.statement("ROLLBACK").await;
            }
        } else {
            let _ = self.statement(ending).await;
        }
        if outcome.as_ref().is_err_and(is_failed_sync) {
            // What the kernel could not write it may have dropped, and a second try would report success. Only reading the
            // file anew tells what is on disk.
            tracing::error!(
                "the disk refused to make the database durable; ending so that the next start reads what is there"
            );
            std::process::abort();
        }
        let failure = outcome.err().map(|error| error.to_string());
        for finished in waiting {
            let result = match &failure {
                None => Ok(()),
                Some(cause) => Err(Error::unavailable(
                    "The write could not be made durable. Nothing was changed; try again in a moment.",
                )
                .with_source(cause.clone())),
            };
            let _ = finished.send(result);
        }
        Some(closing)
    }

    /// Lends the connection for one turn. The inner error means that the whole transaction is lost: a full disk makes
    /// SQLite roll back everything, savepoints included.
    async fn turn(
        &mut self,
        turn: Turn,
        waiting: &mut Vec<oneshot::Sender<Result<()>>>,
    ) -> Option<sqlx::Result<()>> {
        if let Err(error) = self.statement("SAVEPOINT turn").await {
            let message = error.to_string();
            let _ = turn.grant.send(Err(from_sqlx(error)));
            return Some(Err(sqlx::Error::Protocol(message)));
        }
        let (give_back, given_back) = oneshot::channel();
        let lease = Lease {
            held: Some(Held {
                connection: self.connection.take()?,
                give_back,
            }),
        };
        // When nobody waits any more the lease comes back in the error and is dropped, which returns the connection.
        let _ = turn.grant.send(Ok(lease));
        let returned = given_back.await.ok()?;
        self.connection = Some(returned.connection);
        Some(match returned.finished {
            Some(finished) => {
                let released = self.statement("RELEASE turn").await;
                waiting.push(finished);
                released
            }
            None => match self.statement("ROLLBACK TO turn").await {
                Ok(()) => self.statement("RELEASE turn").await,
                lost => lost,
            },
        })
    }

    async fn statement(&mut self, sql: &'static str) -> sqlx::Result<()> {
        match &mut self.connection {
            Some(connection) => connection.execute(sql).await.map(drop),
            None => Err(sqlx::Error::WorkerCrashed),
        }
    }
}
