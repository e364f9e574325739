//! Catching up: the versions that a client has, and what changed since.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use crate::domain;
use crate::domain::error::Result;
use crate::domain::ids::ChatId;
use crate::domain::sync::Known;
use crate::domain::urls::Urls;

use super::chats::Chat;
use super::fields::Fields;
use super::messages::Message;

/// What is new to a client.
#[derive(Serialize, ToSchema)]
pub struct Changes<'a> {
    /// The present epoch.
    epoch: &'a str,
    changes: Vec<Change<'a>>,
    /// The chats that were named and are not one's own.
    #[schema(value_type = Vec<i64>)]
    gone: &'a [ChatId],
    /// Whether anything is missing, be it chats that are left out or messages of one that is here: ask
    /// again with the versions that one has now.
    more: bool,
}

/// A chat that is newer than what the client has.
#[derive(Serialize, ToSchema)]
pub struct Change<'a> {
    chat: Chat<'a>,
    /// Those of a later version, in version order.
    messages: Vec<Message<'a>>,
    /// Whether there are more than fitted: ask again with the version of the last one that came.
    more: bool,
}

impl<'a> Changes<'a> {
    /// As the one who asked sees them.
    pub fn of(found: &'a domain::sync::Changes, urls: &Urls) -> Self {
        let change = |change: &'a domain::sync::Change| Change {
            chat: Chat::of(&change.chat, urls),
            messages: change.messages.iter().map(|message| Message::of(message, urls)).collect(),
            more: change.more,
        };
        Self {
            epoch: &found.epoch,
            changes: found.changes.iter().map(change).collect(),
            gone: &found.gone,
            more: found.more,
        }
    }
}

/// Asks what changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Sync {
    /// The version that one has of each chat, by the chat's id.
    #[schema(schema_with = numbers_by_id)]
    versions: HashMap<String, i64>,
    /// The epoch that these versions are of.
    epoch: Option<String>,
    /// Most messages in the answer, 500 by default.
    #[schema(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<i64>,
}

impl Sync {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Known> {
        let versions = body.versions("versions");
        let epoch = body.nullable("epoch", Ok);
        let limit = body.integer("limit", 1, 1_000).unwrap_or(Known::LIMIT);
        body.finish(versions.map(|versions| Known { versions, epoch, limit }))
    }
}

/// An object of whole numbers by id, as the schema shows it.
pub(super) fn numbers_by_id() -> Object {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,18}$"));
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    let numbers = ObjectBuilder::new().property_names(Some(id)).additional_properties(Some(number));
    numbers.examples([json!({"3": 17})]).build()
}
