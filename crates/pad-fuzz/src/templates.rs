//! Any conversation through any template gives a prompt or an error.

use std::sync::OnceLock;

use pad_text::{ChatTemplate, Message, TextError};
use serde_json::Value;

/// Templates of the kinds that models have: turns between marks, turns that must alternate, and tools with calls.
const TEMPLATES: [&str; 3] = [
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}\
     {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'].strip() %}\
     {% set messages = messages[1:] %}{% endif %}{% for m in messages %}\
     {% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}\
     {{ '[' ~ m.role | upper ~ '] ' ~ m.content | trim }}{% if not loop.last %}{{ eos_token }}{% endif %}{% endfor %}",
    "{%- if tools %}{{- '<tools>' }}{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}{{- '</tools>' }}{%- endif %}\
     {%- for m in messages %}{%- if m.tool_calls %}{%- for call in m.tool_calls %}{%- if call.function %}{%- set call = call.function %}\
     {%- endif %}{{- '<tool_call>\n{\"name\": \"' ~ call.name ~ '\", \"arguments\": ' ~ call.arguments | tojson ~ '}\n</tool_call>' }}\
     {%- endfor %}{%- else %}{{- m.role ~ ': ' ~ m.content.split('</think>')[-1].lstrip('\n') ~ '\n' }}{%- endif %}{%- endfor %}",
];

/// Longer ones are made of the same.
const LONGEST: usize = 1024;

/// Template and conversation are parted by a byte of 0xff; where there is none, all of it is the conversation.
///
/// # Panics
/// Where a template panics, or an error is none of those that it may have.
pub fn check(data: &[u8]) {
    static COMPILED: OnceLock<Vec<ChatTemplate>> = OnceLock::new();
    let compile = || TEMPLATES.iter().map(|source| ChatTemplate::new(source).expect("a template")).collect();
    let mut parts = data.splitn(2, |byte| *byte == 0xff);
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let (messages, tools) = conversation(second.unwrap_or(first));
    let Some(_) = second else {
        COMPILED.get_or_init(compile).iter().for_each(|template| render(template, &messages, &tools));
        return;
    };
    let Some(source) = std::str::from_utf8(first).ok().filter(|source| is_quick(source)) else { return };
    match ChatTemplate::new(source) {
        Ok(template) => render(&template, &messages, &tools),
        Err(error) => assert!(matches!(error, TextError::TemplateSyntax(_)), "{error}"),
    }
}

/// Templates come with a model: how long one of them takes is its own affair. Those that may go on for ever are left out.
fn is_quick(source: &str) -> bool {
    let long_number = source.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
    let grows = ["range", "*", "recursive", "macro", "replace", "join"].iter().any(|word| source.contains(word));
    source.len() <= LONGEST && !long_number && !grows
}

/// `[messages, tools]` as JSON; what is none is one message.
fn conversation(bytes: &[u8]) -> (Vec<Message>, Vec<Value>) {
    let (messages, tools): (Vec<Message>, Vec<Value>) = serde_json::from_slice(bytes).unwrap_or_default();
    if messages.is_empty() {
        return (vec![Message::new("user", String::from_utf8_lossy(bytes))], tools);
    }
    (messages, tools)
}

fn render(template: &ChatTemplate, messages: &[Message], tools: &[Value]) {
    for opened in [true, false] {
        match template.render(messages, tools, opened, "<s>", "</s>") {
            Ok(_) | Err(TextError::TemplateRefused(_) | TextError::TemplateRender(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
