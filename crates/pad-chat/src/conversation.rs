//! The conversation: what was said, how it is steered, and the requests that go to the server.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pad_api::TokenTrace;
use pad_client::{ChatBody, ChatEvent, Client, Message};
use serde_json::{Value, json};

use crate::overruled::{explain, overruled};
use crate::painting::harmless;
use crate::{ChatError, Colours, Command, HELP};

/// How answers are generated and shown.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model to ask for; none: the server's.
    pub model: Option<String>,
    /// The first preference.
    pub preference: Option<Value>,
    /// Most tokens of an answer; none: the server's default.
    pub max_tokens: Option<usize>,
    /// Sampling temperature; none: the server's default.
    pub temperature: Option<f64>,
    /// The first seed; each further attempt at an answer takes the next.
    pub seed: u64,
    /// Whether words have colours.
    pub colours: Colours,
    /// Whether the server is a PAD Server, which tells why each token was chosen.
    pub traces: bool,
}

/// A conversation with one server.
#[derive(Debug)]
pub struct Conversation {
    client: Client,
    options: Options,
    system: Option<String>,
    messages: Vec<Message>,
    compare: bool,
    trace: Vec<TokenTrace>,
}

/// Whether the conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next line is awaited.
    Line,
    /// It is over.
    End,
}

impl Conversation {
    /// A conversation in which nothing was said.
    pub fn new(client: Client, options: Options) -> Self {
        Self { client, options, system: None, messages: Vec::new(), compare: false, trace: Vec::new() }
    }

    /// Does what a line says and writes what there is to read. A request that fails is reported, and the conversation is as before it.
    /// `stop` ends an answer early; what was written of it stays.
    ///
    /// # Errors
    /// [`ChatError::Output`]; a server's refusal is written to `out`.
    pub fn line(&mut self, line: &str, stop: &AtomicBool, out: &mut impl Write) -> Result<Next, ChatError> {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(wrong) => return self.remark(&wrong, out),
        };
        match command {
            Command::Nothing => Ok(Next::Line),
            Command::Quit => Ok(Next::End),
            Command::Help => self.remark(HELP, out),
            Command::Prefer(preference) => {
                self.options.preference = preference;
                self.remark(&self.preferring(), out)
            }
            Command::Compare => {
                self.compare = !self.compare;
                let how = if self.compare { "twice: without the preference, and with it" } else { "once" };
                self.remark(&format!("Each message is answered {how}."), out)
            }
            Command::System(text) => {
                self.system = text;
                Ok(Next::Line)
            }
            Command::New => {
                self.messages.clear();
                self.trace.clear();
                Ok(Next::Line)
            }
            Command::Why => {
                let said = explain(&self.trace).unwrap_or_else(|| why_nothing(&self.trace).to_owned());
                self.remark(&said, out)
            }
            Command::Again => {
                if self.messages.last().is_some_and(|message| message.role == "assistant") {
                    self.messages.pop();
                }
                if self.messages.is_empty() {
                    return self.remark("Nothing was said yet.", out);
                }
                self.options.seed += 1;
                self.answer(stop, out)
            }
            Command::Say(text) => {
                self.messages.push(Message::user(text));
                self.answer(stop, out)
            }
        }
    }

    /// How answers are steered now, in words.
    pub fn preferring(&self) -> String {
        match &self.options.preference {
            None => "No preference: the model's own answers.".to_owned(),
            Some(Value::String(words)) => format!("Preference: {words}"),
            Some(weights) => format!("Preference: {weights}"),
        }
    }

    /// Answers the last message; without an answer the message is taken back.
    fn answer(&mut self, stop: &AtomicBool, out: &mut impl Write) -> Result<Next, ChatError> {
        let answered = self.answer_all(stop, out);
        match answered {
            Ok(text) => {
                self.messages.push(Message::assistant(text));
                Ok(Next::Line)
            }
            Err(ChatError::Server(error)) => {
                self.messages.pop();
                self.remark(&error.to_string(), out)
            }
            Err(other) => Err(other),
        }
    }

    fn answer_all(&mut self, stop: &AtomicBool, out: &mut impl Write) -> Result<String, ChatError> {
        let preference = self.options.preference.clone();
        if self.compare && preference.is_some() {
            self.remark("without the preference:", out)?;
            self.stream(None, stop, out)?;
            self.remark("with it:", out)?;
        }
        self.stream(preference, stop, out)
    }

    /// Asks for one answer and writes it while it comes; gives its text.
    fn stream(
        &mut self,
        preference: Option<Value>,
        stop: &AtomicBool,
        out: &mut impl Write,
    ) -> Result<String, ChatError> {
        let body = self.body(preference);
        let started = Instant::now();
        let mut stream = self.client.chat_stream(&body)?;
        let (mut text, mut trace, mut tokens, mut first) = (String::new(), Vec::new(), 0, None);
        while let Some((ChatEvent::Chunk(chunk), at)) = stream.next_event()? {
            if !chunk.text.is_empty() {
                first.get_or_insert(at);
            }
            let piece: String = if chunk.trace.is_empty() {
                harmless(&chunk.text)
            } else {
                chunk.trace.iter().map(|token| self.options.colours.token(token)).collect()
            };
            write!(out, "{piece}")?;
            out.flush()?;
            text += &chunk.text;
            trace.extend(chunk.trace);
            if let Some(usage) = chunk.usage {
                tokens = usage.completion_tokens;
            }
            if stop.swap(false, Ordering::Relaxed) {
                break;
            }
        }
        writeln!(out)?;
        let (whole, steered) = (started.elapsed().as_secs_f64(), trace.iter().filter(|token| overruled(token)).count());
        let wait = first.map_or(whole, |first| first.duration_since(started).as_secs_f64());
        // Without a preference there is nothing that could overrule.
        let overruled = if is_steered(&trace) { format!(", {steered} overruled (/why)") } else { String::new() };
        self.trace = trace;
        self.remark(&format!("{tokens} tokens in {whole:.1} s, the first after {wait:.2} s{overruled}"), out)?;
        Ok(text)
    }

    fn body(&self, preference: Option<Value>) -> ChatBody {
        let system = self.system.iter().map(Message::system);
        ChatBody {
            model: self.options.model.clone(),
            messages: system.chain(self.messages.iter().cloned()).collect(),
            max_tokens: self.options.max_tokens,
            temperature: self.options.temperature,
            seed: Some(self.options.seed),
            preference,
            pad: self.options.traces.then(|| json!({ "trace": true })),
            ..ChatBody::default()
        }
    }

    fn remark(&self, text: &str, out: &mut impl Write) -> Result<Next, ChatError> {
        writeln!(out, "{}", self.options.colours.remark(text))?;
        Ok(Next::Line)
    }
}

