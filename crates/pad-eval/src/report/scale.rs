//! From values to positions in a plot.

/// A straight scale: from values to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    values: (f64, f64),
    pixels: (f64, f64),
}

impl Scale {
    /// From these values (in order) to these pixels.
    pub fn new(values: (f64, f64), pixels: (f64, f64)) -> Self {
        Self { values, pixels }
    }

    /// A scale that holds all values with a little room on both sides.
    pub fn around(values: impl Iterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self::new((0.0, 1.0), pixels);
        }
        let room = if low == high { low.abs().max(1.0) * 0.1 } else { (high - low) * 0.08 };
        Self::new((low - room, high + room), pixels)
    }

    /// Where a value lies.
    pub fn at(self, value: f64) -> f64 {
        let share = (value - self.values.0) / (self.values.1 - self.values.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// Round values within, about `count` of them.
    pub fn ticks(self, count: usize) -> Vec<f64> {
        let (low, high) = self.values;
        let rough = (high - low) / count.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(rough);
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        (first..=last).map(|k| k as f64 * step).collect()
    }
}

/// A tick's value, without digits that say nothing.
pub fn label(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let ticks = |low, high| Scale::new((low, high), (0.0, 1.0)).ticks(5).into_iter().map(label).collect::<Vec<_>>();
        assert_eq!(ticks(0.0, 10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(ticks(-0.13, 0.42), ["0", "0.2", "0.4"]);
        assert_eq!(ticks(61.0, 118.0), ["80", "100"]);
        assert_eq!(label(-0.0001), "0");
    }

    #[test]
    fn values_find_their_places() {
        let scale = Scale::new((0.0, 10.0), (100.0, 0.0));
        assert_eq!((scale.at(0.0), scale.at(2.5), scale.at(10.0)), (100.0, 75.0, 0.0));
        let around = Scale::around([3.0, 1.0, f64::NAN].into_iter(), (0.0, 1.0));
        assert!(around.at(1.0) > 0.0 && around.at(3.0) < 1.0);
        assert!(Scale::around(std::iter::empty(), (0.0, 1.0)).at(0.5).is_finite());
        assert!(Scale::around([2.0, 2.0].into_iter(), (0.0, 1.0)).at(2.0).is_finite());
    }
}
