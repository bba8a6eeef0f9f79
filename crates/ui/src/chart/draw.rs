//! The drawing: grid, axes, shapes and read-outs.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::axis::{Scale, labelled};
use super::data::Data;
use crate::number;

/// Of the whole picture, in CSS pixels.
pub(super) const HEIGHT: u32 = 240;
/// Room above the plot for read-outs, and below it for labels.
const TOP: f64 = 22.0;
const PLOT: f64 = 190.0;
/// How far the y axis's labels end left of the plot. The style sheet leaves the room for them as the picture's margin.
const Y_GAP: i32 = 8;
/// The plot's own units across, for shapes that are stretched to its width.
const ACROSS: f64 = 1000.0;
const X_LABELS: usize = 6;

pub(super) fn area(data: &Data) -> Markup {
    let scale = data.scale();
    let last = data.labels.len().saturating_sub(1);
    let x_percent = move |index: usize| {
        if last == 0 {
            50.0
        } else {
            index as f64 * 100.0 / last as f64
        }
    };
    let line = |series: usize| {
        let mut path = String::new();
        for index in 0..data.labels.len() {
            let command = if index == 0 { 'M' } else { 'L' };
            let x = x_percent(index) * ACROSS / 100.0;
            let _ = write!(
                path,
                "{command}{} {}",
                round(x),
                round(y(scale, data.value(series, index)))
            );
        }
        path
    };
    let drawn = data.labels.len() > 1 && !data.is_empty();
    let shapes = html! {
        @if drawn {
            svg viewBox={ "0 0 " (ACROSS) " " (HEIGHT) } preserveAspectRatio="none" width="100%" height=(HEIGHT) {
                @for series in (1..data.series.len()).rev() {
                    path class={ "chart-line chart-line-" (series) } d=(line(series)) {}
                }
                @if !data.series.is_empty() {
                    path.chart-area d={ (line(0)) "V" (TOP + PLOT) "H0Z" } {}
                    path.chart-line d=(line(0)) {}
                }
            }
        }
    };
    plot(data, scale, &x_percent, shapes, last, |index| {
        html! {
            @let at = round(x_percent(index));
            line.chart-cursor x1={ (at) "%" } x2={ (at) "%" } y1=(TOP) y2=(TOP + PLOT) {}
            @for series in 0..data.series.len() {
                circle class={ "chart-dot chart-dot-" (series) } r="3.5" cx={ (at) "%" }
                    cy=(round(y(scale, data.value(series, index)))) {}
            }
        }
    })
}

pub(super) fn bars(data: &Data) -> Markup {
    let scale = stacked_scale(data);
    let count = data.labels.len().max(1) as f64;
    let band = 100.0 / count;
    let x_percent = move |index: usize| (index as f64 + 0.5) * band;
    let width = band * 0.7;
    let shapes = html! {
        @for index in 0..data.labels.len() {
            @for (series, bottom) in stack(data, index) {
                @let value = data.value(series, index);
                @if value > 0.0 {
                    rect class={ "chart-bar chart-bar-" (series) } rx="2"
                        x={ (round(x_percent(index) - width / 2.0)) "%" } width={ (round(width)) "%" }
                        y=(round(y(scale, bottom + value))) height=(round(y(scale, bottom) - y(scale, bottom + value))) {}
                }
            }
        }
    };
    plot(data, scale, &x_percent, shapes, usize::MAX, |_| html! {})
}

/// The scale of the sums, since bars of several series stand on each other.
fn stacked_scale(data: &Data) -> Scale {
    let sum = |index| {
        (0..data.series.len())
            .map(|series| data.value(series, index))
            .sum::<f64>()
    };
    let greatest = (0..data.labels.len()).map(sum).fold(0.0, f64::max);
    super::axis::nice_scale(greatest, 4, data.scale().step.fract() == 0.0)
}

/// Each series with the height that it stands on.
fn stack(data: &Data, index: usize) -> impl Iterator<Item = (usize, f64)> {
    (0..data.series.len()).scan(0.0, move |height, series| {
        let bottom = *height;
        *height += data.value(series, index);
        Some((series, bottom))
    })
}

/// Grid and axes around `shapes`, and over each point a strip that shows its figures while the pointer is on it. `last` is
/// the index whose label ends at the right edge.
fn plot(
    data: &Data,
    scale: Scale,
    x_percent: &dyn Fn(usize) -> f64,
    shapes: Markup,
    last: usize,
    marker: impl Fn(usize) -> Markup,
) -> Markup {
    let strip = 100.0 / data.labels.len().max(1) as f64;
    html! {
        @for tick in scale.ticks() {
            @let at = round(y(scale, tick));
            line class=(if tick == 0.0 { "chart-base" } else { "chart-grid" }) x1="0" x2="100%" y1=(at) y2=(at) {}
            text x=(-Y_GAP) y=(round(at + 3.5)) text-anchor="end" { (number::compact(tick)) }
        }
        (shapes)
        @for (nth, index) in labelled(data.labels.len(), X_LABELS).enumerate() {
            text.chart-x-odd[nth % 2 == 1] x={ (round(x_percent(index))) "%" } y=(HEIGHT - 6)
                text-anchor=(anchor(index, x_percent(index), last)) { (data.labels[index]) }
        }
        @for (index, label) in data.labels.iter().enumerate().filter(|_| !data.is_empty()) {
            @let start = (x_percent(index) - strip / 2.0).clamp(0.0, 100.0 - strip);
            g.chart-point {
                rect x={ (round(start)) "%" } y="0" width={ (round(strip)) "%" } height=(HEIGHT) {}
                (marker(index))
                text.chart-tip x="100%" y="11" text-anchor="end" { (readout(data, index, label)) }
            }
        }
    }
}

/// `12 Nov · 1,234`, or with each series by name when there are several.
fn readout(data: &Data, index: usize, label: &str) -> String {
    let mut text = label.to_owned();
    for (number, series) in data.series.iter().enumerate() {
        let value = (data.write)(data.value(number, index));
        let _ = if data.series.len() > 1 {
            write!(text, " · {} {value}", series.name)
        } else {
            write!(text, " · {value}")
        };
    }
    text
}

/// Labels at the edges stay inside.
fn anchor(index: usize, x_percent: f64, last: usize) -> &'static str {
    if x_percent == 0.0 {
        "start"
    } else if index == last {
        "end"
    } else {
        "middle"
    }
}

fn y(scale: Scale, value: f64) -> f64 {
    TOP + PLOT * (1.0 - scale.position(value))
}

/// A tenth of a pixel is enough, and short.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
