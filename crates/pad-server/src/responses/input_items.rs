//! `GET /v1/responses/{id}/input_items`: the conversation up to the answer, a page at a time.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use pad_api::{
    ErrorBody, InputItemList, InputItemPage, InputPart, ItemOrder, ObjectKind, ResponseStatus, Role, StoredItem,
};
use pad_text::Message;
use serde_json::Value;

use super::conversation::CALLS;
use super::stored;
use crate::ApiError;
use crate::auth::Caller;
use crate::generation::range::within;
use crate::state::Shared;

/// Items of a page where a request does not say.
const LIMIT: u64 = 20;
/// Items of a page that a request may ask for.
const MOST: u64 = 100;

/// List the input of a response, and the conversation that came before it.
#[utoipa::path(
    get, path = "/v1/responses/{id}/input_items", tag = "Responses", operation_id = "listInputItems",
    params(
        ("id" = String, Path, description = "The response's id."),
        ("after" = Option<String>, Query, description = "The id of the item after which the page starts."),
        ("limit" = Option<u64>, Query, description = "Items per page: 1 to 100; default 20."),
        ("order" = Option<ItemOrder>, Query, description = "The order; default `desc`."),
    ),
    responses(
        (status = 200, description = "The items.", body = InputItemList),
        (status = 400, description = "A value is wrong.", body = ErrorBody),
        (status = 404, description = "No such response is stored.", body = ErrorBody),
        (status = 503, description = "The database does not answer.", body = ErrorBody),
    )
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    page: Result<Query<InputItemPage>, QueryRejection>,
) -> Result<Json<InputItemList>, ApiError> {
    let Query(page) = page.map_err(|error| ApiError::invalid("query", error.body_text()))?;
    let limit = within("limit", page.limit.unwrap_or(LIMIT), &(1..=MOST))? as usize;
    let found = stored::find(&shared, &caller.scope(), &id).await?;
    let said = found.conversation.split_last().map_or(&[][..], |(_, said)| said);
    let mut items: Vec<StoredItem> = Vec::new();
    for message in said {
        add(&mut items, message, id.trim_start_matches("resp_"));
    }
    if page.order.unwrap_or_default() == ItemOrder::Desc {
        items.reverse();
    }
    let begin = match &page.after {
        None => 0,
        Some(after) => {
            1 + items.iter().position(|item| item.id() == after).ok_or_else(|| {
                ApiError::invalid("after", format!("`after` is `{after}`; allowed: the id of an item of this response"))
            })?
        }
    };
    let has_more = items.len() > begin + limit;
    let data: Vec<StoredItem> = items.into_iter().skip(begin).take(limit).collect();
    let end = |item: Option<&StoredItem>| item.map(|item| item.id().to_owned());
    Ok(Json(InputItemList {
        object: ObjectKind::List,
        first_id: end(data.first()),
        last_id: end(data.last()),
        has_more,
        data,
    }))
}

/// The items of a message: the text, then the calls. Their ids are the response's id with a number.
fn add(items: &mut Vec<StoredItem>, message: &Message, response: &str) {
    let status = ResponseStatus::Completed;
    let id = |kind: &str, items: &[StoredItem]| format!("{kind}_{response}_{}", items.len());
    let text = message.content.clone();
    let (role, part) = match message.role.as_str() {
        "tool" => {
            let call_id = string(message.extra.get("tool_call_id"));
            let id = id("fco", items);
            return items.push(StoredItem::FunctionCallOutput { id, status, call_id, output: text });
        }
        "assistant" => (Role::Assistant, InputPart::OutputText { text }),
        "system" => (Role::System, InputPart::InputText { text }),
        _ => (Role::User, InputPart::InputText { text }),
    };
    let calls = message.extra.get(CALLS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if calls.is_empty() || !message.content.is_empty() {
        let id = id("msg", items);
        items.push(StoredItem::Message { id, status, role, content: vec![part] });
    }
    for call in calls {
        let (id, function) = (id("fc", items), &call["function"]);
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            object => object.to_string(),
        };
        let (call_id, name) = (string(call.get("id")), string(function.get("name")));
        items.push(StoredItem::FunctionCall { id, status, call_id, name, arguments });
    }
}

fn string(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}
