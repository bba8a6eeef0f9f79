//! For `cargo xtask mutate` alone, behind the feature `mutation`: takes one workspace predicate out of one statement, so
//! that it can be seen whether the tests notice, and writes down which statements have such predicates.
//!
//! A mutant is named `{hash of the statement's text}.{which of its predicates}`. `PLINTH_MUTANT` chooses one;
//! `PLINTH_MUTANTS` names a file to which every mutant that there could be is appended when its statement first runs, as
//! `{mutant}` TAB `{statement on one line}`.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// What every predicate that keeps workspaces apart looks like, with or without an alias before it and a parameter behind.
const PREDICATE: &str = "workspace_id = $";

/// Statements that have run, and what runs in their place.
static RUN: LazyLock<Mutex<HashMap<&'static str, &'static str>>> = LazyLock::new(Mutex::default);

/// The statement to run in the place of `sql`: itself, unless it was chosen.
pub(super) fn in_place_of(sql: &'static str) -> &'static str {
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    run.entry(sql).or_insert_with(|| first_run(sql))
}

fn first_run(sql: &'static str) -> &'static str {
    let chosen = std::env::var("PLINTH_MUTANT").unwrap_or_default();
    let mut runs = sql;
    for (index, start) in predicates(sql).into_iter().enumerate() {
        let mutant = format!("{}.{index}", hash(sql));
        if mutant == chosen {
            runs = Box::leak(without(sql, start).into_boxed_str());
        }
        if let Some(file) = std::env::var_os("PLINTH_MUTANTS") {
            let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let file = OpenOptions::new().create(true).append(true).open(file);
            let written = file.and_then(|mut file| file.write_all(format!("{mutant}\t{line}\n").as_bytes()));
            written.expect("PLINTH_MUTANTS names a file that can be written");
        }
    }
    runs
}

fn hash(sql: &str) -> String {
    Sha256::digest(sql)[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Where the predicates start, their aliases included. An assignment (`SET workspace_id = $1`) would be one too; there is none.
fn predicates(sql: &str) -> Vec<usize> {
    let found = sql.match_indices(PREDICATE).map(|(at, _)| at);
    found.map(|at| at - alias_before(&sql[..at])).collect()
}

/// The length of `alias.` at the end of `text`.
fn alias_before(text: &str) -> usize {
    let alias = text.strip_suffix('.').map_or("", |rest| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        &rest[rest.trim_end_matches(is_part).len()..]
    });
    if alias.is_empty() { 0 } else { alias.len() + 1 }
}

/// The statement with the predicate that starts there replaced by one that every row meets. It still uses the parameter, which
/// would have no type, and be one too many, if nothing did.
fn without(sql: &str, start: usize) -> String {
    let (before, predicate) = sql.split_at(start);
    let parameter = predicate.find('$').unwrap_or_default();
    let digits = predicate[parameter + 1..].find(|c: char| !c.is_ascii_digit());
    let end = digits.map_or(predicate.len(), |digits| parameter + 1 + digits);
    format!(
        "{before}{} IS NOT NULL{}",
        &predicate[parameter..end],
        &predicate[end..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_predicate_goes_and_the_rest_stays() {
        let sql = "SELECT * FROM t x JOIN u ON u.workspace_id = x.workspace_id AND u.workspace_id = $12 WHERE workspace_id = $1";
        let mutants: Vec<String> = predicates(sql)
            .into_iter()
            .map(|start| without(sql, start))
            .collect();
        assert_eq!(
            mutants,
            [
                "SELECT * FROM t x JOIN u ON u.workspace_id = x.workspace_id AND $12 IS NOT NULL WHERE workspace_id = $1",
                "SELECT * FROM t x JOIN u ON u.workspace_id = x.workspace_id AND u.workspace_id = $12 WHERE $1 IS NOT NULL",
            ]
        );
        assert!(predicates("INSERT INTO t (workspace_id) VALUES ($1)").is_empty());
    }
}
