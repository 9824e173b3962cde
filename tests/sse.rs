//! A reader of streams that fails on any deviation from what clients of the chat API rely on.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::client::error_shape;

/// A stream that was read to its end without a fault.
#[derive(Debug, Default)]
pub struct Stream {
    /// What each choice said, by index.
    pub choices: BTreeMap<u64, Said>,
    /// The usage, where it was sent.
    pub usage: Option<Value>,
    /// The error that broke it off, if one did.
    pub error: Option<Value>,
    /// Fields that are the same in every chunk.
    constant: Option<Value>,
}

/// What one choice said.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    /// The words, joined.
    pub text: String,
    /// How many chunks had words.
    pub chunks: usize,
    /// The calls: their names, and their arguments joined.
    pub calls: Vec<(String, String)>,
    /// Why it ended.
    pub finish: Option<String>,
    /// The entries of `pad.trace`, joined.
    pub trace: Vec<Value>,
}

/// What is wrong with a stream.
type Fault = String;

impl Stream {
    /// Read a whole stream.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let mut payloads = payloads(text)?;
        if payloads.pop() != Some("[DONE]") {
            return Err("the last event is not [DONE]".to_owned());
        }
        let mut stream = Self::default();
        for payload in payloads {
            let event: Value = serde_json::from_str(payload).map_err(|error| format!("{error} in {payload}"))?;
            if stream.error.is_some() || stream.usage.is_some() {
                return Err(format!("something follows the last chunk: {event}"));
            }
            stream.add(&event).map_err(|fault| format!("{fault} in {event}"))?;
        }
        stream.check_end()?;
        Ok(stream)
    }

    fn add(&mut self, event: &Value) -> Result<(), Fault> {
        if event.get("error").is_some() {
            error_shape(event)?;
            self.error = Some(event["error"].clone());
            return Ok(());
        }
        self.envelope(event)?;
        match event["choices"].as_array().map(Vec::as_slice) {
            Some([]) => self.usage(event),
            Some([choice]) if event.get("usage").is_none_or(Value::is_null) => self.choice(choice),
            Some([_]) => Err("usage comes alone".to_owned()),
            _ => Err("a chunk has one choice, or none with the usage".to_owned()),
        }
    }

    fn envelope(&mut self, event: &Value) -> Result<(), Fault> {
        let text = |key: &str| event[key].as_str().is_some_and(|text| !text.is_empty());
        if event["object"] != "chat.completion.chunk" || !text("id") || !text("model") || !text("system_fingerprint") {
            return Err("object, id, model or system_fingerprint is missing".to_owned());
        }
        if event["created"].as_u64().is_none_or(|created| created < 1_500_000_000) {
            return Err("created is not a time in whole seconds".to_owned());
        }
        let constant = json!([event["id"], event["created"], event["model"], event["system_fingerprint"]]);
        if *self.constant.get_or_insert_with(|| constant.clone()) != constant {
            return Err("id, created, model or system_fingerprint changes".to_owned());
        }
        Ok(())
    }

    fn usage(&mut self, event: &Value) -> Result<(), Fault> {
        let usage = &event["usage"];
        let count = |key: &str| usage[key].as_u64().ok_or_else(|| format!("usage has no {key}"));
        if count("prompt_tokens")? + count("completion_tokens")? != count("total_tokens")? {
            return Err("the total is not the sum".to_owned());
        }
        if usage["prompt_tokens_details"]["cached_tokens"].as_u64().is_none() {
            return Err("usage has no cached_tokens".to_owned());
        }
        self.usage = Some(usage.clone());
        Ok(())
    }

    fn choice(&mut self, choice: &Value) -> Result<(), Fault> {
        let index = choice["index"].as_u64().ok_or("a choice has no index")?;
        let delta = choice["delta"].as_object().ok_or("a choice has no delta")?;
        for key in ["logprobs", "finish_reason"] {
            choice.get(key).ok_or_else(|| format!("a choice has no {key}"))?;
        }
        let trace = choice.get("pad").map(|pad| pad["trace"].as_array().ok_or("pad has no trace")).transpose()?;
        let Some(said) = self.choices.get_mut(&index) else {
            self.choices.insert(index, opened(choice, delta)?);
            return Ok(());
        };
        if said.finish.is_some() {
            return Err("a choice goes on after its end".to_owned());
        }
        said.trace.extend(trace.into_iter().flatten().cloned());
        if choice["finish_reason"].is_null() { said.words(delta) } else { said.end(choice, delta) }
    }

    fn check_end(&self) -> Result<(), Fault> {
        if self.error.is_some() {
            return Ok(());
        }
        if self.choices.is_empty() {
            return Err("nothing was said".to_owned());
        }
        match self.choices.iter().find(|(_, said)| said.finish.is_none()) {
            Some((index, _)) => Err(format!("choice {index} has no end")),
            None => Ok(()),
        }
    }
}

