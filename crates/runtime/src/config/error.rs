//! What is wrong with a configuration: all of it at once, each with its place.

use std::fmt;

use super::settle::Place;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// What is wrong and what would be right. It never repeats a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// The configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        f.write_str("\n`plinth config reference` lists every setting.")
    }
}

impl std::error::Error for ConfigError {}

/// `: did you mean …?` for the candidate closest to what was written, or nothing when none is close.
pub(super) fn suggestion<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let closest = candidates
        .map(|candidate| (misspelling_cost(written, candidate), candidate))
        .min();
    match closest {
        Some((cost, candidate)) if cost <= 2.max(written.len() / 4) => {
            format!(": did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

/// How far apart two names are; the right key in the wrong table counts as one mistake.
fn misspelling_cost(written: &str, candidate: &str) -> usize {
    let key = |name: &'_ str| name.rsplit('.').next().map(str::to_owned);
    if key(written) == key(candidate) {
        return 1;
    }
    edit_distance(written, candidate)
}

/// Insertions, deletions and substitutions that turn one text into the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
