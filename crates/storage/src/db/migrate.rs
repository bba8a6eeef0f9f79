//! Brings the schema up to date at start: after a snapshot on SQLite, under an advisory lock on PostgreSQL. One text
//! serves both databases; it is written in PostgreSQL's types and [`for_sqlite`] says how SQLite reads them.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use types::{Error, Result, Timestamp};

use super::error::from_sqlx;
use super::postgres::PostgresDb;
use super::rls;
use super::sqlite::SqliteDb;
use crate::tables::Table;

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    /// Written in PostgreSQL's types.
    text: &'static str,
}

macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: parse($version),
            name: $name,
            text: include_str!(concat!("../../../../migrations/", $version, "_", $name, ".sql")),
        }
    };
}

const fn parse(digits: &str) -> i64 {
    let (bytes, mut value, mut i) = (digits.as_bytes(), 0, 0);
    while i < bytes.len() {
        value = value * 10 + (bytes[i] - b'0') as i64;
        i += 1;
    }
    value
}

/// Every step, oldest first. A released step is never edited: a change is a new step.
pub const MIGRATIONS: &[Migration] = &[
    migration!("0001", "runtime"),
    migration!("0002", "accounts"),
    migration!("0003", "commerce"),
    migration!("0005", "customer_keys"),
    migration!("0006", "grants"),
];

/// What opening a database may do to its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// Run the steps that are missing: for the server.
    Run,
    /// Make the schema of a new database, and refuse one that lacks steps: for what writes beside a server.
    OnlyNew,
    /// Refuse a database that lacks steps: for what only looks.
    Never,
}

impl Upgrade {
    /// # Errors
    /// When steps are missing that may not be run.
    fn permit(self, applied: &[i64], pending: &[&Migration]) -> Result<()> {
        match pending.first() {
            Some(_) if self == Upgrade::Never && applied.is_empty() => Err(Error::unavailable(
                "There is nothing in this database yet. Start the server on it first.",
            )),
            Some(first) if self != Upgrade::Run && !applied.is_empty() => Err(newer_program(&format!(
                "schema step {:04}_{}",
                first.version, first.name
            ))),
            _ => Ok(()),
        }
    }
}

fn newer_program(lacks: &str) -> Error {
    Error::unavailable(format!(
        "This program is newer than the database, which lacks {lacks}. Start the server with this program first, or use the \
         program that the server runs."
    ))
}

const JOURNAL: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version bigint NOT NULL PRIMARY KEY,
    name text NOT NULL,
    applied_at bigint NOT NULL
);";
const APPLIED: &str = "SELECT version FROM schema_migrations";
const RECORD: &str = "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)";

/// Key of the advisory lock under which one node at a time migrates: "plinth" in ASCII.
const ADVISORY_LOCK: i64 = 0x706c_696e_7468;

/// Steps that are not in the database yet.
///
/// # Errors
/// When the database has a step this program does not know: it was opened by a newer one.
fn pending(applied: &[i64]) -> Result<Vec<&'static Migration>> {
    if let Some(unknown) = applied
        .iter()
        .find(|version| !MIGRATIONS.iter().any(|m| m.version == **version))
    {
        return Err(Error::unavailable(format!(
            "The database has schema step {unknown}, which this version of plinth does not know. Run the newer version, \
             or restore the snapshot that was taken before the upgrade."
        )));
    }
    Ok(MIGRATIONS
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .collect())
}

pub(super) async fn sqlite(db: &SqliteDb, path: &Path, upgrade: Upgrade) -> Result<()> {
    let mut lease = db.lease().await?;
    lease
        .connection()
        .execute(AssertSqlSafe(for_sqlite(JOURNAL)))
        .await
        .map_err(from_sqlx)?;
    lease.finish().await?;
    let applied: Vec<i64> = sqlx::query(APPLIED)
        .fetch_all(&db.readers)
        .await
        .map_err(from_sqlx)?
        .iter()
        .map(|row| row.try_get("version").map_err(from_sqlx))
        .collect::<Result<_>>()?;
    let pending = pending(&applied)?;
    upgrade.permit(&applied, &pending)?;
    if let Some(first) = pending.first().filter(|_| !applied.is_empty()) {
        let target = snapshot_path(path, first);
        snapshot(db, &target).await?;
        tracing::info!(snapshot = %target.display(), "took a snapshot before upgrading the schema");
    }
    for migration in pending {
        let mut lease = db.lease().await?;
        sqlx::raw_sql(AssertSqlSafe(for_sqlite(migration.text)))
            .execute(lease.connection())
            .await
            .map_err(from_sqlx)?;
        sqlx::query(RECORD)
            .bind(migration.version)
            .bind(migration.name)
            .bind(Timestamp::now().as_micros())
            .execute(lease.connection())
            .await
            .map_err(from_sqlx)?;
        lease.finish().await?;
        tracing::info!(
            version = migration.version,
            name = migration.name,
            "schema step applied"
        );
    }
    Ok(())
}

fn snapshot_path(database: &Path, first: &Migration) -> PathBuf {
    let name = format!("before-{:04}-{}.db", first.version, Timestamp::now().as_secs());
    database
        .parent()
        .unwrap_or(Path::new("."))
        .join("backups")
        .join(name)
}

