//! The list of checks.

use super::markup::{all, escape, section};
use super::palette::Palette;
use crate::method::Method;
use crate::summary::{Finding, Summary};

/// The section with all checks: a list for each method.
pub fn section_of(summary: &Summary, palette: &Palette) -> String {
    let mut methods: Vec<&Method> = summary.findings.iter().map(|finding| &finding.method).collect();
    methods.dedup();
    if methods.is_empty() {
        return String::new();
    }
    let lists = all(&methods, |method| {
        let own: Vec<&Finding> = summary.findings.iter().filter(|finding| finding.method == **method).collect();
        let right = own.iter().filter(|finding| finding.holds).count();
        let (class, name) = (palette.class(method), escape(&method.to_string()));
        let head =
            format!("<h3><span class=\"tag {class}\"><i></i>{name}</span><small>{right} of {}</small></h3>", own.len());
        format!("<div class=\"card checks\">{head}<ul>{}</ul></div>", all(own, row))
    });
    let text = "What a reward model should do. Differences are towards more of the dimension; square brackets are 95 % intervals.";
    section("Checks", text, &lists)
}

fn row(finding: &Finding) -> String {
    let mark = |holds: bool| if holds { ("yes", "✓") } else { ("no", "✗") };
    let parts = all(&finding.parts, |part| {
        let (class, mark) = mark(part.holds);
        let (what, figures) = (escape(&part.what), escape(&part.figures));
        format!("<span class=\"part {class}\"><em>{mark} {what}</em><br>{figures}</span>")
    });
    let right = finding.parts.iter().filter(|part| part.holds).count();
    let (class, mark) = mark(finding.holds);
    format!(
        "<li><span class=\"mark {class}\">{mark}</span><div><p><b>{}</b><small>{right} of {}</small></p><p class=\"parts\">{parts}</p>\
         </div></li>",
        escape(&capital(&finding.check)),
        finding.parts.len()
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