impl Said {
    fn words(&mut self, delta: &Map<String, Value>) -> Result<(), Fault> {
        match (delta.len(), delta.get("content").and_then(Value::as_str)) {
            (1, Some(words)) if !words.is_empty() => {
                if !self.calls.is_empty() {
                    return Err("words follow a call".to_owned());
                }
                self.text.push_str(words);
                self.chunks += 1;
                Ok(())
            }
            (1, None) if delta.contains_key("tool_calls") => self.call(&delta["tool_calls"]),
            _ if delta.contains_key("role") => Err("the role is repeated".to_owned()),
            _ => Err("a delta is words and nothing else".to_owned()),
        }
    }

    /// One call at a time: first its id, type and name with empty arguments, then parts of the arguments.
    fn call(&mut self, calls: &Value) -> Result<(), Fault> {
        let Some([call]) = calls.as_array().map(Vec::as_slice) else { return Err("a delta is one call's".to_owned()) };
        let index = call["index"].as_u64().ok_or("a call has no index")? as usize;
        let keys = |value: &Value| value.as_object().map_or(0, Map::len);
        let arguments = call["function"]["arguments"].as_str().ok_or("a call has no arguments")?;
        if index == self.calls.len() {
            let name = call["function"]["name"].as_str().filter(|name| !name.is_empty()).ok_or("a call has no name")?;
            let good = call["id"].as_str().is_some_and(|id| !id.is_empty()) && call["type"] == "function";
            if !good || !arguments.is_empty() || keys(call) != 4 || keys(&call["function"]) != 2 {
                return Err("a call begins with its id, type, name and empty arguments".to_owned());
            }
            self.calls.push((name.to_owned(), String::new()));
            return Ok(());
        }
        if index + 1 != self.calls.len() {
            return Err("calls come one after the other".to_owned());
        }
        if arguments.is_empty() || keys(call) != 2 || keys(&call["function"]) != 1 {
            return Err("a call goes on with arguments and nothing else".to_owned());
        }
        self.calls[index].1.push_str(arguments);
        Ok(())
    }

    fn end(&mut self, choice: &Value, delta: &Map<String, Value>) -> Result<(), Fault> {
        if !delta.is_empty() {
            return Err("the end is not a chunk of its own".to_owned());
        }
        let known = ["stop", "length", "tool_calls", "content_filter"];
        let reason = choice["finish_reason"].as_str().filter(|reason| known.contains(reason));
        let reason = reason.ok_or("a finish_reason that no client knows")?;
        let called = !self.calls.is_empty();
        if (reason == "tool_calls") != called && reason != "length" {
            return Err("the reason is tool_calls where tools are called, and only there".to_owned());
        }
        self.finish = Some(reason.to_owned());
        Ok(())
    }
}

/// A choice's first chunk has the role and no words: null where a call comes first.
fn opened(choice: &Value, delta: &Map<String, Value>) -> Result<Said, Fault> {
    let openings = [json!({"role": "assistant", "content": ""}), json!({"role": "assistant", "content": null})];
    if openings.contains(&Value::Object(delta.clone())) && choice["finish_reason"].is_null() {
        return Ok(Said::default());
    }
    Err("the first chunk of a choice has the role and empty content".to_owned())
}

/// The data of all events. An event is one `data: ` line or one comment, and an empty line.
pub fn payloads(text: &str) -> Result<Vec<&str>, Fault> {
    let mut payloads = Vec::new();
    for event in text.strip_suffix("\n\n").ok_or("the last event is not complete")?.split("\n\n") {
        match event.strip_prefix("data: ") {
            _ if event.contains(['\n', '\r']) => return Err(format!("an event of several lines: {event:?}")),
            Some("[DONE]") if payloads.contains(&"[DONE]") => return Err("[DONE] comes twice".to_owned()),
            Some(payload) => payloads.push(payload),
            None if event.starts_with(':') => {}
            None => return Err(format!("neither data nor comment: {event:?}")),
        }
    }
    Ok(payloads)
}
