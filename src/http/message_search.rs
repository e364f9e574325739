//! `/api/messages/search/`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::message_search::{self, MessageFilter};
use crate::app::App;
use crate::domain::error::FieldErrors;
use crate::domain::fulltext::MessageQuery;
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::text::{self, REQUIRED};
use crate::domain::time::Timestamp;
use crate::wire::chat_settings::NOT_A_TIME;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::message_search::{FoundMessageJson, FoundMessagePage};

use super::caller::Authenticated;
use super::errors::Result;
use super::pagination::{Paging, whole_number};

/// The longest query, in characters.
const QUERY_MAX: usize = 1_000;
const NOT_AN_INTEGER: &str = "A valid integer is required.";
const NOTHING_TO_FIND: &str = "Enter a word, a number or an emoji.";
/// The parameters that select what is listed.
const PARAMETERS: [&str; 6] = ["q", "chat", "sender", "after", "before", "has"];

/// Search messages
///
/// In all chats that you are a member of, newest first. All words must occur; the last one may be the beginning
/// of a word, and `"…"` is a phrase. Case, accents, width and compatibility forms do not matter. A new or edited
/// message is found within a second.
#[utoipa::path(
    get, path = "/api/messages/search/", tag = "messages", operation_id = "search_messages",
    params(
        ("q" = String, Query, min_length = 1, max_length = 1_000, example = "meow",
            description = "What to look for."),
        ("chat" = Option<i64>, Query, minimum = 1, description = "Only in this chat."),
        ("sender" = Option<i64>, Query, minimum = 1, description = "Only messages of this user."),
        ("after" = Option<String>, Query, format = DateTime,
            description = "Only messages that were sent after this time."),
        ("before" = Option<String>, Query, format = DateTime,
            description = "Only messages that were sent before this time."),
        ("has" = Option<String>, Query, pattern = "^attachment$", example = "attachment",
            description = "`attachment`: only messages with attachments."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of messages", body = FoundMessagePage),
        (status = 400, description = "A parameter is wrong, or `q` has nothing to search for", body = FieldTexts,
            example = json!({"q": ["Enter a word, a number or an emoji."]})),
        (status = 404, description = "You are not a member of `chat`, or the cursor does not belong to this list",
            body = Detail),
    )
)]
pub(super) async fn search(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let (chat, filter) = filter(&paging);
    let list = PARAMETERS.map(|name| paging.filter(name).unwrap_or_default());
    let list = format!("found messages {list:?}");
    let request = paging.request(&list, |id| id.parse().map(MessageId).ok());
    let page = message_search::search(&app, &caller, chat, filter, request, paging.size).await?;
    Ok(paging.envelope(&list, &page, MessageId::to_string, |found| {
        FoundMessageJson::of(&found.message, &found.highlights, &app.urls)
    }))
}

/// The filter, as far as it can be read, and the chat.
fn filter(paging: &Paging) -> (Option<ChatId>, Input<MessageFilter>) {
    let mut errors = FieldErrors::default();
    let query = query(paging).map_err(|text| errors.add("q", text)).ok();
    let chat = read(paging, "chat", whole_number, NOT_AN_INTEGER, &mut errors).map(ChatId);
    let sender = read(paging, "sender", whole_number, NOT_AN_INTEGER, &mut errors).map(UserId);
    let after = read(paging, "after", Timestamp::parse, NOT_A_TIME, &mut errors);
    let before = read(paging, "before", Timestamp::parse, NOT_A_TIME, &mut errors);
    let has = |text: &str| (text == "attachment").then_some(());
    let not_a_choice =
        format!("\"{}\" is not a valid choice.", paging.filter("has").unwrap_or_default());
    let has_attachments = read(paging, "has", has, &not_a_choice, &mut errors).is_some();
    (chat, Input { value: MessageFilter { query, sender, after, before, has_attachments }, errors })
}

fn query(paging: &Paging) -> Result<MessageQuery, String> {
    let text = paging.filter("q").ok_or_else(|| REQUIRED.to_owned())?;
    if text.chars().nth(QUERY_MAX).is_some() {
        return Err(text::too_long(QUERY_MAX));
    }
    MessageQuery::parse(text).ok_or_else(|| NOTHING_TO_FIND.to_owned())
}

fn read<T>(
    paging: &Paging,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
    wrong: &str,
    errors: &mut FieldErrors,
) -> Option<T> {
    let text = paging.filter(name)?;
    let value = read(text);
    if value.is_none() {
        errors.add(name, wrong);
    }
    value
}
