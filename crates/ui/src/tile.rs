//! A figure with what it was before.

use maud::{Markup, Render, html};

use crate::chart::sparkline;
use crate::icon::Icon;
use crate::number;

/// How a figure moved against the period before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Delta {
    /// There was nothing before, and there is something now.
    New,
    Same,
    /// The change as a share of what was before: 0.12 is twelve percent more.
    Changed {
        ratio: f64,
        good: bool,
    },
}

impl Delta {
    /// More is better.
    pub fn between(current: f64, previous: f64) -> Self {
        if current == previous || !current.is_finite() || !previous.is_finite() {
            return Delta::Same;
        }
        if previous == 0.0 {
            return Delta::New;
        }
        let ratio = (current - previous) / previous.abs();
        Delta::Changed {
            ratio,
            good: ratio > 0.0,
        }
    }

    /// Less is better, as with refused calls.
    pub fn between_lower_is_better(current: f64, previous: f64) -> Self {
        match Delta::between(current, previous) {
            Delta::Changed { ratio, good } => Delta::Changed { ratio, good: !good },
            other => other,
        }
    }
}

impl Render for Delta {
    fn render(&self) -> Markup {
        match *self {
            Delta::New => html! { span.delta { "New" } },
            Delta::Same => html! { span.delta { "No change" } },
            Delta::Changed { ratio, good } => html! {
                span class=(if good { "delta is-good" } else { "delta is-bad" }) {
                    (if ratio > 0.0 { Icon::ArrowUp } else { Icon::ArrowDown })
                    span.sr-only { (if ratio > 0.0 { "up " } else { "down " }) }
                    (number::percent(ratio.abs()))
                }
            },
        }
    }
}

/// A figure.
#[derive(Debug, Clone)]
pub struct Tile {
    label: String,
    value: String,
    delta: Option<Delta>,
    hint: Option<String>,
    href: Option<String>,
    spark: Vec<f64>,
}

impl Tile {
    /// `value` is already written for people: see [`crate::number`].
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Tile {
            label: label.into(),
            value: value.into(),
            delta: None,
            hint: None,
            href: None,
            spark: Vec::new(),
        }
    }

    pub fn delta(mut self, delta: Delta) -> Self {
        self.delta = Some(delta);
        self
    }

    /// A few words beside the change, such as `vs last month` or `of 5,000`.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where the figure comes from.
    pub fn href(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }

    /// The course of the figure, oldest first.
    pub fn spark(mut self, values: Vec<f64>) -> Self {
        self.spark = values;
        self
    }
}

impl Render for Tile {
    fn render(&self) -> Markup {
        html! {
            div.tile {
                dt.tile-label {
                    @if let Some(href) = &self.href { a.tile-link href=(href) { (self.label) } } @else { (self.label) }
                }
                dd.tile-value { (self.value) }
                dd.tile-foot {
                    @if let Some(delta) = &self.delta { (delta) }
                    @if let Some(hint) = &self.hint { span { (hint) } }
                }
                @if !self.spark.is_empty() { dd.tile-spark { (sparkline(&self.spark)) } }
            }
        }
    }
}

/// Four to six tiles in a row that wraps.
pub fn tiles(tiles: &[Tile]) -> Markup {
    html! { dl.tiles { @for tile in tiles { (tile) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_knows_nothing_before_from_nothing_changed() {
        assert_eq!(Delta::between(5.0, 0.0), Delta::New);
        assert_eq!(Delta::between(0.0, 0.0), Delta::Same);
        assert_eq!(Delta::between(f64::NAN, 1.0), Delta::Same);
        assert_eq!(
            Delta::between(3.0, 2.0),
            Delta::Changed {
                ratio: 0.5,
                good: true
            }
        );
        assert_eq!(
            Delta::between_lower_is_better(1.0, 2.0),
            Delta::Changed {
                ratio: -0.5,
                good: true
            }
        );
    }

    #[test]
    fn direction_is_told_in_words_too() {
        let markup = Delta::between(1.0, 2.0).render().into_string();
        assert!(markup.contains("down ") && markup.contains("50%"));
    }
}
