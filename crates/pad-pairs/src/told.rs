//! The instruction for one side of the pairs.

use pad_client::Message;

use crate::Prompt;

/// Where the model hears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In the system message, before one that the prompt has.
    #[default]
    System,
    /// After the user's last words. Small models heed it more.
    User,
}

/// An instruction, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The words; none leaves the prompt as it is.
    pub instruction: Option<String>,
    /// Where they are put.
    pub place: Place,
}

impl Told {
    /// The conversation with the instruction in it.
    pub fn messages(&self, prompt: &Prompt) -> Vec<Message> {
        let mut messages = prompt.messages.clone();
        let Some(instruction) = &self.instruction else { return messages };
        match (self.place, messages.first_mut().filter(|first| first.role == "system")) {
            (Place::System, Some(first)) => first.content = format!("{instruction}\n\n{}", first.content),
            (Place::System, None) => messages.insert(0, Message::system(instruction)),
            (Place::User, _) => {
                if let Some(last) = messages.last_mut() {
                    last.content = format!("{}\n\n{instruction}", last.content);
                }
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_is_where_it_should_be() {
        let told = |place| Told { instruction: Some("Be brief.".to_owned()), place };
        let prompt = Prompt::question("Why?");
        assert_eq!(told(Place::System).messages(&prompt), [Message::system("Be brief."), Message::user("Why?")]);
        assert_eq!(told(Place::User).messages(&prompt), [Message::user("Why?\n\nBe brief.")]);
        assert_eq!(Told::default().messages(&prompt), prompt.messages);
        let mut led = prompt.clone();
        led.messages.insert(0, Message::system("You are Joe."));
        assert_eq!(told(Place::System).messages(&led)[0], Message::system("Be brief.\n\nYou are Joe."));
    }
}
