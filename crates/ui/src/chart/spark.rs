//! A line without axes, beside a figure that says the same in words.

use std::fmt::Write as _;

use maud::{Markup, html};

const ACROSS: f64 = 100.0;
const HEIGHT: f64 = 28.0;
/// Half the line's width, so that it is not cut at the top and bottom.
const INSET: f64 = 1.5;

/// The course of `values`, oldest first; nothing for fewer than two. Values that are not finite are drawn as zero.
pub fn sparkline(values: &[f64]) -> Markup {
    if values.len() < 2 {
        return html! {};
    }
    let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
    let greatest = values.iter().copied().map(finite).fold(0.0, f64::max);
    let mut line = String::new();
    for (index, value) in values.iter().copied().map(finite).enumerate() {
        let x = index as f64 * ACROSS / (values.len() - 1) as f64;
        let share = if greatest > 0.0 {
            (value / greatest).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let y = INSET + (HEIGHT - 2.0 * INSET) * (1.0 - share);
        let _ = write!(line, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
    }
    html! {
        svg.spark viewBox={ "0 0 " (ACROSS) " " (HEIGHT) } width="100%" height=(HEIGHT)
            preserveAspectRatio="none" aria-hidden="true" {
            path.chart-area d={ (line) "V" (HEIGHT) "H0Z" } {}
            path.chart-line d=(line) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_from_edge_to_edge_and_from_top_to_bottom() {
        let markup = sparkline(&[0.0, 5.0, 10.0]).into_string();
        assert!(markup.contains("M0.0 26.5L50.0 14.0L100.0 1.5"));
    }

    #[test]
    fn needs_two_values_and_survives_any() {
        assert_eq!(sparkline(&[1.0]).into_string(), "");
        assert!(
            !sparkline(&[f64::NAN, f64::INFINITY, 0.0])
                .into_string()
                .contains("NaN")
        );
    }
}
