//! `cargo xtask mutate`: would the tests notice a statement that forgot its workspace? The integration tests are built with
//! `storage`'s feature `mutation`; then, for each workspace predicate of each statement that they run on SQLite, where no row
//! level security hides a mistake, they run once more without it. A run that stays green is a survivor.

mod equivalent;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use self::equivalent::EQUIVALENT;
use crate::process::{self, Guarded, Keeping};
use crate::servers;
use crate::workspace::Workspace;

/// The tests that are about isolation: they take seconds and notice nearly everything.
const ISOLATION: &[&str] = &[
    "whole::twins",
    "another_",
    "others_neither_see",
    "keys_of_others",
    "one_workspaces_jobs",
    "each_workspace_knows",
    "what_one_workspace_has",
];
/// Every test on SQLite: what these do not notice, nothing does.
const ALL: &[&str] = &["::sqlite", "whole::twins"];
/// A mutant may send the product round in circles, which is noticed too.
const LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);

/// One predicate of one statement, as `storage` writes it down.
struct Mutant {
    /// `{hash of the statement}.{which of its predicates}`
    name: String,
    statement: String,
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// By the tests that are about isolation.
    KilledAtOnce,
    KilledByTheRest,
    Survived,
}

/// Prints what became of every mutant. Fails when one survived that nobody has explained, and when one is explained that did
/// not survive or is no more.
pub fn run(workspace: &Workspace) -> Result<()> {
    let bench = Bench {
        tests: build(workspace)?,
        folder: servers::folder("mutants")?,
    };
    let mutants = bench.mutants(&sources_of_tests(workspace)?)?;
    let mut fates = Vec::new();
    for (index, mutant) in mutants.iter().enumerate() {
        let fate = bench.fate(mutant)?;
        println!(
            "{} of {}: {}: {fate:?}: {}",
            index + 1,
            mutants.len(),
            mutant.name,
            mutant.statement
        );
        fates.push((mutant, fate));
    }
    report(&fates)
}

/// Builds the integration tests with the hook, and says where they are.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--package", "server", "--test", "it", "--no-run"]);
    cargo.args(["--features", "storage/mutation", "--message-format=json"]);
    let messages = process::output(&cargo)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "it")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo built the tests and did not say where")
}

/// The tests' own sources in one line: their statements look behind the walls, and no wall is to keep them out.
fn sources_of_tests(workspace: &Workspace) -> Result<String> {
    let mut text = String::new();
    let mut folders = vec![workspace.root.join("crates/server/tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&fs::read_to_string(&path)?);
            }
        }
    }
    Ok(on_one_line(&text))
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The tests, and a folder for what they say.
struct Bench {
    tests: PathBuf,
    folder: TempDir,
}

impl Bench {
    /// Every mutant there can be, from a run without any, which must be green.
    fn mutants(&self, sources_of_tests: &str) -> Result<Vec<Mutant>> {
        let list = self.folder.path().join("mutants");
        if !self.is_green(ALL, "PLINTH_MUTANTS", &list)? {
            bail!(
                "the tests fail without any mutant:\n{}",
                process::last_lines(&fs::read_to_string(self.log())?, 40)
            );
        }
        let mut mutants: Vec<Mutant> = fs::read_to_string(&list)
            .context("no statement has a workspace predicate")?
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(_, statement)| !sources_of_tests.contains(statement))
            .map(|(name, statement)| Mutant {
                name: name.to_owned(),
                statement: statement.to_owned(),
            })
            .collect();
        mutants.sort_by(|a, b| (&a.statement, &a.name).cmp(&(&b.statement, &b.name)));
        Ok(mutants)
    }

    fn fate(&self, mutant: &Mutant) -> Result<Fate> {
        for (tests, fate) in [(ISOLATION, Fate::KilledAtOnce), (ALL, Fate::KilledByTheRest)] {
            if !self.is_green(tests, "PLINTH_MUTANT", Path::new(&mutant.name))? {
                return Ok(fate);
            }
        }
        Ok(Fate::Survived)
    }

    /// Runs the tests whose names contain one of `filters`, with one variable set.
    fn is_green(&self, filters: &[&str], variable: &str, value: &Path) -> Result<bool> {
        let mut tests = Command::new(&self.tests);
        // As SQLite's tests run for a newcomer: with no server named, PostgreSQL's would be skipped one by one.
        tests
            .args(filters)
            .args(["--skip", "::postgres"])
            .env_remove("PLINTH_TEST_POSTGRES_URL");
        tests.env(variable, value);
        let mut running = Guarded::server(&tests, &Keeping::default(), &self.log())?;
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(signal) = process::interrupted_by() {
                bail!("interrupted by signal {signal}");
            }
            match running.ended()? {
                Some(status) => return Ok(status.success()),
                None if Instant::now() > deadline => return Ok(false),
                None => thread::sleep(POLL),
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

fn report(fates: &[(&Mutant, Fate)]) -> Result<()> {
    let explanation = |mutant: &Mutant| EQUIVALENT.iter().find(|entry| entry.mutant == mutant.name);
    let count = |fate| fates.iter().filter(|(_, it)| *it == fate).count();
    let survived: Vec<&Mutant> = fates
        .iter()
        .filter(|(_, fate)| *fate == Fate::Survived)
        .map(|(mutant, _)| *mutant)
        .collect();
    let (explained, survivors): (Vec<&Mutant>, Vec<&Mutant>) =
        survived.iter().partition(|mutant| explanation(mutant).is_some());
    println!("\n| mutants | {} |\n|---|---|", fates.len());
    println!(
        "| killed by the tests of isolation | {} |",
        count(Fate::KilledAtOnce)
    );
    println!(
        "| killed by the rest of the suite | {} |",
        count(Fate::KilledByTheRest)
    );
    println!("| equivalent | {} |", explained.len());
    println!("| survivors | {} |\n", survivors.len());
    for mutant in &explained {
        let reason = explanation(mutant).map_or("", |entry| entry.reason);
        println!("equivalent: {} {}\n  {reason}", mutant.name, mutant.statement);
    }
    for mutant in &survivors {
        println!("survivor: {} {}", mutant.name, mutant.statement);
    }
    let stale: Vec<&str> = EQUIVALENT
        .iter()
        .map(|entry| entry.mutant)
        .filter(|name| !explained.iter().any(|mutant| mutant.name == *name))
        .collect();
    if !survivors.is_empty() {
        bail!(
            "write a test that fails without the predicate, or explain in src/mutate/equivalent.rs why there can be none"
        );
    }
    if !stale.is_empty() {
        bail!(
            "no longer survivors; take them out of src/mutate/equivalent.rs: {}",
            stale.join(", ")
        );
    }
    Ok(())
}
