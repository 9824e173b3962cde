//! Whether what is fetched can be fetched now.

use std::time::Duration;

use pad_hub::Source;

use super::{Finding, sources};
use crate::pull;
use crate::settings::{Environment, Settings};

/// How long all sources of the model together may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a place that the model comes from answers. It need not, once the model is here: a machine without a network is told so.
pub fn answers(settings: &Settings, environment: &Environment) -> Finding {
    // What is wrong with these is told by the checks of folder and model.
    let Ok(sources) = sources::sources(&settings.model.source) else { return unknown() };
    let Ok(hub) = pull::hub(settings, environment) else { return unknown() };
    let each = PATIENCE / sources.len().max(1) as u32;
    first_answer(&sources, |source| hub.reach(source, each).map_err(|error| error.to_string()))
}

const SUBJECT: &str = "hub";

fn unknown() -> Finding {
    Finding::good(SUBJECT, "not asked: it is not known where the model is")
}

/// The first source that answers, or why none does.
fn first_answer(sources: &[Source], reach: impl Fn(&Source) -> Result<(), String>) -> Finding {
    if sources.iter().all(|source| matches!(source, Source::Path(_))) {
        return Finding::good(SUBJECT, "not needed: the model is a path");
    }
    let mut failures = Vec::new();
    for source in sources {
        match reach(source) {
            Ok(()) => return Finding::good(SUBJECT, format!("{source} answers")),
            Err(error) => failures.push(error),
        }
    }
    let failures = failures.join("; ");
    Finding::notable(
        SUBJECT,
        format!(
            "no answer, so what is not here cannot be fetched now: {failures}. Without a network, copy a model here and name its path \
             (--model)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(texts: &[&str]) -> Vec<Source> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_source_that_answers_is_named() {
        let both = sources(&["hf:org/one!m.gguf", "hf:org/two!m.gguf"]);
        let second = |source: &Source| if *source == both[1] { Ok(()) } else { Err("no route".to_owned()) };
        assert_eq!(first_answer(&both, second), Finding::good(SUBJECT, "hf:org/two!m.gguf answers"));
    }

    #[test]
    fn a_machine_without_a_network_is_told_so_and_is_fit() {
        let both = sources(&["hf:org/one!m.gguf", "hf:org/two!m.gguf"]);
        let none = first_answer(&both, |source| Err(format!("{source} is silent"))).to_string();
        assert!(none.starts_with("note"), "{none}");
        assert!(none.contains("fetched now: hf:org/one!m.gguf is silent; hf:org/two!m.gguf is silent."), "{none}");
    }

    #[test]
    fn a_path_needs_no_network() {
        let asked = |_: &Source| unreachable!("nothing is asked");
        assert!(first_answer(&sources(&["a/model.gguf"]), asked).to_string().starts_with("good"));
    }
}
