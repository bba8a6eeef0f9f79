//! One row of an answer, and how its columns become Rust values.

use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use types::{Error, Id, Mode, Result, Timestamp};
use uuid::Uuid;

/// One row, from either database.
pub struct Row(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of the column called `name`.
    ///
    /// # Errors
    /// Internal, when there is no such column or it holds something else: the statement and the code disagree.
    pub fn get<T: FromColumn>(&self, name: &str) -> Result<T> {
        T::from_column(self, name)
    }

    fn native<T>(&self, name: &str) -> Result<T>
    where
        T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        match &self.0 {
            Inner::Sqlite(row) => sqlx::Row::try_get(row, name),
            Inner::Postgres(row) => sqlx::Row::try_get(row, name),
        }
        .map_err(Error::internal)
    }
}

/// A Rust value that a column can hold.
pub trait FromColumn: Sized {
    fn from_column(row: &Row, name: &str) -> Result<Self>;
}

macro_rules! native_columns {
    ($($type:ty),*) => {
        $(
            impl FromColumn for $type {
                fn from_column(row: &Row, name: &str) -> Result<Self> {
                    row.native(name)
                }
            }
            impl FromColumn for Option<$type> {
                fn from_column(row: &Row, name: &str) -> Result<Self> {
                    row.native(name)
                }
            }
        )*
    };
}

native_columns!(bool, i64, String, Vec<u8>, Uuid);

impl<K> FromColumn for Id<K> {
    fn from_column(row: &Row, name: &str) -> Result<Self> {
        row.native::<Uuid>(name).map(Id::from_uuid)
    }
}

impl<K> FromColumn for Option<Id<K>> {
    fn from_column(row: &Row, name: &str) -> Result<Self> {
        Ok(row.native::<Option<Uuid>>(name)?.map(Id::from_uuid))
    }
}

impl FromColumn for Timestamp {
    fn from_column(row: &Row, name: &str) -> Result<Self> {
        row.native::<i64>(name).map(Timestamp::from_micros)
    }
}

impl FromColumn for Option<Timestamp> {
    fn from_column(row: &Row, name: &str) -> Result<Self> {
        Ok(row.native::<Option<i64>>(name)?.map(Timestamp::from_micros))
    }
}

impl FromColumn for Mode {
    fn from_column(row: &Row, name: &str) -> Result<Self> {
        row.native::<String>(name)?.parse().map_err(Error::internal)
    }
}
