//! The form of an answer: any text, JSON, or calls of tools.

use std::sync::Arc;

use pad_api::{ChatRequest, FunctionTool, ResponseFormat, ResponseFormatKind, Tool, ToolChoice, ToolMode};
use pad_decode::Grammar;
use pad_grammar::{Calls, Content, Grammars, Schema, Shape, ShapeError};
use serde_json::{Map, Value, json};

use crate::ApiError;
use crate::state::Shared;

/// Tools of one request.
const MOST_TOOLS: usize = 128;
/// Characters of a tool's name.
const LONGEST_NAME: usize = 64;
/// The field that a schema of the answer stands in.
const SCHEMA: &str = "response_format.json_schema.schema";

/// What the answer may be, and what the model is told of tools.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    shape: Shape,
    /// Where the tools of the shape stand in the request.
    places: Vec<usize>,
    /// Descriptions of tools, for the prompt.
    pub(crate) tools: Arc<[Value]>,
}

impl Form {
    /// Check what a request says of its answer's form.
    ///
    /// # Errors
    /// 400 naming the field that is wrong.
    pub(crate) fn read(request: &ChatRequest) -> Result<Self, ApiError> {
        let tools = request.tools.as_deref().unwrap_or_default();
        if request.functions.is_some() && tools.is_empty() {
            let message = "`functions` is given; allowed: `tools`, each {\"type\": \"function\", \"function\": {...}}";
            return Err(ApiError::invalid("functions", message));
        }
        check_names(tools)?;
        let content = content(request.response_format.as_ref())?;
        let any =
            Self { shape: Shape { content: Some(content), calls: None }, places: Vec::new(), tools: Arc::new([]) };
        let places: Vec<usize> = match &request.tool_choice {
            Some(ToolChoice::Mode(ToolMode::None)) => return Ok(any),
            None | Some(ToolChoice::Mode(ToolMode::Auto)) if tools.is_empty() => return Ok(any),
            None | Some(ToolChoice::Mode(_)) => (0..tools.len()).collect(),
            Some(ToolChoice::Function(name)) => {
                tools.iter().position(|tool| tool.function.name == *name).into_iter().collect()
            }
        };
        let optional = matches!(request.tool_choice, None | Some(ToolChoice::Mode(ToolMode::Auto)));
        let named = matches!(request.tool_choice, Some(ToolChoice::Function(_)));
        if places.is_empty() {
            return Err(ApiError::invalid("tool_choice", "`tool_choice` asks for a tool that is not among `tools`"));
        }
        let called: Result<Vec<_>, ApiError> = places.iter().map(|place| called(*place, &tools[*place])).collect();
        let parallel = !named && request.parallel_tool_calls.unwrap_or(true);
        let told = tools.iter().map(|tool| serde_json::to_value(tool).unwrap_or_default()).collect();
        let content = any.shape.content.filter(|_| optional);
        let shape = Shape { content, calls: Some(Calls { tools: called?, parallel }) };
        Ok(Self { shape, places, tools: told })
    }

    /// Whether calls are read from the answer.
    pub(crate) fn has_calls(&self) -> bool {
        self.shape.calls.is_some()
    }

    /// The grammar of this form, if it has one. Compiled on a thread that may block.
    ///
    /// # Errors
    /// 400 naming the schema that no answer can be held to, and why.
    pub(crate) async fn grammar(&self, shared: &Arc<Shared>) -> Result<Option<Box<dyn Grammar>>, ApiError> {
        if self.shape == (Shape { content: Some(Content::Text), calls: None }) {
            return Ok(None);
        }
        let (shared, form) = (Arc::clone(shared), self.clone());
        let compiled = tokio::task::spawn_blocking(move || form.compile(&shared.grammars)).await;
        compiled.unwrap_or_else(|_| Err(ApiError::internal("the answer's form could not be prepared")))
    }

