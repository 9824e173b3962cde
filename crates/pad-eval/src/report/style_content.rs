//! The trade-off of style against content: how far answers move, and how many still belong to their question.

use std::fmt::Write;

use super::markup::{escape, section};
use super::palette::Palette;
use super::rule;
use super::scale::{Scale, label};
use crate::figure;
use crate::method::Method;
use crate::summary::{Outcome, Summary, single};

/// Size of a drawing, in its own units, and the room at its sides.
const SIZE: (f64, f64) = (460.0, 300.0);
const LEFT: f64 = 52.0;
const RIGHT: f64 = 24.0;
const BELOW: f64 = 46.0;

/// An outcome with its place: the weight, how far style moved, and the share of answers that are found.
struct Place<'a> {
    outcome: &'a Outcome,
    weight: f64,
    style: f64,
    found: f64,
}

/// The section: a plot for each dimension.
pub fn section_of(summary: &Summary, palette: &Palette) -> String {
    let mut dimensions: Vec<String> = Vec::new();
    for (name, _) in summary.outcomes.iter().filter_map(|outcome| single(&outcome.preference)) {
        if !dimensions.contains(&name) {
            dimensions.push(name);
        }
    }
    let plots: String = dimensions.iter().filter_map(|dimension| plot(summary, palette, dimension)).collect();
    if plots.is_empty() {
        return plots;
    }
    let text = "To the right: more of the dimension, in standard deviations of the base model's answers. Upwards: the share of answers that still \
                find their own question. Lines join the weights of one arm; hollow points with dashed lines are other models. Better is right and up.";
    section("Style against content", text, &format!("<div class=\"grid\">{plots}</div>"))
}

fn plot(summary: &Summary, palette: &Palette, dimension: &str) -> Option<String> {
    let own = places(&summary.outcomes, summary, dimension);
    if own.len() < 2 {
        return None;
    }
    let others: Vec<Vec<Place<'_>>> =
        summary.others.iter().map(|other| places(&other.outcomes, summary, dimension)).collect();
    let all = || own.iter().chain(others.iter().flatten());
    let x = Scale::around(all().map(|place| place.style), (LEFT, SIZE.0 - RIGHT));
    let y = Scale::around(all().map(|place| place.found).chain([1.0]), (SIZE.1 - BELOW, 14.0));
    let mut svg = String::new();
    // Writing to a string cannot fail, here and below.
    for tick in x.ticks(5) {
        svg += &rule::vertical((14.0, SIZE.1 - BELOW), x.at(tick), &label(tick));
    }
    for tick in y.ticks(4).into_iter().filter(|tick| *tick <= 1.0) {
        svg += &rule::horizontal((LEFT, SIZE.0 - RIGHT), y.at(tick), &figure::percent(tick));
    }
    let _ = write!(
        svg,
        "<text class=\"axis end\" x=\"{}\" y=\"{}\">more {} →</text>",
        SIZE.0 - RIGHT,
        SIZE.1 - 8.0,
        escape(dimension)
    );
    for other in &others {
        lines(&mut svg, other, palette, (x, y), true);
    }
    lines(&mut svg, &own, palette, (x, y), false);
    Some(format!(
        "<figure class=\"card\"><figcaption><b>{}</b><span>found against change</span></figcaption><svg viewBox=\"0 0 {} {}\" \
         role=\"img\" aria-label=\"{} against content\">{svg}</svg></figure>",
        escape(dimension),
        SIZE.0,
        SIZE.1,
        escape(dimension)
    ))
}

/// The places of one dimension alone, the base model's answers at 0.
fn places<'a>(outcomes: &'a [Outcome], summary: &Summary, dimension: &str) -> Vec<Place<'a>> {
    let own = outcomes.iter().filter(|outcome| outcome.style == summary.about.style);
    own.filter_map(|outcome| {
        let found = outcome.found?.value;
        if outcome.method == Method::Base {
            return Some(Place { outcome, weight: 0.0, style: 0.0, found });
        }
        let (name, weight) = single(&outcome.preference)?;
        (name == dimension).then_some(())?;
        Some(Place { outcome, weight, style: outcome.size?, found })
    })
    .collect()
}

/// The points of each arm, joined by weight where weights have a strength.
fn lines(svg: &mut String, places: &[Place<'_>], palette: &Palette, (x, y): (Scale, Scale), is_other: bool) {
    let mut methods: Vec<&Method> = Vec::new();
    for place in places {
        if !methods.contains(&&place.outcome.method) {
            methods.push(&place.outcome.method);
        }
    }
    for method in methods {
        let class = palette.class(method);
        let belongs = |place: &&Place<'_>| {
            place.outcome.method == *method || (method.is_graded() && place.outcome.method == Method::Base)
        };
        let mut own: Vec<&Place<'_>> = places.iter().filter(belongs).collect();
        own.sort_by(|one, other| one.weight.total_cmp(&other.weight));
        if method.is_graded() {
            let points: Vec<String> =
                own.iter().map(|place| format!("{:.1},{:.1}", x.at(place.style), y.at(place.found))).collect();
            let line = if is_other { "line dashed" } else { "line" };
            let _ = write!(svg, "<polyline class=\"{class} {line}\" points=\"{}\"/>", points.join(" "));
        }
        for place in own.into_iter().filter(|place| place.outcome.method == *method) {
            let (px, py) = (x.at(place.style), y.at(place.found));
            let said = format!(
                "{}, {method} {}: change {}, found {}",
                place.outcome.model,
                figure::weight(place.weight),
                figure::change(place.style),
                figure::percent(place.found)
            );
            let dot = if is_other { "hollow" } else { "dot" };
            let _ = write!(
                svg,
                "<g><title>{}</title><circle class=\"{class} {dot}\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"4.5\"/><text \
                 class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                escape(&said),
                px + 6.0,
                py - 6.0,
                figure::weight(place.weight)
            );
        }
    }
}
