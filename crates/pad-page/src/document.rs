//! The page itself: its frame with the style sheets written into it, so that a browser has one file to fetch before it paints.

use std::fmt::Write;

use crate::asset::{self, Asset, HTML};
use crate::policy::policy;

/// The frame's name among the files.
pub(crate) const INDEX: &str = "index.html";

/// Where the page's files are.
pub(crate) const FILES: &str = "page";

/// What a link to a style sheet is in the frame, before and after the file's name.
const SHEET: [&str; 2] = ["<link rel=\"stylesheet\" href=\"page/", "\">"];

/// The page and its policy.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) asset: Asset,
    pub(crate) policy: String,
}

impl Document {
    /// The page as it is now.
    pub(crate) fn read() -> Self {
        let page = with_sheets(&asset::text(INDEX).unwrap_or_default(), asset::text);
        let page = at_version(&page, &asset::version());
        let policy = policy(&page);
        Self { asset: Asset::new(page.into_bytes(), HTML), policy }
    }
}

/// The frame with its style sheets in place of the links to them, all in one element. A sheet that is not there stays a link.
fn with_sheets(frame: &str, read: impl Fn(&str) -> Option<String>) -> String {
    let mut page = String::with_capacity(frame.len());
    let mut sheets = String::new();
    for line in frame.split_inclusive('\n') {
        let name = line.trim().strip_prefix(SHEET[0]).and_then(|rest| rest.strip_suffix(SHEET[1]));
        if let Some(sheet) = name.and_then(&read) {
            sheets.push_str(&sheet);
        } else {
            flush(&mut page, &mut sheets);
            page.push_str(line);
        }
    }
    flush(&mut page, &mut sheets);
    page
}

/// The page with the version in the addresses of its files: what a browser has of them is then current, and it asks for none again.
fn at_version(page: &str, version: &str) -> String {
    ["\"", "\"./"].iter().fold(page.to_owned(), |page, before| {
        page.replace(&format!("{before}{FILES}/"), &format!("{before}{FILES}/{version}/"))
    })
}

fn flush(page: &mut String, sheets: &mut String) {
    if !sheets.is_empty() {
        // Writing to a string does not fail.
        let _ = writeln!(page, "  <style>{sheets}</style>");
        sheets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_take_the_place_of_their_links() {
        let frame = "<head>\n  <link rel=\"stylesheet\" href=\"page/a.css\">\n  <link rel=\"stylesheet\" href=\"page/b.css\">\n<p>\n  \
                     <link rel=\"stylesheet\" href=\"page/none.css\">\n";
        let read = |name: &str| (name != "none.css").then(|| format!("{name}{{}}\n"));
        let page = with_sheets(frame, read);
        let expected =
            "<head>\n  <style>a.css{}\nb.css{}\n</style>\n<p>\n  <link rel=\"stylesheet\" href=\"page/none.css\">\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn addresses_of_files_hold_the_version() {
        let page = "<a href=\"docs\"><img src=\"page/i.svg\">{\"m\": \"./page/m.js\"} page/x";
        let expected = "<a href=\"docs\"><img src=\"page/V/i.svg\">{\"m\": \"./page/V/m.js\"} page/x";
        assert_eq!(at_version(page, "V"), expected);
        let (document, version) = (Document::read(), asset::version());
        assert!(version.len() > 8 && document.asset.text().contains(&format!("\"page/{version}/start.js\"")));
        assert_eq!(
            document.asset.text().matches("page/").count(),
            document.asset.text().matches(&format!("page/{version}/")).count()
        );
    }

    #[test]
    fn nothing_is_fetched_before_the_first_paint() {
        let document = Document::read();
        let page = document.asset.text();
        assert!(
            page.contains("<style>") && page.contains("--paper:") && !page.contains("rel=\"stylesheet\""),
            "{page}"
        );
        // A sheet that ended the element would leave its rest as text.
        assert_eq!(page.matches("</style").count(), 1);
        assert!(document.policy.contains("style-src 'self' 'sha256-"), "{}", document.policy);
    }
}
