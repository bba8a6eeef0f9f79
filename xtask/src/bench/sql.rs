//! Statements straight into a throwaway database, by the database's own client.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages::{self, Need};
use crate::process;
use crate::servers::on_path;
use crate::servers::postgres::Postgres;

const SQLITE: Need = Need {
    what: "sqlite3, the client of SQLite",
    debian: &["sqlite3"],
    elsewhere: "Fedora: sqlite; macOS with Homebrew: sqlite",
};

/// The role that reaches the rows of every workspace.
const POSTGRES_ROLE: &str = "plinth_system";

/// A way into a database beside its server, which is not called meanwhile.
pub enum Sql<'a> {
    Sqlite { client: PathBuf, file: &'a Path },
    Postgres(&'a Postgres),
}

impl<'a> Sql<'a> {
    pub fn sqlite(file: &'a Path) -> Result<Self> {
        let client = packages::find_or_install(&SQLITE, || on_path("sqlite3").into_iter().next())?;
        Ok(Self::Sqlite { client, file })
    }

    /// Runs statements; the rows that they give, one a line, with `|` between columns.
    pub fn run(&self, statements: &str) -> Result<String> {
        let mut command = match self {
            Self::Sqlite { client, file } => {
                let mut sqlite = Command::new(client);
                sqlite.args(["-batch", "-bail", "-init", "/dev/null"]);
                // Indexes are written all over; what does not fit into memory is read again for each row.
                sqlite.args(["-cmd", ".timeout 30000", "-cmd", "PRAGMA cache_size = -500000"]);
                sqlite.arg(file);
                sqlite
            }
            Self::Postgres(postgres) => {
                let mut psql = psql(postgres);
                psql.env("PGOPTIONS", format!("-c role={POSTGRES_ROLE}"));
                psql.arg("--command");
                psql
            }
        };
        process::output(command.arg(statements))
    }

    /// Runs a query of one row of numbers.
    pub fn numbers<const COLUMNS: usize>(&self, query: &str) -> Result<[i64; COLUMNS]> {
        let said = self.run(query)?;
        read_numbers(&said).with_context(|| format!("not a row of {COLUMNS} numbers: {said}"))
    }

    /// The names of a table's columns, in their order.
    pub fn columns(&self, table: &str) -> Result<Vec<String>> {
        let said = self.run(&match self {
            Self::Sqlite { .. } => format!("SELECT name FROM pragma_table_info('{table}')"),
            Self::Postgres(_) => format!(
                "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 \
                 AND NOT attisdropped ORDER BY attnum"
            ),
        })?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// Puts in order what many new rows leave behind, so that it is not done while something is measured.
    pub fn settle(&self) -> Result<()> {
        match self {
            Self::Sqlite { .. } => self.run("PRAGMA wal_checkpoint(TRUNCATE)").map(drop),
            // As the owner of the tables, which that other role is not.
            Self::Postgres(postgres) => {
                process::output(psql(postgres).args(["--command", "VACUUM ANALYZE"])).map(drop)
            }
        }
    }
}

fn psql(postgres: &Postgres) -> Command {
    let mut psql = postgres.client("psql");
    psql.args(["--no-psqlrc", "--no-password", "--quiet"]);
    psql.args(["--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
    psql
}

fn read_numbers<const COLUMNS: usize>(said: &str) -> Option<[i64; COLUMNS]> {
    let cells = said.trim().split('|').map(|cell| cell.parse().ok());
    cells.collect::<Option<Vec<i64>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_of_as_many_numbers_is_read() {
        assert_eq!(read_numbers("12|-3\n"), Some([12, -3]));
        assert_eq!(read_numbers::<2>("12\n"), None);
        assert_eq!(read_numbers::<1>("\n"), None);
        assert_eq!(read_numbers::<1>("1\n2\n"), None);
    }
}
