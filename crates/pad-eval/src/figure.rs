//! Figures as people read them.

use crate::statistics::Estimate;

/// Three digits that count, and no more than three behind the point.
pub fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 || size == 0.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    // "-0.000" is nothing.
    if text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.') { "0".to_owned() } else { text }
}

/// The same with its sign.
pub fn change(value: f64) -> String {
    let text = figure(value);
    if text == "0" || text.starts_with('-') { text } else { format!("+{text}") }
}

/// A weight: `+1`, `-0.5`, `0`.
pub fn weight(value: f64) -> String {
    if value > 0.0 { format!("+{value}") } else { value.to_string() }
}

/// A share in percent.
pub fn percent(value: f64) -> String {
    format!("{:.0} %", 100.0 * value)
}

/// A change with its interval: `+3.1 [1.0, 5.2]`.
pub fn change_with_interval(estimate: &Estimate) -> String {
    format!("{} [{}, {}]", change(estimate.value), change(estimate.low), change(estimate.high))
}

/// A figure with its interval.
pub fn with_interval(estimate: &Estimate) -> String {
    format!("{} [{}, {}]", figure(estimate.value), figure(estimate.low), figure(estimate.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_count() {
        let found: Vec<String> = [0.0, -0.0001, 0.1234, 1.0, 12.345, 99.96, 1234.5].map(figure).to_vec();
        assert_eq!(found, ["0", "0", "0.123", "1.00", "12.3", "100", "1234"]);
        assert_eq!([change(2.5), change(-2.5), change(0.0)], ["+2.50", "-2.50", "0"]);
        assert_eq!([weight(1.0), weight(-0.5), weight(0.0), percent(0.756)], ["+1", "-0.5", "0", "76 %"]);
        let estimate = Estimate { value: 3.1, low: -1.0, high: 5.25, count: 3 };
        assert_eq!(change_with_interval(&estimate), "+3.10 [-1.00, +5.25]");
    }
}
