//! Chat templates: a conversation to the text of one prompt.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Value, context};
use minijinja_contrib::pycompat::unknown_method_callback;

use crate::call;
use crate::clock::Moment;
use crate::json::tojson;
use crate::{Message, TextError};

/// The `ChatML` format: each turn between `<|im_start|>` and `<|im_end|>`. It serves models
/// whose vocabulary has these tokens and whose files hold no template.
pub(crate) const CHATML: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\
    {% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// Gemma's template, for models that bring none but have its tokens. A system message is put before the first user's.
pub(crate) const GEMMA: &str = "{{ bos_token }}{% set said = namespace(system='') %}\
    {% for message in messages %}{% if message['role'] == 'system' or message['role'] == 'developer' %}\
    {% set said.system = said.system + message['content'] + '\\n\\n' %}{% else %}\
    {% set role = 'model' if message['role'] == 'assistant' else 'user' %}\
    {{ '<start_of_turn>' + role + '\\n' }}\
    {% if role == 'user' %}{{ said.system }}{% set said.system = '' %}{% endif %}\
    {{ message['content'] | trim + '<end_of_turn>\\n' }}{% endif %}{% endfor %}\
    {% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

/// Tokens that end a turn in a known chat format. A model that has one of them ends its answers
/// with it, whatever else its files name as the end of a text.
pub(crate) const END_OF_TURN: [&str; 4] = ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>"];

/// The one template of an environment.
const NAME: &str = "chat";

/// Work that a template may do beside that for its messages and tools: instructions, and bytes that are made, 64 for one.
const FUEL: u64 = 1 << 20;
/// Work for each message and tool, on average: templates go through all of them several times. Each byte of content is one more.
const FUEL_PER_ENTRY: u64 = 1 << 11;
/// Most work of one prompt: a second or two, and at most 2 GiB.
const MOST_FUEL: u64 = 1 << 25;
/// How deep macros and inclusions may go: what fits the stack of any thread.
const DEPTH: usize = 64;

/// A model's chat template: Jinja as Hugging Face's `transformers` runs it (blocks trimmed,
/// Python's methods on strings and dictionaries, `raise_exception`, `strftime_now`, `tojson`).
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    writes_calls: bool,
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// [`TextError::TemplateSyntax`].
    pub fn new(source: &str) -> Result<Self, TextError> {
        let environment = environment(source).map_err(|error| TextError::TemplateSyntax(describe(&error)))?;
        Ok(Self {
            environment,
            source: source.to_owned(),
            writes_calls: source.contains("tools") && source.contains(call::OPEN),
        })
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the template has words for tools, and writes calls in the form of [`call`].
    pub fn writes_calls(&self) -> bool {
        self.writes_calls
    }

    /// The prompt of a conversation about these tools, if there are any. `add_generation_prompt` opens the assistant's next turn.
    ///
    /// # Errors
    /// [`TextError::TemplateRefused`] if the template calls `raise_exception` (roles in an order
    /// it does not accept, for instance), [`TextError::TemplateRender`] if it fails otherwise.
    pub fn render(
        &self,
        messages: &[Message],
        tools: &[serde_json::Value],
        add_generation_prompt: bool,
        bos_token: &str,
        eos_token: &str,
    ) -> Result<String, TextError> {
        let entries = (messages.len() + tools.len()) as u64 * FUEL_PER_ENTRY;
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let fuel = (FUEL + entries + bytes as u64).min(MOST_FUEL);
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(fuel));
        let rendered = environment.get_template(NAME).and_then(|template| {
            template.render(context! {
                messages => Value::from(Serde(messages)),
                add_generation_prompt,
                bos_token,
                eos_token,
                // Templates ask `tools is not none`: an undefined value would not do.
                tools => if tools.is_empty() || !self.writes_calls { Value::from(()) } else { Value::from(Serde(tools)) },
                documents => (),
            })
        });
        rendered.map_err(|error| match refusal(&error) {
            Some(message) => TextError::TemplateRefused(message.to_owned()),
            None if error.kind() == ErrorKind::OutOfFuel => TextError::TemplateRender(format!(
                "it did not finish within {fuel} steps, the limit for {} messages and {} tools",
                messages.len(),
                tools.len()
            )),
            None => TextError::TemplateRender(describe(&error)),
        })
    }
}

fn environment(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_recursion_limit(DEPTH);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.add_filter("tojson", |value: Value, arguments: Kwargs| tojson(&value, arguments.get("indent")?));
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", |format: &str| Moment::now().format(format));
    environment.add_template_owned(NAME, without_generation_marks(source))?;
    Ok(environment)
}

/// `{% generation %}` marks the assistant's text for training and prints nothing; Jinja itself
/// does not know it. A comment does the same, white-space control included.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (text, tail) = rest.split_at(at);
        out.push_str(text);
        // `{%}` opens and does not close: its sign belongs to the opening.
        let Some(end) = tail[2..].find("%}").map(|end| end + 2) else {
            rest = tail;
            break;
        };
        let inner = &tail[2..end];
        let word = inner.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace());
        if matches!(word, "generation" | "endgeneration") {
            out.extend(["{#", inner, "#}"]);
        } else {
            out.push_str(&tail[..end + 2]);
        }
        rest = &tail[end + 2..];
    }
    out.push_str(rest);
    out
}

/// What a template said by `raise_exception`, carried through the engine's own error type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Refusal(message)))
}

fn refusal(error: &Error) -> Option<&str> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(Refusal(message)) = error.downcast_ref() {
            return Some(message);
        }
        next = error.source();
    }
    None
}

