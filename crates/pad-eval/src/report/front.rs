//! The plot of two dimensions at once.

use std::fmt::Write;

use super::markup::{escape, section};
use super::palette::Palette;
use super::rule;
use super::scale::{Scale, label};
use crate::figure;
use crate::method::Method;
use crate::statistics::Estimate;
use crate::summary::{Axis, Front, FrontPoint, Summary};

/// Size of the drawing and room at its sides.
const SIZE: (f64, f64) = (1000.0, 500.0);
const LEFT: f64 = 62.0;
const RIGHT: f64 = 30.0;
const BELOW: f64 = 52.0;

/// The section with all fronts.
pub fn section_of(summary: &Summary, palette: &Palette) -> String {
    let plots: String =
        summary.fronts.iter().filter(|front| front.points.len() > 1).map(|f| plot(f, palette)).collect();
    if plots.is_empty() {
        return plots;
    }
    let text = "Two dimensions steered together. Right and up is more of both, whichever way the scores run; lines join answers that \
                differ in one weight by a step, numbers are the two weights, and crosses are 95 % intervals.";
    section("Trade-off", text, &plots)
}

/// Values towards more of the dimension: to the right, or upwards.
fn axis(axis: &Axis, values: impl Iterator<Item = Estimate>, pixels: (f64, f64)) -> Scale {
    let sign = axis.score.better.sign();
    Scale::around(values.flat_map(|e| [sign * e.low, sign * e.high]), pixels)
}

fn plot(front: &Front, palette: &Palette) -> String {
    let (sx, sy) = (front.x.score.better.sign(), front.y.score.better.sign());
    let x = axis(&front.x, front.points.iter().map(|point| point.x), (LEFT, SIZE.0 - RIGHT));
    let y = axis(&front.y, front.points.iter().map(|point| point.y), (SIZE.1 - BELOW, 14.0));
    let at = |point: &FrontPoint| (x.at(sx * point.x.value), y.at(sy * point.y.value));
    let mut svg = String::new();
    // Writing to a string cannot fail, here and below.
    for tick in x.ticks(6) {
        svg += &rule::vertical((14.0, SIZE.1 - BELOW), x.at(tick), &label(sx * tick));
    }
    for tick in y.ticks(6) {
        svg += &rule::horizontal((LEFT, SIZE.0 - RIGHT), y.at(tick), &label(sy * tick));
    }
    let _ = write!(
        svg,
        "<text class=\"axis end\" x=\"{}\" y=\"{}\">more {} →  ({})</text><text class=\"axis end\" transform=\"translate(13 14) \
         rotate(-90)\">more {} →  ({})</text>",
        SIZE.0 - RIGHT,
        SIZE.1 - 10.0,
        escape(&front.x.dimension),
        escape(front.x.score.label()),
        escape(&front.y.dimension),
        escape(front.y.score.label())
    );
    mesh(&mut svg, front, palette, at);
    for point in &front.points {
        let class = palette.class(&point.method);
        let (px, py) = at(point);
        let (left, right) = (x.at(sx * point.x.low), x.at(sx * point.x.high));
        let (top, bottom) = (y.at(sy * point.y.low), y.at(sy * point.y.high));
        let name = if point.method == Method::Base { "base".to_owned() } else { numbers(point) };
        let said = format!(
            "{} {}: {} {}, {} {}",
            point.method,
            numbers(point),
            front.x.score.label(),
            figure::with_interval(&point.x),
            front.y.score.label(),
            figure::with_interval(&point.y)
        );
        let mark = if !point.method.is_graded() && point.method != Method::Base {
            format!(
                "<polygon class=\"{class} dot\" points=\"{px:.1},{:.1} {:.1},{py:.1} {px:.1},{:.1} {:.1},{py:.1}\"/>",
                py - 7.0,
                px + 7.0,
                py + 7.0,
                px - 7.0
            )
        } else {
            format!("<circle class=\"{class} dot\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"6\"/>")
        };
        let _ = write!(
            svg,
            "<g><title>{}</title><line class=\"{class} cross\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{py:.1}\" y2=\"{py:.1}\"/>\
             <line class=\"{class} cross\" x1=\"{px:.1}\" x2=\"{px:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>{mark}\
             <text class=\"figure\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escape(&said),
            px + 9.0,
            py - 8.0,
            escape(&name)
        );
    }
    format!(
        "<figure class=\"card\"><figcaption><b>{} and {}</b></figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\">{svg}</svg></figure>",
        escape(&front.x.dimension),
        escape(&front.y.dimension),
        SIZE.0,
        SIZE.1
    )
}

fn numbers(point: &FrontPoint) -> String {
    format!("{}, {}", point.weights.0, point.weights.1)
}

/// Lines between the answers of one method that differ in one weight by one step of the grid.
fn mesh(svg: &mut String, front: &Front, palette: &Palette, at: impl Fn(&FrontPoint) -> (f64, f64)) {
    let steered = |method: &Method| method.is_graded();
    let mut methods: Vec<&Method> = front.points.iter().map(|p| &p.method).filter(|method| steered(method)).collect();
    methods.dedup();
    for method in methods {
        let own = || front.points.iter().filter(|point| point.method == *method || point.method == Method::Base);
        let class = palette.class(method);
        for one in own() {
            let next_x = own().filter(|p| p.weights.1 == one.weights.1 && p.weights.0 > one.weights.0);
            let next_y = own().filter(|p| p.weights.0 == one.weights.0 && p.weights.1 > one.weights.1);
            let nearest = [
                next_x.min_by(|a, b| a.weights.0.total_cmp(&b.weights.0)),
                next_y.min_by(|a, b| a.weights.1.total_cmp(&b.weights.1)),
            ];
            for other in nearest.into_iter().flatten() {
                let ((x1, y1), (x2, y2)) = (at(one), at(other));
                let _ = write!(
                    svg,
                    "<line class=\"{class} mesh\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
                );
            }
        }
    }
}
