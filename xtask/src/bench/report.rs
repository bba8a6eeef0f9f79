//! Numbers, tables, and their place in `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

const PAGE: &str = "docs/benchmarks.md";

/// How often something happens, and how long one takes.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub per_sec: f64,
    pub p50_micros: f64,
    pub p99_micros: f64,
    /// How many did not succeed.
    pub failed: f64,
}

impl Rate {
    /// From how long each took, in microseconds, and all of them together.
    pub fn of(micros: &mut [f64], elapsed: Duration) -> Self {
        micros.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| {
            micros
                .get(micros.len() * percent / 100)
                .copied()
                .unwrap_or_default()
        };
        Self {
            per_sec: micros.len() as f64 / elapsed.as_secs_f64(),
            p50_micros: at(50),
            p99_micros: at(99),
            failed: 0.0,
        }
    }

    /// Each figure's median over several measurements, and the failures of all.
    pub fn median(rates: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&mut rates.iter().map(figure).collect::<Vec<_>>());
        Self {
            per_sec: of(|rate| rate.per_sec),
            p50_micros: of(|rate| rate.p50_micros),
            p99_micros: of(|rate| rate.p99_micros),
            failed: rates.iter().map(|rate| rate.failed).sum(),
        }
    }

    /// Rate, p50 and p99 as cells of a table.
    pub fn cells(&self) -> [String; 3] {
        [
            grouped(self.per_sec),
            millis(self.p50_micros),
            millis(self.p99_micros),
        ]
    }
}

/// The middle one, or the mean of the two in the middle; 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (_, 0) if values.is_empty() => 0.0,
        (middle, 0) => f64::midpoint(values[middle - 1], values[middle]),
        (middle, _) => values[middle],
    }
}

/// `12,345`
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.28 ms`, from microseconds; three figures are all that a run repeats.
pub fn millis(micros: f64) -> String {
    let millis = micros / 1_000.0;
    match millis {
        ..10.0 => format!("{millis:.2} ms"),
        ..100.0 => format!("{millis:.1} ms"),
        _ => format!("{millis:.0} ms"),
    }
}

/// A Markdown table.
pub struct Table {
    text: String,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        let mut table = Self { text: String::new() };
        table.row(head);
        table.text.push_str(&"|---".repeat(head.len()));
        table.text.push_str("|\n");
        table
    }

    pub fn row(&mut self, cells: &[impl AsRef<str>]) {
        for cell in cells {
            let _ = write!(self.text, "| {} ", cell.as_ref());
        }
        self.text.push_str("|\n");
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A figure that has a goal.
pub struct Goal {
    pub what: String,
    pub measured: f64,
    pub bound: Bound,
    pub unit: &'static str,
}

/// Where a figure shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Between(f64, f64),
}

impl Bound {
    fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(most) => measured <= most,
            Self::AtLeast(least) => measured >= least,
            Self::Between(least, most) => (least..=most).contains(&measured),
        }
    }

    fn shown(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {}", with_unit(most, unit)),
            Self::AtLeast(least) => format!("≥ {}", with_unit(least, unit)),
            Self::Between(least, most) => format!("{} to {}", figure(least), with_unit(most, unit)),
        }
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", figure(value))
}

/// Three figures of a fraction, and all of a whole number.
fn figure(value: f64) -> String {
    match value.abs() {
        ..10.0 if value.fract() != 0.0 => format!("{value:.2}"),
        ..100.0 if value.fract() != 0.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// The goals, and which of them are reached.
pub fn goals(goals: &[Goal]) -> Table {
    let mut table = Table::new(&["figure", "measured", "goal", "reached"]);
    for goal in goals {
        let reached = if goal.bound.holds(goal.measured) {
            "yes"
        } else {
            "**no**"
        };
        table.row(&[
            goal.what.as_str(),
            &with_unit(goal.measured, goal.unit),
            &goal.bound.shown(goal.unit),
            reached,
        ]);
    }
    table
}

/// Puts figures between `<!-- name -->` and `<!-- /name -->`.
pub fn write(workspace: &Workspace, name: &str, figures: &str) -> Result<()> {
    let path = workspace.root.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let page = between(&page, name, figures)
        .with_context(|| format!("{PAGE} has no `<!-- {name} -->` followed by `<!-- /{name} -->`"))?;
    fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("written to {PAGE}");
    Ok(())
}

fn between(page: &str, name: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->"))?;
    let (_, after) = rest.split_once(&format!("<!-- /{name} -->"))?;
    Some(format!(
        "{before}<!-- {name} -->\n\n{}\n\n<!-- /{name} -->{after}",
        figures.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0.4), "0");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_goal_is_reached_at_its_bound_and_on_the_right_side_of_it() {
        let goal = |measured, bound| Goal {
            what: "it".to_owned(),
            measured,
            bound,
            unit: "×",
        };
        let table = goals(&[
            goal(10.0, Bound::AtMost(10.0)),
            goal(0.254, Bound::AtLeast(0.3)),
            goal(123_456.7, Bound::AtLeast(100_000.0)),
            goal(1.25, Bound::Between(0.8, 1.2)),
        ]);
        let rows: Vec<&str> = table.text().lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| it | 10 × | ≤ 10 × | yes |",
                "| it | 0.25 × | ≥ 0.30 × | **no** |",
                "| it | 123,457 × | ≥ 100,000 × | yes |",
                "| it | 1.25 × | 0.80 to 1.20 × | **no** |",
            ]
        );
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut []), 0.0);
    }

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = "one\n<!-- a -->\nold\n<!-- /a -->\ntwo <!-- b --><!-- /b -->";
        assert_eq!(
            between(page, "a", "new\n").as_deref(),
            Some("one\n<!-- a -->\n\nnew\n\n<!-- /a -->\ntwo <!-- b --><!-- /b -->")
        );
        assert_eq!(between(page, "c", "new"), None);
    }
}
