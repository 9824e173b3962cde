//! A chart of figures by weight, with their intervals.

use std::fmt::Write;

use super::markup::escape;
use super::rule;
use super::scale::{Scale, label};
use crate::figure;
use crate::statistics::Estimate;

/// Width and height of the drawing, in its own units.
const SIZE: (f64, f64) = (460.0, 270.0);
const SHORT: (f64, f64) = (250.0, 150.0);

/// Points without a line are drawn beside the weight, so that they do not hide each other.
const BESIDE: f64 = 9.0;

/// Room on the left for the labels of the ticks, and on the right for those of the lines.
const SIDES: (f64, f64) = (44.0, 22.0);

/// Curves over weights.
#[derive(Debug)]
pub struct Chart {
    /// Above the drawing.
    pub title: String,
    /// Below the title.
    pub subtitle: String,
    /// What is drawn.
    pub curves: Vec<Curve>,
    /// A value to compare with, and its name.
    pub level: Option<(f64, String)>,
    /// A low drawing, for many side by side.
    pub short: bool,
}

/// The figures of one method.
#[derive(Debug)]
pub struct Curve {
    /// The class of its colour.
    pub class: String,
    /// Its name, shown as a tooltip.
    pub name: String,
    /// Thin and dashed, without intervals.
    pub dashed: bool,
    /// Whether the points are one line with a band, or points with whiskers.
    pub joined: bool,
    /// By weight, in order.
    pub points: Vec<(f64, Estimate)>,
}

impl Chart {
    /// The drawing with its titles.
    pub fn svg(&self) -> String {
        let (width, height) = if self.short { SHORT } else { SIZE };
        let all = || self.curves.iter().flat_map(|curve| &curve.points);
        let x = Scale::around(all().map(|point| point.0), (SIDES.0, width - SIDES.1));
        let level = self.level.iter().map(|level| level.0);
        let whole = all().map(|point| point.1.value);
        let solid = self.curves.iter().filter(|curve| !curve.dashed).flat_map(|curve| &curve.points);
        let ends = solid.flat_map(|point| [point.1.low, point.1.high]);
        let y = Scale::around(whole.chain(ends).chain(level), (height - 30.0, 10.0));
        let mut svg = String::new();
        // Writing to a string cannot fail, here and below.
        for tick in y.ticks(if self.short { 3 } else { 5 }) {
            svg += &rule::horizontal((SIDES.0, width - SIDES.1), y.at(tick), &label(tick));
        }
        let mut weights: Vec<f64> = all().map(|point| point.0).collect();
        weights.sort_by(f64::total_cmp);
        weights.dedup();
        for weight in weights {
            let _ = write!(
                svg,
                "<text class=\"tick middle\" x=\"{:.1}\" y=\"{}\">{}</text>",
                x.at(weight),
                height - 8.0,
                figure::weight(weight)
            );
        }
        if let Some((value, name)) = &self.level {
            let at = y.at(*value);
            let _ = write!(
                svg,
                "<line class=\"level\" x1=\"{}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick end\" x=\"{}\" \
                 y=\"{:.1}\">{}</text>",
                SIDES.0,
                width - SIDES.1,
                width - 4.0,
                at - 5.0,
                escape(name)
            );
        }
        // Lines that are looked at second lie below.
        let mut curves: Vec<&Curve> = self.curves.iter().collect();
        curves.sort_by_key(|curve| !curve.dashed);
        for curve in curves {
            curve.draw(&mut svg, x, y);
        }
        format!(
            "<figure class=\"card\"><figcaption><b>{}</b><span>{}</span></figcaption><svg viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-label=\"{} by weight\">{svg}</svg></figure>",
            escape(&self.title),
            escape(&self.subtitle),
            escape(&self.title)
        )
    }
}

impl Curve {
    fn draw(&self, svg: &mut String, x: Scale, y: Scale) {
        let class = &self.class;
        let beside = if self.joined { 0.0 } else { BESIDE };
        let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
            let points: Vec<String> = points.map(|(px, py)| format!("{px:.1},{py:.1}")).collect();
            points.join(" ")
        };
        let line = path(&mut self.points.iter().map(|(weight, e)| (x.at(*weight), y.at(e.value))));
        if self.joined && !self.dashed {
            let upper = self.points.iter().map(|(weight, e)| (x.at(*weight), y.at(e.high)));
            let lower = self.points.iter().rev().map(|(weight, e)| (x.at(*weight), y.at(e.low)));
            let _ = write!(svg, "<polygon class=\"{class} band\" points=\"{}\"/>", path(&mut upper.chain(lower)));
        }
        if self.joined {
            let style = if self.dashed { "line dashed" } else { "line" };
            let _ = write!(svg, "<polyline class=\"{class} {style}\" points=\"{line}\"/>");
        }
        for (weight, e) in &self.points {
            let (px, py) = (x.at(*weight) + beside, y.at(e.value));
            if !self.joined && !self.dashed {
                let _ = write!(
                    svg,
                    "<line class=\"{class} whisker\" x1=\"{px:.1}\" x2=\"{px:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                    y.at(e.low),
                    y.at(e.high)
                );
            }
            let dot = match (self.dashed, self.joined) {
                (true, true) => format!("<circle class=\"{class} dot\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"2\"/>"),
                (true, false) => format!("<circle class=\"{class} hollow\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3.5\"/>"),
                (false, true) => format!("<circle class=\"{class} dot\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"4.5\"/>"),
                // Another shape, for readers who cannot distinguish the colours.
                (false, false) => {
                    let corner = format!("{:.1},{:.1} {:.1},{py:.1}", px, py - 6.0, px + 6.0);
                    let others = format!("{:.1},{:.1} {:.1},{py:.1}", px, py + 6.0, px - 6.0);
                    format!("<polygon class=\"{class} dot\" points=\"{corner} {others}\"/>")
                }
            };
            let said = format!("{} at {}: {}", self.name, figure::weight(*weight), figure::with_interval(e));
            let _ = write!(svg, "<g><title>{}</title>{dot}</g>", escape(&said));
        }
    }
}
