//! What a chart is given, and the element around the drawing.

use maud::{Markup, Render, html};

use super::axis::{Scale, nice_scale};
use super::draw;
use crate::icon::Icon;
use crate::number;

/// The most lines that the y axis has above its base.
const Y_STEPS: u32 = 4;

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Series {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

impl Series {
    /// A value for each of the chart's labels. Less than zero, missing and not finite are drawn as zero.
    pub fn new(name: impl Into<String>, values: Vec<f64>) -> Self {
        Series {
            name: name.into(),
            values,
        }
    }
}

/// What both charts have in common.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) labels: Vec<String>,
    pub(super) series: Vec<Series>,
    pub(super) write: fn(f64) -> String,
    empty: String,
}

impl Data {
    fn new(id: String, title: String, labels: Vec<String>) -> Self {
        Data {
            id,
            title,
            labels,
            series: Vec::new(),
            write: write_whole,
            empty: "Nothing in this period yet".to_owned(),
        }
    }

    /// The value to draw, whatever was given.
    pub(super) fn value(&self, series: usize, index: usize) -> f64 {
        let value = self
            .series
            .get(series)
            .and_then(|series| series.values.get(index))
            .copied();
        value
            .filter(|value| value.is_finite())
            .map_or(0.0, |value| value.max(0.0))
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let points = 0..self.labels.len();
        (0..self.series.len())
            .flat_map(move |series| points.clone().map(move |index| self.value(series, index)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values().all(|value| value == 0.0)
    }

    pub(super) fn scale(&self) -> Scale {
        let greatest = self.values().fold(0.0, f64::max);
        nice_scale(greatest, Y_STEPS, self.values().all(|value| value.fract() == 0.0))
    }

    /// What a reader of the picture would say first: extent, total and peak.
    fn description(&self) -> String {
        let (Some(first), Some(last)) = (self.labels.first(), self.labels.last()) else {
            return self.empty.clone();
        };
        if self.is_empty() {
            return format!("{first} to {last}. {}.", self.empty);
        }
        let mut text = format!("{first} to {last}.");
        for (number, series) in self.series.iter().enumerate() {
            let values = (0..self.labels.len()).map(|index| self.value(number, index));
            let total: f64 = values.clone().sum();
            let peak = values.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((at, value)) = peak {
                let write = self.write;
                let label = self.labels.get(at).map_or("", String::as_str);
                text.push_str(&format!(
                    " {}: {} in total, at most {} on {label}.",
                    series.name,
                    write(total),
                    write(value)
                ));
            }
        }
        text
    }

    fn figure(&self, drawing: Markup) -> Markup {
        html! {
            figure.chart {
                @if self.series.len() > 1 {
                    ul.chart-legend role="list" {
                        @for (index, series) in self.series.iter().enumerate() {
                            li { i class={ "chart-key chart-key-" (index) } aria-hidden="true" {} (series.name) }
                        }
                    }
                }
                svg.chart-svg role="img" height=(draw::HEIGHT) aria-labelledby={ (self.id) "-t " (self.id) "-d" } {
                    title id={ (self.id) "-t" } { (self.title) }
                    desc id={ (self.id) "-d" } { (self.description()) }
                    (drawing)
                    @if self.is_empty() {
                        text.chart-empty x="50%" y=(draw::HEIGHT / 2) text-anchor="middle" { (self.empty) }
                    }
                }
                @if !self.labels.is_empty() { (self.table()) }
            }
        }
    }

    fn table(&self) -> Markup {
        html! {
            details.chart-data {
                summary { (Icon::ChevronRight) "Show as table" }
                div.table-scroll role="region" aria-label=(self.title) tabindex="0" {
                    table.table.table-dense {
                        thead {
                            tr {
                                th scope="col" { "When" }
                                @for series in &self.series { th.num scope="col" { (series.name) } }
                            }
                        }
                        tbody {
                            @for (index, label) in self.labels.iter().enumerate() {
                                tr {
                                    th scope="row" { (label) }
                                    @for series in 0..self.series.len() {
                                        td.num { ((self.write)(self.value(series, index))) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Things that are counted are written in full.
fn write_whole(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        number::thousands(value as i64)
    } else {
        format!("{value:.2}")
    }
}

macro_rules! chart {
    ($(#[$doc:meta])* $name:ident, $draw:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Data);

        impl $name {
            /// `id` is unique on its page. `labels` name the points from left to right, as they are read on the axis and in
            /// the table.
            pub fn new(id: impl Into<String>, title: impl Into<String>, labels: Vec<String>) -> Self {
                $name(Data::new(id.into(), title.into(), labels))
            }

            /// The first is drawn as the main thing, a second as its comparison.
            pub fn series(mut self, series: Series) -> Self {
                self.0.series.push(series);
                self
            }

            /// How a value is written in the table, the read-out and the description. Unless said, as a count.
            pub fn write(mut self, write: fn(f64) -> String) -> Self {
                self.0.write = write;
                self
            }

            /// What the chart says when all its values are zero.
            pub fn empty(mut self, sentence: impl Into<String>) -> Self {
                self.0.empty = sentence.into();
                self
            }
        }

        impl Render for $name {
            fn render(&self) -> Markup {
                self.0.figure($draw(&self.0))
            }
        }
    };
}

chart! {
    /// A course over time: the first series as a line above its area, others as lines.
    AreaChart, draw::area
}
chart! {
    /// Amounts beside each other: a bar for each label, series stacked.
    BarChart, draw::bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["1 Nov", "2 Nov", "3 Nov"].map(str::to_owned).to_vec()
    }

    #[test]
    fn is_named_described_and_backed_by_a_table() {
        let chart = AreaChart::new("calls", "Calls a day", labels())
            .series(Series::new("Calls", vec![1.0, 1500.0, 2.0]));
        let markup = chart.render().into_string();
        assert!(markup.contains("role=\"img\"") && markup.contains("aria-labelledby=\"calls-t calls-d\""));
        assert!(markup.contains("1 Nov to 3 Nov. Calls: 1,503 in total, at most 1,500 on 2 Nov."));
        assert!(markup.contains("<td class=\"num\">1,500</td>"));
    }

    #[test]
    fn bad_and_missing_values_are_zero() {
        let series = Series::new("Calls", vec![f64::NAN, -4.0]);
        let markup = AreaChart::new("c", "Calls", labels())
            .series(series)
            .render()
            .into_string();
        assert!(
            !markup.contains("NaN")
                && !markup.contains("inf")
                && markup.contains("Nothing in this period yet")
        );
    }

    #[test]
    fn no_points_at_all_is_an_empty_chart() {
        for markup in [
            AreaChart::new("c", "Calls", Vec::new()).render().into_string(),
            BarChart::new("c", "Calls", Vec::new())
                .series(Series::new("Calls", vec![1.0]))
                .render()
                .into_string(),
        ] {
            assert!(markup.contains("Nothing in this period yet") && !markup.contains("<table"));
        }
    }

    #[test]
    fn labels_are_escaped() {
        let chart = BarChart::new("c", "<Calls>", vec!["<1>".into()]).series(Series::new("&", vec![1.0]));
        let markup = chart.render().into_string();
        assert!(!markup.contains("<1>") && !markup.contains("<Calls>") && markup.contains("&lt;1&gt;"));
    }
}
