//! `cargo xtask test`: the suites, one file each. A new one is a file here and a row in [`SUITES`].

mod browser;
mod http;
mod rust;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::workspace::Workspace;

/// A body of tests with one way of running it.
struct Suite {
    /// What `--only` calls it.
    name: &'static str,
    run: fn(&Workspace, &TestArgs) -> Result<()>,
}

/// In the order in which they run: what fails fastest and says most comes first.
const SUITES: &[Suite] = &[
    Suite {
        name: "rust",
        run: rust::run,
    },
    Suite {
        name: "http",
        run: http::run,
    },
    Suite {
        name: "browser",
        run: browser::run,
    },
];

#[derive(Args, Default)]
pub struct TestArgs {
    /// Run this suite alone; may be given several times
    #[arg(long, value_name = "SUITE", value_parser = PossibleValuesParser::new(SUITES.iter().map(|it| it.name)))]
    only: Vec<String>,
    /// Arguments for `cargo test`; with any, only the rust suite runs unless --only says otherwise
    #[arg(last = true, value_name = "CARGO_TEST_ARGS")]
    cargo_test: Vec<String>,
}

impl TestArgs {
    fn wants(&self, suite: &Suite) -> bool {
        if self.only.is_empty() {
            self.cargo_test.is_empty() || suite.name == "rust"
        } else {
            self.only.iter().any(|name| name == suite.name)
        }
    }
}

/// Runs the suites that were asked for, all of them by default, and stops at the first that fails.
pub fn run(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    for suite in SUITES.iter().filter(|suite| args.wants(suite)) {
        let started = Instant::now();
        (suite.run)(workspace, args).with_context(|| format!("suite {}", suite.name))?;
        println!(
            "suite {}: passed in {:.1} s",
            suite.name,
            started.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(only: &[&str], cargo_test: &[&str]) -> Vec<&'static str> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let args = TestArgs {
            only: owned(only),
            cargo_test: owned(cargo_test),
        };
        SUITES
            .iter()
            .filter(|suite| args.wants(suite))
            .map(|suite| suite.name)
            .collect()
    }

    #[test]
    fn every_suite_runs_unless_some_are_chosen() {
        assert_eq!(chosen(&[], &[]), ["rust", "http", "browser"]);
        assert_eq!(chosen(&["browser", "http"], &[]), ["http", "browser"]);
    }

    #[test]
    fn arguments_for_cargo_test_choose_the_rust_suite() {
        assert_eq!(chosen(&[], &["-p", "types"]), ["rust"]);
        assert_eq!(chosen(&["http"], &["-p", "types"]), ["http"]);
    }
}
