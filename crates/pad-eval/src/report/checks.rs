//! The list of checks.

use super::markup::{all, escape, section};
use super::palette::Palette;
use crate::summary::{Finding, Summary};

/// The section with all checks.
pub fn section_of(summary: &Summary, palette: &Palette) -> String {
    if summary.findings.is_empty() {
        return String::new();
    }
    let several = summary.findings.iter().any(|finding| finding.method != summary.findings[0].method);
    let rows: String = summary.findings.iter().map(|finding| row(finding, palette, several)).collect();
    let text = "Differences are towards more of the dimension; square brackets are 95 % intervals.";
    section("Checks", text, &format!("<ul class=\"checks card\">{rows}</ul>"))
}

fn row(finding: &Finding, palette: &Palette, several: bool) -> String {
    let (class, mark) = if finding.holds { ("yes", "✓") } else { ("no", "✗") };
    let right = finding.parts.iter().filter(|part| part.holds).count();
    let method = if several {
        let class = palette.class(&finding.method);
        format!("<span class=\"tag {class}\"><i></i>{}</span>", escape(&finding.method.to_string()))
    } else {
        String::new()
    };
    let parts = all(&finding.parts, |part| {
        let (class, mark) = if part.holds { ("yes", "✓") } else { ("no", "✗") };
        let (what, figures) = (escape(&part.what), escape(&part.figures));
        format!("<span class=\"part {class}\"><em>{mark} {what}</em> {figures}</span>")
    });
    format!(
        "<li><span class=\"mark {class}\">{mark}</span><div><p><b>{}</b> {method}<small>{right} of {}</small></p>\
         <p class=\"parts\">{parts}</p></div></li>",
        escape(&capital(&finding.check)),
        finding.parts.len()
    )
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
