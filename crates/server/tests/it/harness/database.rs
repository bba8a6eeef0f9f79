//! A PostgreSQL database of a test's own, for what the tests that run in process may not share: a server process works off
//! every job that it finds, and a wall that is broken is broken for all.

use std::process::Command;

use types::id::RequestId;

/// Gone when dropped.
pub struct OwnDatabase {
    server: String,
    name: String,
}

impl OwnDatabase {
    /// `None` where no PostgreSQL is named; in CI there must be one.
    pub fn create() -> Option<Self> {
        let Ok(server) = std::env::var("PLINTH_TEST_POSTGRES_URL") else {
            assert!(
                std::env::var_os("CI").is_none(),
                "PLINTH_TEST_POSTGRES_URL is not set: run `cargo xtask test`"
            );
            println!("skipped: PLINTH_TEST_POSTGRES_URL is not set; `cargo xtask test` starts a PostgreSQL");
            return None;
        };
        let name = format!("plinth_{}", RequestId::generate().uuid().simple());
        psql(&server, &format!("CREATE DATABASE {name}"));
        Some(OwnDatabase { server, name })
    }

    pub fn url(&self) -> String {
        let (address, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (server, _) = address.rsplit_once('/').unwrap();
        format!("{server}/{}?{query}", self.name)
    }

    pub fn host_and_port(&self) -> &str {
        let (_, address) = self.server.rsplit_once('@').unwrap();
        address.split('/').next().unwrap()
    }

    /// Runs statements as the owner; what they answer, a line a row.
    pub fn sql(&self, statements: &str) -> String {
        psql(&self.url(), statements)
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// PostgreSQL's own client, because no crate but `storage` may know a driver. It comes with the server.
fn psql(url: &str, statement: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--command",
        statement,
        url,
    ]);
    let output = psql
        .output()
        .expect("psql is on the PATH: it comes with PostgreSQL");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || std::thread::panicking(),
        "{statement}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}
