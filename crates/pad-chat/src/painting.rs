//! Colours of words in a terminal: how much each was wanted.

use pad_api::TokenTrace;

use crate::overruled::overruled;

/// Whether colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// As 256-colour escapes.
    On,
    /// Not at all.
    Off,
}

/// From least to most rewarded: orange to blue, told apart by colour-blind readers; no colour in between.
const SCALE: [(f32, &str); 4] =
    [(-1.5, "\x1b[38;5;166m"), (-0.3, "\x1b[38;5;180m"), (0.3, ""), (1.5, "\x1b[38;5;110m")];

/// Beyond the scale's last step.
const MOST: &str = "\x1b[38;5;33m";

const UNDERLINE: &str = "\x1b[4m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

impl Colours {
    /// The text of a token in the colour of its weighted reward, relative to the mean over the candidates; underlined where the
    /// rewards put it before the base model's first choice.
    pub fn token(self, token: &TokenTrace) -> String {
        let text = harmless(&token.text);
        if self == Self::Off || text.is_empty() {
            return text;
        }
        let mean = mean_reward(token);
        let excess = token.strength * (token.reward - mean);
        let colour = SCALE.iter().find(|(below, _)| excess < *below).map_or(MOST, |(_, colour)| colour);
        let line = if overruled(token) { UNDERLINE } else { "" };
        if colour.is_empty() && line.is_empty() { text } else { format!("{colour}{line}{text}{RESET}") }
    }

    /// A remark of the program's own.
    pub fn remark(self, text: &str) -> String {
        if self == Self::Off { text.to_owned() } else { format!("{DIM}{text}{RESET}") }
    }
}

/// A model's text without control characters, which would be commands to the terminal; ends of lines and tabs stay.
pub fn harmless(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect()
}

/// The mean of the candidates' rewards under the base model: rewards count up to a constant of the step.
fn mean_reward(token: &TokenTrace) -> f32 {
    let weighed = token.candidates.iter().map(|candidate| (candidate.base_logprob.exp(), candidate.reward));
    let (sum, all) = weighed.fold((0.0, 0.0), |(sum, all), (p, reward)| (sum + p * reward, all + p));
    if all > 0.0 { sum / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overruled::tests::token;

    #[test]
    fn rewards_are_seen_relative_to_the_candidates() {
        let wanted = token(" Ahoy", 1, &[(" Hello", -0.1, 0.0), (" Ahoy", -3.0, 4.0)]);
        let painted = Colours::On.token(&wanted);
        assert!(painted.starts_with(MOST) && painted.contains(UNDERLINE) && painted.ends_with(RESET), "{painted:?}");
        assert_eq!(Colours::Off.token(&wanted), " Ahoy");
        // All candidates alike: no colour, whatever the number.
        let alike = token(" a", 0, &[(" a", -0.1, 7.0), (" b", -3.0, 7.0)]);
        assert_eq!(Colours::On.token(&alike), " a");
    }

    #[test]
    fn a_model_cannot_command_the_terminal() {
        let hostile = token("\x1b[2Jx\r\n", 0, &[("x", -0.1, 0.0)]);
        assert_eq!(Colours::Off.token(&hostile), "[2Jx\n");
    }
}
