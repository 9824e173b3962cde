//! Any bytes give a request, or an error that names what is wrong.

use pad_api::{
    ChatRequest, CompletionRequest, Content, DetokenizeRequest, ResponseRequest, RewardsRequest, Stop, TokenizeRequest,
    Tool, from_slice,
};

/// The first byte chooses the route, the others are the body.
///
/// # Panics
/// If an error names nothing, or if something that is not an object is accepted as one.
pub fn check(data: &[u8]) {
    let Some((route, body)) = data.split_first() else { return };
    let taken = match route % 6 {
        0 => read::<ChatRequest>(body, chat),
        1 => read::<CompletionRequest>(body, |request| drop(request.stop.map(Stop::into_strings))),
        2 => read::<ResponseRequest>(body, response),
        3 => read::<RewardsRequest>(body, |_| ()),
        4 => read::<TokenizeRequest>(body, |_| ()),
        _ => read::<DetokenizeRequest>(body, |_| ()),
    };
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    assert!(!taken || first == Some(&b'{'), "an object only");
}

/// Whether a request was read; it is handed on as the server does.
fn read<T: for<'de> serde::Deserialize<'de>>(body: &[u8], hand_on: fn(T)) -> bool {
    match from_slice::<T>(body) {
        Ok(parsed) => {
            // A field of no name may be ignored like any other; each has a quote, a colon and a value.
            assert!(4 * parsed.ignored.len() <= body.len(), "{:?}", parsed.ignored);
            hand_on(parsed.value);
            true
        }
        Err(error) => {
            assert!(!error.message.is_empty() && error.param.as_ref().is_none_or(|param| !param.is_empty()));
            false
        }
    }
}

fn chat(request: ChatRequest) {
    request.messages.into_iter().for_each(|message| drop(message.content.map(Content::into_text)));
    drop(request.stop.map(Stop::into_strings));
    request.tools.iter().flatten().for_each(written);
}

/// A tool as templates get it.
fn written(tool: &Tool) {
    let json = serde_json::to_value(tool).expect("a tool is JSON");
    assert_eq!(json["function"]["name"], tool.function.name);
}

fn response(request: ResponseRequest) {
    request.tools.unwrap_or_default().functions.into_iter().map(Tool::from).for_each(|tool| written(&tool));
}
