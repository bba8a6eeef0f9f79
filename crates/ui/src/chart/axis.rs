//! Which values the y axis names, and which points the x axis.

/// The y axis: zero to `top` in steps of `step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub top: f64,
    pub step: f64,
}

impl Scale {
    /// The values that get a line, from zero up.
    pub fn ticks(self) -> impl Iterator<Item = f64> {
        let count = (self.top / self.step).round() as u32;
        (0..=count).map(move |index| f64::from(index) * self.step)
    }

    /// Where `value` is, 0 at the bottom to 1 at the top.
    pub fn position(self, value: f64) -> f64 {
        (value / self.top).clamp(0.0, 1.0)
    }
}

/// The scale whose steps are 1, 2, 2.5 or 5 times a power of ten, of which there are at most `steps`, and which
/// reaches `greatest`. With `whole`, for things that are counted, a step is a whole number.
pub fn nice_scale(greatest: f64, steps: u32, whole: bool) -> Scale {
    let steps = f64::from(steps.max(1));
    if !greatest.is_finite() || greatest <= 0.0 {
        return Scale {
            top: steps,
            step: 1.0,
        };
    }
    let raw = greatest / steps;
    let magnitude = 10_f64.powf(raw.log10().floor());
    // A hair of tolerance: 0.3 / 3 is not quite 0.1.
    let mut step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(10.0 * magnitude);
    if whole {
        step = step.ceil().max(1.0);
    }
    Scale {
        top: (greatest / step * (1.0 - 1e-9)).ceil().max(1.0) * step,
        step,
    }
}

/// Indices of the points whose labels are written: evenly spaced, the first among them, at most `most`.
pub(super) fn labelled(points: usize, most: usize) -> impl Iterator<Item = usize> {
    let stride = points.div_ceil(most.max(1)).max(1);
    (0..points).step_by(stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_nice_and_reach_the_greatest_value() {
        for (greatest, whole, top, step) in [
            (0.0, true, 4.0, 1.0),
            (1.0, true, 1.0, 1.0),
            (3.0, true, 3.0, 1.0),
            (7.0, true, 8.0, 2.0),
            (9.0, true, 9.0, 3.0),
            (97.0, true, 100.0, 25.0),
            (100.0, true, 100.0, 25.0),
            (101.0, true, 150.0, 50.0),
            (48_210.0, true, 60_000.0, 20_000.0),
            (0.3, false, 0.3, 0.1),
            (0.07, false, 0.08, 0.02),
            (f64::NAN, true, 4.0, 1.0),
            (-5.0, true, 4.0, 1.0),
        ] {
            let scale = nice_scale(greatest, 4, whole);
            assert!(
                (scale.top - top).abs() < 1e-9 && (scale.step - step).abs() < 1e-9,
                "{greatest}: {scale:?}"
            );
        }
    }

    #[test]
    fn every_scale_covers_its_data_within_the_steps_asked_for() {
        for exponent in -6..15 {
            for mantissa in 1..100 {
                let greatest = f64::from(mantissa) * 10_f64.powi(exponent) / 10.0;
                let scale = nice_scale(greatest, 4, false);
                assert!(scale.top >= greatest * (1.0 - 1e-6), "{greatest}: {scale:?}");
                assert!(scale.ticks().count() <= 5, "{greatest}: {scale:?}");
            }
        }
    }

    #[test]
    fn positions_stay_on_the_chart() {
        let scale = nice_scale(100.0, 4, true);
        assert_eq!(
            (scale.position(50.0), scale.position(-1.0), scale.position(1e9)),
            (0.5, 0.0, 1.0)
        );
    }

    #[test]
    fn labels_are_few_and_even() {
        assert_eq!(labelled(30, 6).collect::<Vec<_>>(), [0, 5, 10, 15, 20, 25]);
        assert_eq!(labelled(3, 6).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(labelled(0, 6).count(), 0);
    }
}
