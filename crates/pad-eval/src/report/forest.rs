//! Figures with intervals, one below the other.

use std::fmt::Write;

use super::markup::escape;
use super::scale::{Scale, label};
use crate::figure;
use crate::statistics::Estimate;

/// Width of the drawing, and where its field begins and ends.
const WIDTH: f64 = 960.0;
const FIELD: (f64, f64) = (250.0, 840.0);

/// Height of a row, and room between groups.
const ROW: f64 = 22.0;
const GAP: f64 = 14.0;

/// Groups of figures on one axis.
#[derive(Debug)]
pub struct Forest {
    /// From above.
    pub groups: Vec<Group>,
    /// Values to compare with, and their names.
    pub marks: Vec<(f64, String)>,
    /// The axis; none: as far as the figures go.
    pub range: Option<(f64, f64)>,
    /// Whether figures are shares.
    pub percent: bool,
}

/// The figures of one dimension.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The class of the colour, the name and the figure of each row.
    pub rows: Vec<(String, String, Estimate)>,
}

impl Forest {
    /// The drawing.
    pub fn svg(&self) -> String {
        let rows: usize = self.groups.iter().map(|group| group.rows.len()).sum();
        let height = 26.0 + rows as f64 * ROW + self.groups.len() as f64 * GAP + 18.0;
        let estimates = self.groups.iter().flat_map(|group| &group.rows).map(|row| row.2);
        let ends = estimates.flat_map(|e| [e.low, e.high]).chain(self.marks.iter().map(|mark| mark.0));
        let scale = match self.range {
            Some(range) => Scale::new((ends.fold(range.0, f64::min), range.1), FIELD),
            None => Scale::around(ends, FIELD),
        };
        let tick_label = |value: f64| if self.percent { figure::percent(value) } else { label(value) };
        let shown = |value: f64| if self.percent { figure::percent(value) } else { format!("{value:+.2}") };
        let mut svg = String::new();
        // Writing to a string cannot fail, here and below.
        for tick in scale.ticks(6) {
            let at = scale.at(tick);
            let _ = write!(
                svg,
                "<line class=\"rule\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"22\" y2=\"{:.1}\"/><text class=\"tick middle\" \
                 x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                height - 20.0,
                height - 5.0,
                tick_label(tick)
            );
        }
        for (value, name) in &self.marks {
            let at = scale.at(*value);
            let _ = write!(
                svg,
                "<line class=\"level\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"18\" y2=\"{:.1}\"/><text class=\"tick middle\" \
                 x=\"{at:.1}\" y=\"12\">{}</text>",
                height - 20.0,
                escape(name)
            );
        }
        let mut y = 26.0 + GAP / 2.0;
        for group in &self.groups {
            let _ = write!(svg, "<text class=\"name\" x=\"0\" y=\"{:.1}\">{}</text>", y + 15.0, escape(&group.name));
            for (class, name, e) in &group.rows {
                let middle = y + ROW / 2.0;
                let [low, value, high] = [e.low, e.value, e.high].map(|value| scale.at(value));
                let said = format!("{} {name}: {} [{}, {}]", group.name, shown(e.value), shown(e.low), shown(e.high));
                let _ = write!(
                    svg,
                    "<g><title>{}</title><text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{}</text>\
                     <line class=\"{class} whisker\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\
                     <circle class=\"{class} dot\" cx=\"{value:.1}\" cy=\"{middle:.1}\" r=\"5\"/>\
                     <text class=\"figure\" x=\"{}\" y=\"{:.1}\">{}</text></g>",
                    escape(&said),
                    FIELD.0 - 14.0,
                    middle + 4.0,
                    escape(name),
                    FIELD.1 + 14.0,
                    middle + 4.0,
                    shown(e.value)
                );
                y += ROW;
            }
            y += GAP;
        }
        format!(
            "<div class=\"card scroll\"><svg class=\"wide\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">{svg}</svg></div>"
        )
    }
}