/// The engine's message with the line, without the template's text.
fn describe(error: &Error) -> String {
    match error.line() {
        Some(line) => format!("line {line}: {}", error.detail().unwrap_or("error")),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, messages: &[Message]) -> Result<String, TextError> {
        ChatTemplate::new(source)?.render(messages, &[], true, "<s>", "</s>")
    }

    fn check(source: &str, expected: &str) {
        let messages = [Message::new("user", "a <b> & 'c'")];
        assert_eq!(render(source, &messages).unwrap(), expected);
    }

    #[test]
    fn chatml() {
        let turns = [Message::new("system", "S"), Message::new("user", "U")];
        assert_eq!(
            render(CHATML, &turns).unwrap(),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
        );
        let closed = ChatTemplate::new(CHATML).unwrap();
        let closed = closed.render(&turns[1..], &[], false, "", "").unwrap();
        assert_eq!(closed, "<|im_start|>user\nU<|im_end|>\n");
    }

    #[test]
    fn gemmas_turns() {
        let turns = [
            Message::new("system", "S"),
            Message::new("user", " U "),
            Message::new("assistant", "A"),
            Message::new("user", "V"),
        ];
        let template = ChatTemplate::new(GEMMA).unwrap();
        assert_eq!(
            template.render(&turns, &[], true, "<bos>", "").unwrap(),
            "<bos><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>user\n\
             V<end_of_turn>\n<start_of_turn>model\n"
        );
    }

    #[test]
    fn blocks_are_trimmed_as_python_does() {
        check("{% for m in messages %}\n  {{ m.role }}\n  {% endfor %}\nend", "  user\nend");
        check("  {%- if true %}\nx\n{% endif %}\n", "x\n");
    }

    #[test]
    fn texts_are_not_escaped() {
        check("{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}", "<s>a <b> & 'c'</s>");
    }

    #[test]
    fn python_methods_and_namespaces() {
        check("{{ messages[0].role.upper().startswith('US') }}", "True");
        check("{{ ' x '.strip() }}{{ 'a,b'.split(',')[-1] }}", "xb");
        check("{{ messages[0].get('name', 'nobody') }}", "nobody");
        check(
            "{% set ns = namespace(n=0) %}{% for m in messages[::-1] %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        );
        check("{{ tools is none }}{{ documents is none }}", "TrueTrue");
    }

    #[test]
    fn json_is_spaced_and_unescaped_as_python_writes_it() {
        check("{{ messages | tojson }}", r#"[{"role": "user", "content": "a <b> & 'c'"}]"#);
        check("{{ {'a': [1, 2]} | tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
    }

    #[test]
    fn extra_fields_reach_the_template() {
        let mut message = Message::new("user", "x");
        message.extra.insert("name".into(), "Ada".into());
        assert_eq!(render("{{ messages[0].name }}", &[message]).unwrap(), "Ada");
    }

    #[test]
    fn generation_marks_print_nothing() {
        check("a{% generation %}b{%- endgeneration -%}  c{% if true %}d{% endif %}", "abcd");
        for broken in ["{%}", "a{%}{% generation %}", "{%", "{%-%}{%"] {
            let error = ChatTemplate::new(broken).unwrap_err();
            assert!(matches!(error, TextError::TemplateSyntax(_)), "{broken}: {error}");
        }
    }

    #[test]
    fn a_template_that_does_not_end_is_stopped() {
        for endless in [
            "{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}",
            "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
            "{{ 'x' * 4000000000 }}",
            "{{ 'x' | replace('x', 'xxxxxxxxxxxxxxxx' * 100000000) }}",
            "{% for i in range(99999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
            "{% for a in messages[0].content * 50000 %}{{ messages[0].content * 50000 }}{% endfor %}",
        ] {
            let error = render(endless, &[Message::new("user", "long long long")]).unwrap_err();
            assert!(matches!(&error, TextError::TemplateRender(_)), "{endless}: {error}");
        }
        for deep in [
            "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
            "{% macro f(n) %}{{ g(n) }}{% endmacro %}{% macro g(n) %}{{ f(n) }}{% endmacro %}{{ f(0) }}",
            "{{ range(99999999999) }}",
        ] {
            let error = render(deep, &[]).unwrap_err();
            assert!(matches!(&error, TextError::TemplateRender(_)), "{deep}: {error}");
        }
    }

    #[test]
    fn a_long_conversation_is_within_the_bounds() {
        let turns: Vec<Message> = (0..5000).map(|_| Message::new("user", "word ".repeat(100))).collect();
        let all = "{% for m in messages %}{% for c in [1, 2, 3] %}{% if m.role == 'user' %}{{ m.content | trim }}{% endif %}\
                   {% endfor %}{% endfor %}";
        assert_eq!(render(all, &turns).unwrap().len(), 5000 * 499 * 3);
        let long = Message::new("user", "x".repeat(4 << 20));
        assert_eq!(render(CHATML, &[long]).unwrap().len(), (4 << 20) + 50);
    }

    #[test]
    fn strftime_now_gives_a_date() {
        let today = render("{{ strftime_now('%Y-%m-%d') }}", &[]).unwrap();
        assert_eq!(today.len(), 10);
        assert!(today.as_str() > "2024-01-01");
    }

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        let refused = "{% if messages[0].role != 'system' %}{{ raise_exception('No ' + messages[0].role) }}{% endif %}";
        let error = render(refused, &[Message::new("user", "x")]).unwrap_err();
        assert!(matches!(&error, TextError::TemplateRefused(m) if m == "No user"), "{error}");
        let failed = render("\n{{ messages[0].content.nothing() }}", &[Message::new("u", "x")]);
        let error = failed.unwrap_err();
        assert!(matches!(&error, TextError::TemplateRender(m) if m.contains("line 2")), "{error}");
        let error = ChatTemplate::new("{% for %}").unwrap_err();
        assert!(matches!(error, TextError::TemplateSyntax(_)), "{error}");
    }
}
