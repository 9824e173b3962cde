//! One colour for each method, the same in all plots.

use std::fmt::Write;

use super::markup::escape;
use crate::method::Method;

/// Colours for methods besides the base model; more methods share the last one.
const COLOURS: usize = 6;

/// The colours of a run's methods, as classes of the style sheet.
#[derive(Debug)]
pub struct Palette {
    methods: Vec<String>,
}

impl Palette {
    /// The first steering arm gets the first colour, the instructed arms the next ones, and the others the rest.
    pub fn of(methods: &[String]) -> Self {
        let mut methods: Vec<String> = methods.iter().filter(|method| *method != "base").cloned().collect();
        let first = methods.iter().find(|method| method.starts_with("pad")).cloned();
        methods.sort_by_key(|method| {
            let steers = method.contains("pad");
            if Some(method) == first.as_ref() { 0 } else { 1 + u8::from(steers) }
        });
        Self { methods }
    }

    /// The class of a method's colour.
    pub fn class(&self, method: &Method) -> String {
        if *method == Method::Base {
            return "c0".to_owned();
        }
        let name = method.to_string();
        let at = self.methods.iter().position(|known| *known == name).unwrap_or(COLOURS);
        format!("c{}", (at + 1).min(COLOURS))
    }

    /// What the colours mean.
    pub fn legend(&self) -> String {
        let mut legend = "<p class=\"legend\"><span class=\"c0\"><i></i>base</span>".to_owned();
        for (number, method) in self.methods.iter().enumerate() {
            let class = (number + 1).min(COLOURS);
            // Writing to a string cannot fail.
            let _ = write!(legend, "<span class=\"c{class}\"><i></i>{}</span>", escape(method));
        }
        legend + "</p>"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_with_their_methods() {
        let palette = Palette::of(&["base", "told:user", "pad", "told:system", "pad:other"].map(str::to_owned));
        let class = |name: &str| palette.class(&name.parse().unwrap());
        let classes = ["base", "pad", "told:user", "told:system", "pad:other"].map(class);
        assert_eq!(classes, ["c0", "c1", "c2", "c3", "c4"]);
        let alone = Palette::of(&["base".to_owned(), "told:user".to_owned()]);
        assert!(alone.legend().contains("told:user"));
    }
}
