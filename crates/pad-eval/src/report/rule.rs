//! Rules of a plot: a thin line at a value, with its label outside.

/// A line from left to right at height `at`, between these two places; the label stands before it.
pub fn horizontal((left, right): (f64, f64), at: f64, label: &str) -> String {
    format!(
        "<line class=\"rule\" x1=\"{left}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick end\" x=\"{}\" \
         y=\"{:.1}\">{label}</text>",
        left - 8.0,
        at + 4.0,
    )
}

/// A line from the top down at `at`, between these two heights; the label stands below it.
pub fn vertical((top, bottom): (f64, f64), at: f64, label: &str) -> String {
    format!(
        "<line class=\"rule\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{bottom}\"/><text class=\"tick middle\" x=\"{at:.1}\" \
         y=\"{}\">{label}</text>",
        bottom + 18.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_outside_the_plot() {
        let expected = "<line class=\"rule\" x1=\"62\" x2=\"970\" y1=\"20.5\" y2=\"20.5\"/><text class=\"tick end\" x=\"54\" y=\"24.5\">5</text>";
        assert_eq!(horizontal((62.0, 970.0), 20.5, "5"), expected);
        let expected = "<line class=\"rule\" x1=\"100.0\" x2=\"100.0\" y1=\"14\" y2=\"448\"/><text class=\"tick middle\" x=\"100.0\" y=\"466\">5</text>";
        assert_eq!(vertical((14.0, 448.0), 100.0, "5"), expected);
    }
}
