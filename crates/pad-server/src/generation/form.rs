//! The form of an answer: any text, JSON, or calls of tools.

use std::sync::Arc;

use pad_api::{AllowedMode, AllowedTools, FunctionTool, LONGEST_NAME, Tool, ToolChoice, ToolKind, ToolMode, fits_name};
use pad_decode::Grammar;
use pad_engine::Tenant;
use pad_grammar::{Calls, Choices, Content, Grammars, Lark, Regex, Requester, Schema, Shape, ShapeError, ShapePart};
use serde_json::{Map, Value, json};

use super::calls::CallReader;
use crate::ApiError;
use crate::preparation::prepare;
use crate::state::Shared;

/// Most tools per request.
const MOST_TOOLS: usize = 128;

/// What a request says of its answer's form, before it is checked.
#[derive(Clone, Debug)]
pub(crate) struct FormRequest {
    /// Names of the fields in the dialect.
    pub(crate) names: FormNames,
    /// The form of the text.
    pub(crate) text: TextForm,
    /// Functions that may be called.
    pub(crate) functions: Vec<FunctionTool>,
    /// Whether functions are called, and which.
    pub(crate) tool_choice: Option<ToolChoice>,
    /// Whether one answer may call several times.
    pub(crate) parallel_calls: Option<bool>,
}

/// The names of fields that differ between dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FormNames {
    /// The constraint on the answer's text.
    pub(crate) text: &'static str,
    /// The function of a tool, within the tool: `.function`, or nothing where a tool's fields are the function's.
    pub(crate) function: &'static str,
}

impl FormNames {
    /// A field of the function of the tool at this place among `tools`.
    fn of_function(&self, place: usize, field: &str) -> String {
        format!("tools[{place}]{}.{field}", self.function)
    }
}

/// Forms that an answer's text can have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TextForm {
    /// Any text.
    Any,
    /// A JSON object.
    Object,
    /// JSON that this schema describes.
    Schema(Map<String, Value>),
    /// One of these texts.
    Choice(Vec<String>),
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// A text of this grammar, in Lark's notation.
    Grammar(String),
}

/// What the answer may be, and the tool descriptions in the prompt. The default is any text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    constraint: Option<Constraint>,
    /// Descriptions of tools, for the prompt.
    pub(crate) tools: Arc<[Value]>,
}

/// The constraint on an answer.
#[derive(Clone, Debug)]
struct Constraint {
    shape: Shape,
    /// Index in `tools` of each tool of the shape.
    places: Vec<usize>,
    names: FormNames,
}

impl Form {
    /// Check what a request says of its answer's form. `parallel`: whether one answer may call several times where it does not say.
    ///
    /// # Errors
    /// 400 naming the field that is wrong.
    pub(crate) fn check(request: FormRequest, parallel: bool) -> Result<Self, ApiError> {
        let FormRequest { names, text, functions, tool_choice, parallel_calls } = request;
        check_functions(&functions, names)?;
        let content = content(text, names)?;
        let places: Vec<usize> = match &tool_choice {
            Some(ToolChoice::Mode(ToolMode::None)) => return Ok(Self::without_calls(content, names)),
            None | Some(ToolChoice::Mode(ToolMode::Auto)) if functions.is_empty() => {
                return Ok(Self::without_calls(content, names));
            }
            None | Some(ToolChoice::Mode(_)) => (0..functions.len()).collect(),
            Some(ToolChoice::Function(name)) => {
                functions.iter().position(|function| function.name == *name).into_iter().collect()
            }
            Some(ToolChoice::Allowed(allowed)) => allowed_places(allowed, &functions)?,
        };
        if matches!(content, Content::Lark(_)) {
            let message = format!(
                "`{0}` is a grammar, given together with tools that may be called; allowed: one of the two",
                names.text
            );
            return Err(ApiError::invalid(names.text, message));
        }
        let optional = match &tool_choice {
            None | Some(ToolChoice::Mode(ToolMode::Auto)) => true,
            Some(ToolChoice::Allowed(allowed)) => allowed.mode == AllowedMode::Auto,
            Some(ToolChoice::Mode(_) | ToolChoice::Function(_)) => false,
        };
        let named = matches!(tool_choice, Some(ToolChoice::Function(_)));
        if places.is_empty() {
            let message = match &tool_choice {
                Some(ToolChoice::Function(name)) => format!("`tool_choice` is `{name}`, which is not among `tools`"),
                _ => "`tool_choice` leaves no tool that may be called; allowed: at least one of `tools`".to_owned(),
            };
            return Err(ApiError::invalid("tool_choice", message));
        }
        let tool = |place: &usize| callable(&functions[*place], &names.of_function(*place, "parameters"));
        let tools = places.iter().map(tool).collect::<Result<_, ApiError>>()?;
        let calls = Calls { tools, parallel: !named && parallel_calls.unwrap_or(parallel) };
        let shape = Shape { content: optional.then_some(content), calls: Some(calls) };
        let tools = functions.into_iter().map(description).collect();
        Ok(Self { constraint: Some(Constraint { shape, places, names }), tools })
    }