/// Copies the database into a new file at `target`, consistent beside running writers.
pub(super) async fn snapshot(db: &SqliteDb, target: &Path) -> Result<()> {
    if let Some(folder) = target.parent() {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|error| unwritable(target, error))?;
    }
    if tokio::fs::try_exists(target).await.unwrap_or(false) {
        return Err(Error::invalid(
            "target",
            format!("{} exists already; name a new file", target.display()),
        ));
    }
    let name = target
        .to_str()
        .ok_or_else(|| Error::invalid("target", "the path is not valid Unicode"))?;
    // A reader may write nothing, not even a copy; this one leaves the pool for it.
    let mut connection = db.readers.acquire().await.map_err(from_sqlx)?.detach();
    connection
        .execute("PRAGMA query_only = off")
        .await
        .map_err(from_sqlx)?;
    sqlx::query("VACUUM INTO $1")
        .bind(name)
        .execute(&mut connection)
        .await
        .map_err(from_sqlx)?;
    connection.close().await.map_err(from_sqlx)?;
    let file = tokio::fs::File::open(target)
        .await
        .map_err(|error| unwritable(target, error))?;
    file.sync_all().await.map_err(|error| unwritable(target, error))
}

fn unwritable(target: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("Cannot write {}: {error}", target.display())).with_source(error)
}

pub(super) async fn postgres(db: &PostgresDb, tables: &[Table], upgrade: Upgrade) -> Result<()> {
    let mut connection = db.pool.acquire().await.map_err(from_sqlx)?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(ADVISORY_LOCK)
        .execute(&mut *connection)
        .await
        .map_err(from_sqlx)?;
    let outcome = postgres_locked(&mut connection, tables, upgrade).await;
    // Closing the connection gives the lock back whatever state it is in.
    connection.close().await.map_err(from_sqlx)?;
    outcome
}

async fn postgres_locked(
    connection: &mut sqlx::PgConnection,
    tables: &[Table],
    upgrade: Upgrade,
) -> Result<()> {
    connection.execute(JOURNAL).await.map_err(from_sqlx)?;
    let applied: Vec<i64> = sqlx::query(APPLIED)
        .fetch_all(&mut *connection)
        .await
        .map_err(from_sqlx)?
        .iter()
        .map(|row| row.try_get("version").map_err(from_sqlx))
        .collect::<Result<_>>()?;
    let pending = pending(&applied)?;
    upgrade.permit(&applied, &pending)?;
    for migration in pending {
        let mut tx = sqlx::Connection::begin(&mut *connection)
            .await
            .map_err(from_sqlx)?;
        sqlx::raw_sql(migration.text)
            .execute(&mut *tx)
            .await
            .map_err(from_sqlx)?;
        sqlx::query(RECORD)
            .bind(migration.version)
            .bind(migration.name)
            .bind(Timestamp::now().as_micros())
            .execute(&mut *tx)
            .await
            .map_err(from_sqlx)?;
        tx.commit().await.map_err(from_sqlx)?;
        tracing::info!(
            version = migration.version,
            name = migration.name,
            "schema step applied"
        );
    }
    if rls::is_applied(connection, tables).await? {
        return Ok(());
    }
    if upgrade != Upgrade::Run && !applied.is_empty() {
        return Err(newer_program("the row level security of this version"));
    }
    rls::apply(connection, tables).await
}

/// The same step as SQLite reads it: its type names, and strict tables. A table's definition ends with `);` on a line of
/// its own.
fn for_sqlite(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        let code = line.split("--").next().unwrap_or_default();
        if code.trim_end() == ");" {
            out.push_str(") STRICT;\n");
            continue;
        }
        let mut word = String::new();
        for character in code.chars().chain(['\n']) {
            if character.is_ascii_alphanumeric() || character == '_' {
                word.push(character);
                continue;
            }
            out.push_str(match word.as_str() {
                "uuid" | "bytea" => "BLOB",
                "bigint" | "boolean" => "INTEGER",
                "text" => "TEXT",
                "true" => "1",
                "false" => "0",
                other => other,
            });
            word.clear();
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_reads_its_own_types() {
        let text = "CREATE TABLE t ( -- a table of text\n    id uuid NOT NULL,\n    n bigint DEFAULT 0\n);\n";
        let expected = "CREATE TABLE t ( \n    id BLOB NOT NULL,\n    n INTEGER DEFAULT 0\n) STRICT;\n";
        assert_eq!(for_sqlite(text), expected);
    }

    #[test]
    fn the_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .map(|name| name.split('.').next().unwrap().to_owned())
            .collect();
        files.sort();
        files.dedup();
        let listed: Vec<String> = MIGRATIONS
            .iter()
            .map(|m| format!("{:04}_{}", m.version, m.name))
            .collect();
        assert_eq!(listed, files);
    }

    #[test]
    fn only_the_server_runs_missing_steps() {
        let all: Vec<&Migration> = MIGRATIONS.iter().collect();
        let last = &all[all.len() - 1..];
        let permitted = |upgrade: Upgrade| {
            (
                upgrade.permit(&[], &all).is_ok(),
                upgrade.permit(&[1], last).is_ok(),
                upgrade.permit(&[1], &[]).is_ok(),
            )
        };
        assert_eq!(permitted(Upgrade::Run), (true, true, true));
        assert_eq!(permitted(Upgrade::OnlyNew), (true, false, true));
        assert_eq!(permitted(Upgrade::Never), (false, false, true));
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let refusal = pending(&[1, 9_999]).unwrap_err();
        assert!(refusal.detail().contains("9999"), "{refusal}");
    }
}
