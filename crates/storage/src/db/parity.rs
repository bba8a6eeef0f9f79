//! The live schema in words that mean the same on both databases.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use types::Result;

use super::error::from_sqlx;
use super::postgres::PostgresDb;
use super::sqlite::SqliteDb;

/// Every table with its columns, and every index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    pub tables: BTreeMap<String, BTreeMap<String, Column>>,
    pub indexes: BTreeSet<Index>,
}

/// One column. The kind is `integer`, `text` or `bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub kind: String,
    pub nullable: bool,
}

/// One index or primary key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index {
    pub table: String,
    pub unique: bool,
    /// Column names in order, with commas between.
    pub columns: String,
}

const SQLITE_COLUMNS: &str = "SELECT m.name AS table_name, p.name AS column_name, p.type AS kind,
        CASE WHEN p.\"notnull\" = 1 OR p.pk > 0 THEN 0 ELSE 1 END AS nullable
    FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";

const SQLITE_INDEXES: &str = "SELECT m.name AS table_name, l.\"unique\" AS is_unique,
        (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) AS columns
    FROM sqlite_master m, pragma_index_list(m.name) l WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";

const POSTGRES_COLUMNS: &str = "SELECT table_name::text, column_name::text, data_type::text AS kind,
        (is_nullable = 'YES')::int::bigint AS nullable
    FROM information_schema.columns WHERE table_schema = current_schema()";

const POSTGRES_INDEXES: &str = "SELECT t.relname::text AS table_name, i.indisunique::int::bigint AS is_unique,
        (SELECT string_agg(a.attname, ',' ORDER BY k.position) FROM unnest(i.indkey) WITH ORDINALITY k(attnum, position)
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum) AS columns
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid WHERE t.relnamespace = current_schema()::regnamespace";

pub(super) async fn sqlite(db: &SqliteDb) -> Result<Schema> {
    let mut schema = Schema::default();
    for row in sqlx::query(SQLITE_COLUMNS)
        .fetch_all(&db.readers)
        .await
        .map_err(from_sqlx)?
    {
        add_column(&mut schema, &row)?;
    }
    for row in sqlx::query(SQLITE_INDEXES)
        .fetch_all(&db.readers)
        .await
        .map_err(from_sqlx)?
    {
        add_index(&mut schema, &row)?;
    }
    Ok(schema)
}

pub(super) async fn postgres(db: &PostgresDb) -> Result<Schema> {
    let mut schema = Schema::default();
    for row in sqlx::query(POSTGRES_COLUMNS)
        .fetch_all(&db.pool)
        .await
        .map_err(from_sqlx)?
    {
        add_column(&mut schema, &row)?;
    }
    for row in sqlx::query(POSTGRES_INDEXES)
        .fetch_all(&db.pool)
        .await
        .map_err(from_sqlx)?
    {
        add_index(&mut schema, &row)?;
    }
    Ok(schema)
}

fn add_column<R>(schema: &mut Schema, row: &R) -> Result<()>
where
    R: Row,
    for<'a> &'a str: sqlx::ColumnIndex<R>,
    for<'a> String: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
    for<'a> i64: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
{
    let table: String = row.try_get("table_name").map_err(from_sqlx)?;
    let column: String = row.try_get("column_name").map_err(from_sqlx)?;
    let kind: String = row.try_get("kind").map_err(from_sqlx)?;
    let nullable = row.try_get::<i64, _>("nullable").map_err(from_sqlx)? == 1;
    let kind = match kind.to_ascii_lowercase().as_str() {
        "uuid" | "bytea" | "blob" => "bytes",
        "bigint" | "boolean" | "integer" => "integer",
        "text" => "text",
        other => other,
    }
    .to_owned();
    schema
        .tables
        .entry(table)
        .or_default()
        .insert(column, Column { kind, nullable });
    Ok(())
}

fn add_index<R>(schema: &mut Schema, row: &R) -> Result<()>
where
    R: Row,
    for<'a> &'a str: sqlx::ColumnIndex<R>,
    for<'a> String: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
    for<'a> i64: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
{
    schema.indexes.insert(Index {
        table: row.try_get("table_name").map_err(from_sqlx)?,
        unique: row.try_get::<i64, _>("is_unique").map_err(from_sqlx)? == 1,
        columns: row.try_get("columns").map_err(from_sqlx)?,
    });
    Ok(())
}
