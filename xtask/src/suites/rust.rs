//! `cargo test`, with a PostgreSQL and a Redis that exist for this run alone.

use anyhow::Result;

use super::TestArgs;
use crate::process;
use crate::servers::Durability;
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;
use crate::workspace::Workspace;

pub fn run(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.arg("test");
    if !chooses_packages(&args.cargo_test) {
        cargo.arg("--workspace");
    }
    cargo.args(&args.cargo_test);
    let (postgres, redis) = (
        Postgres::start(Durability::None)?,
        Redis::start(Durability::None)?,
    );
    cargo
        .env("PLINTH_TEST_POSTGRES_URL", postgres.url())
        .env("PLINTH_TEST_REDIS_URL", redis.url());
    process::run(&cargo)
}

/// Whether arguments for `cargo test` (not those behind a further `--`) name packages themselves.
fn chooses_packages(args: &[String]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_chosen_only_before_the_harness_arguments() {
        let chooses = |line: &str| chooses_packages(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(chooses("-p types"));
        assert!(chooses("--package=types some_test"));
        assert!(!chooses("some_test -- -p"));
    }
}
