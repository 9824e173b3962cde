//! Pieces of HTML.

/// Text that may stand anywhere in a page, in quotes too.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A piece for each item, one after the other.
pub fn all<T>(items: impl IntoIterator<Item = T>, piece: impl FnMut(T) -> String) -> String {
    items.into_iter().map(piece).collect::<Vec<String>>().concat()
}

/// A part of the page; the text is markup already.
pub fn section(title: &str, text: &str, body: &str) -> String {
    format!("<section><h2>{}</h2><p class=\"about\">{text}</p>{body}</section>", escape(title))
}

/// A table in a box that scrolls where it is too wide; cells are markup.
pub fn table(class: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String], tag: &str| {
        let cells = all(cells, |cell| format!("<{tag}>{cell}</{tag}>"));
        format!("<tr>{cells}</tr>")
    };
    let rows = all(rows, |row| line(row, "td"));
    format!(
        "<div class=\"scroll\"><table class=\"{class}\"><thead>{}</thead><tbody>{rows}</tbody></table></div>",
        line(head, "th")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<script>\"a\" & 'b'"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
    }
}