    fn compile(&self, grammars: &Grammars) -> Result<Option<Box<dyn Grammar>>, ApiError> {
        grammars.compile(&self.shape).map_err(|error| {
            let fails = |shape: &Shape| grammars.compile(shape).err();
            let content = Shape { content: self.shape.content.clone(), calls: None };
            if content.content.is_some()
                && let Some(error) = fails(&content)
            {
                return refused(SCHEMA, &error);
            }
            let tools = self.shape.calls.iter().flat_map(|calls| &calls.tools);
            for (place, tool) in self.places.iter().zip(tools) {
                let calls = Calls { tools: vec![tool.clone()], parallel: false };
                if let Some(error) = fails(&Shape { content: None, calls: Some(calls) }) {
                    return refused(&parameters(*place), &error);
                }
            }
            refused("tools", &error)
        })
    }
}

fn content(format: Option<&ResponseFormat>) -> Result<Content, ApiError> {
    let Some(format) = format else { return Ok(Content::Text) };
    match (format.kind, &format.json_schema) {
        (ResponseFormatKind::Text, _) => Ok(Content::Text),
        (ResponseFormatKind::JsonObject, _) => Ok(Content::Json(Schema::any_object())),
        (ResponseFormatKind::JsonSchema, Some(described)) => match &described.schema {
            None => Ok(Content::Json(Schema::any_object())),
            Some(schema) => {
                let schema = Schema::new(&Value::Object(schema.clone()), false);
                Ok(Content::Json(schema.map_err(|error| refused(SCHEMA, &error))?))
            }
        },
        (ResponseFormatKind::JsonSchema, None) => {
            let message = "`response_format.json_schema` is absent; allowed: an object with `name` and `schema`";
            Err(ApiError::invalid("response_format.json_schema", message))
        }
    }
}

fn check_names(tools: &[Tool]) -> Result<(), ApiError> {
    if tools.len() > MOST_TOOLS {
        let message = format!("`tools` has {} tools; allowed: {MOST_TOOLS} at most", tools.len());
        return Err(ApiError::invalid("tools", message));
    }
    let good = |name: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(known)
    };
    for (place, tool) in tools.iter().enumerate() {
        let (name, param) = (&tool.function.name, format!("tools[{place}].function.name"));
        if !good(name) {
            let message =
                format!("`{param}` is `{name}`; allowed: letters, digits, `_` and `-`, 1 to {LONGEST_NAME} of them");
            return Err(ApiError::invalid(&param, message));
        }
        if tools[..place].iter().any(|other| other.function.name == *name) {
            return Err(ApiError::invalid(&param, format!("`{param}` is `{name}`, as another tool's is")));
        }
    }
    Ok(())
}

/// A tool as the grammar takes it. Arguments are always an object.
fn called(place: usize, tool: &Tool) -> Result<pad_grammar::Tool, ApiError> {
    let FunctionTool { name, parameters: described, strict, .. } = &tool.function;
    let nothing = || json!({"type": "object", "properties": {}, "additionalProperties": false});
    let mut schema = described.clone().map_or_else(nothing, Value::Object);
    if let Some(keywords) = schema.as_object_mut() {
        check_object(place, keywords)?;
        keywords.insert("type".to_owned(), json!("object"));
    }
    let schema = Schema::new(&schema, !strict.unwrap_or(false));
    let parameters = schema.map_err(|error| refused(&parameters(place), &error))?;
    Ok(pad_grammar::Tool { name: name.clone(), parameters })
}

fn check_object(place: usize, keywords: &Map<String, Value>) -> Result<(), ApiError> {
    match keywords.get("type") {
        None => Ok(()),
        Some(kind) if *kind == json!("object") => Ok(()),
        Some(other) => {
            let param = parameters(place);
            Err(ApiError::invalid(&param, format!("`{param}` has the type {other}; allowed: \"object\"")))
        }
    }
}

fn parameters(place: usize) -> String {
    format!("tools[{place}].function.parameters")
}

fn refused(param: &str, error: &ShapeError) -> ApiError {
    ApiError::invalid(param, format!("`{param}` cannot be held to: {error}"))
}