    fn without_calls(content: Content, names: FormNames) -> Self {
        let constraint = (content != Content::Text).then(|| {
            let shape = Shape { content: Some(content), calls: None };
            Constraint { shape, places: Vec::new(), names }
        });
        Self { constraint, tools: Arc::new([]) }
    }

    /// Whether not every text may be the answer.
    pub(crate) fn is_constrained(&self) -> bool {
        self.constraint.is_some()
    }

    /// Whether calls are read from the answer.
    pub(crate) fn has_calls(&self) -> bool {
        self.constraint.as_ref().is_some_and(|constraint| constraint.shape.calls.is_some())
    }

    /// Reads calls from the answer, if there may be some.
    pub(crate) fn call_reader(&self) -> Option<CallReader> {
        let shape = &self.constraint.as_ref()?.shape;
        let calls = shape.calls.as_ref()?;
        let names = || calls.tools.iter().map(|tool| tool.name.clone()).collect();
        let free = shape.content == Some(Content::Text);
        Some(if free { CallReader::among_text(names(), !calls.parallel) } else { CallReader::of_calls_alone() })
    }

    /// The grammar of this form, if it has one. Compiled on a thread that may block.
    ///
    /// # Errors
    /// 400 naming the schema that cannot be enforced, and why.
    pub(crate) async fn grammar(
        &self,
        shared: &Arc<Shared>,
        tenant: Tenant,
    ) -> Result<Option<Box<dyn Grammar>>, ApiError> {
        let Some(constraint) = self.constraint.clone() else { return Ok(None) };
        let of_task = Arc::clone(shared);
        let requester = Requester { owner: tenant.owner.map(|owner| owner.0), scope: tenant.cache.0 };
        let compiled = prepare(move || constraint.compile(&of_task.grammars, &requester)).await;
        shared.metrics.grammar(compiled.is_ok());
        compiled
    }
}

impl Constraint {
    fn compile(&self, grammars: &Grammars, requester: &Requester) -> Result<Option<Box<dyn Grammar>>, ApiError> {
        let fitted = grammars.fit(&self.shape, requester).map_err(|(part, error)| match part {
            ShapePart::Tool(tool) => {
                let place = self.places.get(tool).copied().unwrap_or(tool);
                unsupported(&self.names.of_function(place, "parameters"), &error)
            }
            ShapePart::Whole if self.shape.calls.is_some() => unsupported("tools", &error),
            ShapePart::Content | ShapePart::Whole => unsupported(self.names.text, &error),
        })?;
        for (tool, error) in &fitted.passed_over {
            tracing::info!(tool, kind = error.kind(), "the parameters of a tool cannot be enforced and are ignored");
        }
        Ok(fitted.grammar)
    }
}