/// Whether an answer was rewarded at all.
fn is_steered(trace: &[TokenTrace]) -> bool {
    trace.iter().any(|token| !token.rewards.is_empty())
}

/// Why there is no token to explain.
fn why_nothing(trace: &[TokenTrace]) -> &'static str {
    match trace {
        [] => "There is no answer yet, or the server does not tell how it was chosen.",
        _ if is_steered(trace) => "No token of the last answer was overruled.",
        _ => "Nothing was preferred, so nothing was overruled: /prefer concise=1, then /again.",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pad_client::Connections;

    use super::*;

    fn conversation() -> Conversation {
        let connections = Connections { most: 1, timeout: Duration::from_secs(5) };
        // Nothing listens there.
        let client = Client::new("http://127.0.0.1:9", None, connections).unwrap();
        let options = Options {
            model: None,
            preference: None,
            max_tokens: Some(5),
            temperature: None,
            seed: 3,
            colours: Colours::Off,
            traces: true,
        };
        Conversation::new(client, options)
    }

    fn say(conversation: &mut Conversation, line: &str) -> String {
        let mut out = Vec::new();
        conversation.line(line, &AtomicBool::new(false), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_carries_all_that_was_set() {
        let mut conversation = conversation();
        assert!(say(&mut conversation, "/prefer concise=2").contains("concise"));
        say(&mut conversation, "/system be kind");
        conversation.messages.push(Message::user("hi"));
        let body = conversation.body(conversation.options.preference.clone());
        let body = serde_json::to_value(&body).unwrap();
        assert_eq!(
            body,
            json!({
                "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
                "max_tokens": 5, "seed": 3, "preference": {"concise": 2.0}, "pad": {"trace": true}
            })
        );
    }

    #[test]
    fn a_failed_request_is_told_and_leaves_nothing() {
        let mut conversation = conversation();
        let said = say(&mut conversation, "hi");
        assert!(said.contains("127.0.0.1:9"), "{said}");
        assert!(conversation.messages.is_empty());
        assert!(say(&mut conversation, "/again").contains("Nothing was said"));
        assert!(say(&mut conversation, "/prefer").contains("missing"));
    }

    #[test]
    fn why_says_what_is_missing() {
        let mut conversation = conversation();
        assert!(say(&mut conversation, "/why").contains("no answer yet"));
        let mut token = crate::overruled::tests::token(" a", 0, &[(" a", -0.1, 1.0)]);
        conversation.trace = vec![token.clone()];
        assert!(say(&mut conversation, "/why").contains("was overruled"));
        token.rewards.clear();
        conversation.trace = vec![token];
        assert!(say(&mut conversation, "/why").contains("Nothing was preferred"));
    }
}
