//! Many rows in few statements.
//!
//! PostgreSQL takes each column as one array, so one statement text serves any number of rows and keeps their order. SQLite
//! has no arrays: rows go in chunks of few distinct sizes, so that few statements are prepared.

use sqlx::Arguments;
use sqlx::postgres::PgArguments;
use types::{Error, Result};

use super::value::Value;

/// SQLite accepts this many parameters in one statement.
const MAX_PARAMS: usize = 32_000;
const MAX_CHUNK: usize = 512;

/// What a head ends with: where the rows go.
const VALUES: &str = "VALUES";

/// For PostgreSQL: the statement and its arrays; none when there is no row.
pub(super) fn unnested(
    head: &str,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<Option<(String, PgArguments)>> {
    let columns = transposed(rows);
    if columns.is_empty() {
        return Ok(None);
    }
    let head = head
        .strip_suffix(VALUES)
        .ok_or_else(|| Error::internal(format!("not a statement of many rows: {head}")))?;
    let mut arrays = Vec::with_capacity(columns.len());
    let mut arguments = PgArguments::default();
    for (place, column) in columns.into_iter().enumerate() {
        arrays.push(format!("${}::{}", place + 1, bind(&mut arguments, column)?));
    }
    let sql = format!("{head}SELECT * FROM UNNEST({}) {tail}", arrays.join(", "));
    Ok(Some((sql, arguments)))
}

fn transposed(rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    let count = rows.len();
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        columns.resize_with(row.len(), || Vec::with_capacity(count));
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}

/// Binds a column as one array; its type. The first value tells the type of all.
fn bind(arguments: &mut PgArguments, column: Vec<Value>) -> Result<&'static str> {
    macro_rules! array {
        ($variant:ident, $type:literal) => {{
            let values: Option<Vec<_>> = column
                .into_iter()
                .map(|value| match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                })
                .collect();
            let values = values.ok_or_else(|| Error::internal("a column of rows has values of two types"))?;
            arguments.add(values).map_err(Error::internal)?;
            $type
        }};
    }
    Ok(match column.first() {
        None => return Err(Error::internal("a column without rows")),
        Some(Value::Bool(_)) => array!(Bool, "boolean[]"),
        Some(Value::Int(_)) => array!(Int, "bigint[]"),
        Some(Value::Text(_)) => array!(Text, "text[]"),
        Some(Value::Bytes(_)) => array!(Bytes, "bytea[]"),
        Some(Value::Uuid(_)) => array!(Uuid, "uuid[]"),
    })
}

/// For SQLite: one statement and its parameters for each chunk.
pub(super) struct Chunks {
    head: &'static str,
    rows: std::vec::IntoIter<Vec<Value>>,
    tail: &'static str,
}

impl Chunks {
    pub(super) fn new(head: &'static str, rows: Vec<Vec<Value>>, tail: &'static str) -> Self {
        Chunks {
            head,
            rows: rows.into_iter(),
            tail,
        }
    }
}

impl Iterator for Chunks {
    type Item = (String, Vec<Value>);

    fn next(&mut self) -> Option<Self::Item> {
        let columns = self.rows.as_slice().first()?.len();
        let chunk = largest_chunk(self.rows.len(), columns);
        let sql = values_statement(self.head, chunk, columns, self.tail);
        Some((sql, self.rows.by_ref().take(chunk).flatten().collect()))
    }
}

/// The largest size that is not above the rows left, nor the parameters allowed: a power of two, or half as much again.
fn largest_chunk(rows: usize, columns: usize) -> usize {
    let most = (MAX_PARAMS / columns.max(1)).clamp(1, MAX_CHUNK).min(rows.max(1));
    let power = 1 << most.ilog2();
    let more = power + power / 2;
    if more <= most { more } else { power }
}

/// Parameters have no numbers here: SQLite keeps numbered ones in a list, and finding each there takes time that grows with
/// the square of their number.
fn values_statement(head: &str, rows: usize, columns: usize, tail: &str) -> String {
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * (columns * 3 + 4));
    sql.push_str(head);
    for row in 0..rows {
        sql.push_str(if row == 0 { " (" } else { ", (" });
        for column in 0..columns {
            if column > 0 {
                sql.push_str(", ");
            }
            sql.push('?');
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(tail);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_chunks_of_few_sizes() {
        let sizes = |mut rows: usize, columns| {
            let mut sizes = Vec::new();
            while rows > 0 {
                sizes.push(largest_chunk(rows, columns));
                rows -= sizes[sizes.len() - 1];
            }
            sizes
        };
        assert_eq!(sizes(1, 3), [1]);
        assert_eq!(sizes(7, 3), [6, 1]);
        assert_eq!(sizes(63, 3), [48, 12, 3]);
        assert_eq!(sizes(1_100, 3), [512, 512, 64, 12]);
        assert_eq!(largest_chunk(5_000, 1_000), 32);
    }

    #[test]
    fn the_statement_has_a_place_for_each_value() {
        let sql = values_statement("INSERT INTO t (a, b) VALUES", 2, 2, "ON CONFLICT DO NOTHING");
        assert_eq!(
            sql,
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn postgresql_gets_one_array_for_each_column() {
        let rows = vec![
            vec![Value::from("a"), Value::from(1_i64)],
            vec![Value::Text(None), Value::from(2_i64)],
        ];
        let (sql, _) = unnested("INSERT INTO t (a, b) VALUES", rows, "RETURNING a")
            .unwrap()
            .unwrap();
        assert_eq!(
            sql,
            "INSERT INTO t (a, b) SELECT * FROM UNNEST($1::text[], $2::bigint[]) RETURNING a"
        );
        assert!(
            unnested("INSERT INTO t (a) VALUES", Vec::new(), "")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_column_of_two_types_is_refused() {
        let rows = vec![vec![Value::from("a")], vec![Value::from(1_i64)]];
        assert!(unnested("INSERT INTO t (a) VALUES", rows, "").is_err());
    }
}