fn content(form: TextForm, names: FormNames) -> Result<Content, ApiError> {
    let content = match form {
        TextForm::Any => Ok(Content::Text),
        TextForm::Object => Ok(Content::Json(Schema::any_object())),
        TextForm::Schema(schema) => Schema::new(&Value::Object(schema), false).map(Content::Json),
        TextForm::Choice(texts) => Choices::new(texts).map(Content::Choice),
        TextForm::Regex(expression) => Regex::new(&expression).map(Content::Regex),
        TextForm::Grammar(grammar) => Lark::new(&grammar).map(Content::Lark),
    };
    content.map_err(|error| unsupported(names.text, &error))
}

/// Where the functions stand that may be called.
fn allowed_places(allowed: &AllowedTools, functions: &[FunctionTool]) -> Result<Vec<usize>, ApiError> {
    let named = || allowed.tools.iter().map(|tool| tool.function.name.as_str());
    if let Some(unknown) = named().find(|name| !functions.iter().any(|function| function.name == *name)) {
        let message = format!("`tool_choice` allows `{unknown}`, which is not among `tools`");
        return Err(ApiError::invalid("tool_choice", message));
    }
    let places = functions.iter().enumerate().filter(|(_, function)| named().any(|name| function.name == name));
    Ok(places.map(|(place, _)| place).collect())
}

fn check_functions(functions: &[FunctionTool], names: FormNames) -> Result<(), ApiError> {
    if functions.len() > MOST_TOOLS {
        let message = format!("`tools` has {} tools; allowed: {MOST_TOOLS} at most", functions.len());
        return Err(ApiError::invalid("tools", message));
    }
    for (place, FunctionTool { name, .. }) in functions.iter().enumerate() {
        let param = names.of_function(place, "name");
        if name.is_empty() || !fits_name(name) {
            let message = format!(
                "`{param}` is `{name}`; allowed: letters, digits, `_`, `-` and `.`, 1 to {LONGEST_NAME} of them"
            );
            return Err(ApiError::invalid(&param, message));
        }
        if functions[..place].iter().any(|other| other.name == *name) {
            return Err(ApiError::invalid(
                &param,
                format!("`{param}` is `{name}`, the name of another tool; allowed: a different name"),
            ));
        }
    }
    Ok(())
}

/// A tool as chat templates describe it to the model.
fn description(function: FunctionTool) -> Value {
    serde_json::to_value(Tool { kind: ToolKind::Function, function }).unwrap_or_default()
}

/// A tool as the grammar takes it; its parameters are this field. Arguments are always an object.
fn callable(function: &FunctionTool, param: &str) -> Result<pad_grammar::Tool, ApiError> {
    let FunctionTool { name, parameters, strict, .. } = function;
    let nothing = || json!({"type": "object", "properties": {}, "additionalProperties": false});
    let mut schema = parameters.clone().map_or_else(nothing, Value::Object);
    if let Some(keywords) = schema.as_object_mut() {
        check_object(keywords, param)?;
        keywords.insert("type".to_owned(), json!("object"));
    }
    let lenient = !strict.unwrap_or(false);
    let parameters = match Schema::new(&schema, lenient) {
        Err(error @ ShapeError::Beyond { .. }) if lenient => {
            tracing::info!(kind = error.kind(), "the parameters of a tool cannot be enforced and are ignored");
            Schema::any_object()
        }
        schema => schema.map_err(|error| unsupported(param, &error))?,
    };
    Ok(pad_grammar::Tool { name: name.clone(), parameters })
}

fn check_object(keywords: &Map<String, Value>, param: &str) -> Result<(), ApiError> {
    match keywords.get("type") {
        None => Ok(()),
        Some(kind) if *kind == json!("object") => Ok(()),
        Some(other) => Err(ApiError::invalid(param, format!("`{param}` has the type {other}; allowed: \"object\""))),
    }
}

fn unsupported(param: &str, error: &ShapeError) -> ApiError {
    if *error == ShapeError::Busy {
        return ApiError::unavailable("grammars_busy", format!("{error}; try again"));
    }
    ApiError::invalid(param, format!("`{param}` cannot be enforced: {error}"))
}
