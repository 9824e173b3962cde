//! The constraint on an answer's text: OpenAI's `response_format`, or one under vLLM's names.

use pad_api::{GuidedJson, ResponseFormat, ResponseFormatKind, StructuredOutputs};

use crate::ApiError;
use crate::generation::form::TextForm;

/// The field that a schema of `response_format` stands in.
const SCHEMA: &str = "response_format.json_schema.schema";

/// The fields of a request that constrain its answer's text; one of them at most is given.
pub(crate) struct TextConstraints {
    pub(crate) response_format: Option<ResponseFormat>,
    pub(crate) guided_json: Option<GuidedJson>,
    pub(crate) guided_choice: Option<Vec<String>>,
    pub(crate) guided_regex: Option<String>,
    pub(crate) guided_grammar: Option<String>,
    pub(crate) structured_outputs: Option<StructuredOutputs>,
}

/// The [`TextConstraints`] of a dialect's request, whose fields have the same names.
macro_rules! text_constraints {
    ($request:ident) => {
        $crate::text_constraints::TextConstraints {
            response_format: $request.response_format,
            guided_json: $request.guided_json,
            guided_choice: $request.guided_choice,
            guided_regex: $request.guided_regex,
            guided_grammar: $request.guided_grammar,
            structured_outputs: $request.structured_outputs,
        }
    };
}
pub(crate) use text_constraints;

impl TextConstraints {
    /// What the text may be, and the field that says so. A constraint is enforced or rejected, never ignored.
    ///
    /// # Errors
    /// 400 where there is more than one, or one that cannot be enforced.
    pub(crate) fn form(self) -> Result<(TextForm, &'static str), ApiError> {
        let given = self.given();
        if given.len() > 1 {
            let message = format!("the text has several constraints ({}); allowed: one", given.join(", "));
            let outer = given[0].split('.').next().unwrap_or(given[0]);
            return Err(ApiError::invalid(outer, message));
        }
        let Some(place) = given.first().copied() else { return Ok((TextForm::Any, SCHEMA)) };
        if let Some(format) = self.response_format.filter(|_| place == "response_format") {
            return Ok((of_format(format)?, SCHEMA));
        }
        let outputs = self.structured_outputs.unwrap_or_default();
        let schema = self.guided_json.or(outputs.json).map(|GuidedJson(schema)| TextForm::Schema(schema));
        let object = outputs.json_object.filter(|asked| *asked).map(|_| TextForm::Object);
        let choice = self.guided_choice.or(outputs.choice).map(TextForm::Choice);
        let regex = self.guided_regex.or(outputs.regex).map(TextForm::Regex);
        let grammar = self.guided_grammar.or(outputs.grammar).map(TextForm::Grammar);
        let form = schema.or(object).or(choice).or(regex).or(grammar);
        let allowed = "a schema, a list of texts, a regular expression, or a grammar";
        let refused = || {
            let message = format!("`{place}` is given, which cannot be enforced here; allowed: {allowed}");
            ApiError::invalid(place, message)
        };
        Ok((form.ok_or_else(refused)?, place))
    }

    /// The constraints that are given, by their fields.
    fn given(&self) -> Vec<&'static str> {
        let format = self.response_format.as_ref().is_some_and(|format| format.kind != ResponseFormatKind::Text);
        let older = [
            ("response_format", format),
            ("guided_json", self.guided_json.is_some()),
            ("guided_choice", self.guided_choice.is_some()),
            ("guided_regex", self.guided_regex.is_some()),
            ("guided_grammar", self.guided_grammar.is_some()),
        ];
        let older = older.into_iter().filter(|(_, given)| *given).map(|(place, _)| place);
        older.chain(self.structured_outputs.iter().flat_map(StructuredOutputs::given)).collect()
    }
}

/// A `json_schema` without a schema is any object.
fn of_format(format: ResponseFormat) -> Result<TextForm, ApiError> {
    match (format.kind, format.json_schema) {
        (ResponseFormatKind::Text, _) => Ok(TextForm::Any),
        (ResponseFormatKind::JsonObject, _) => Ok(TextForm::Object),
        (ResponseFormatKind::JsonSchema, Some(described)) => {
            Ok(described.schema.map_or(TextForm::Object, TextForm::Schema))
        }
        (ResponseFormatKind::JsonSchema, None) => {
            let message = "`response_format.json_schema` is absent; allowed: an object with `name` and `schema`";
            Err(ApiError::invalid("response_format.json_schema", message))
        }
    }
}
