//! A chat's settings, as only its member sees them.

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::chat_settings::{ChatSettings, SettingsChange};
use crate::domain::error::Result;
use crate::domain::time::Timestamp;

use super::fields::Fields;
use super::kinds::{Boolean, FieldKind, Text, text};
use super::visitor::{Visitor, describe};

/// A chat's settings, which only you see.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = ChatSettings)]
pub struct ChatSettingsJson {
    /// Until when you have muted the chat: it is muted while this is in the future.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    muted_until: Option<Timestamp>,
    /// Whether you have pinned it.
    pinned: bool,
    /// Whether you have archived it.
    archived: bool,
}

impl ChatSettingsJson {
    /// As their member sees them.
    pub fn of(settings: ChatSettings) -> Self {
        let ChatSettings { muted_until, pinned, archived } = settings;
        Self { muted_until, pinned, archived }
    }
}

/// Changes a chat's settings.
#[derive(Debug)]
pub struct UpdateChatSettings;

impl PartialSchema for UpdateChatSettings {
    fn schema() -> RefOr<Schema> {
        describe("Changes a chat's settings.", Self::visit)
    }
}

impl ToSchema for UpdateChatSettings {}

impl UpdateChatSettings {
    fn visit(body: &mut impl Visitor) -> SettingsChange {
        let until =
            "A time (RFC 3339), or `forever`. A time in the past unmutes the chat, as null does.";
        SettingsChange {
            muted_until: body.clearable("muted_until", until, MutedUntil),
            pinned: body.optional("pinned", "Whether it is pinned.", Boolean::default()),
            archived: body.optional("archived", "Whether it is archived.", Boolean::default()),
        }
    }

    /// Reads the body. No field has to be sent.
    pub fn parse(mut body: Fields) -> Result<SettingsChange> {
        let change = Self::visit(&mut body);
        body.finish(Some(change))
    }
}

/// DRF's `invalid` of `DateTimeField`.
pub const NOT_A_TIME: &str = "Datetime has wrong format. Use one of these formats instead: \
                          YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
const FOREVER: &str = "forever";

/// A time, `forever` or null.
struct MutedUntil;

impl MutedUntil {
    fn text() -> Text<impl FnOnce(String) -> Result<Option<Timestamp>, String>> {
        let read = |text: String| match text.as_str() {
            FOREVER => Ok(Some(ChatSettings::FOREVER)),
            time => Timestamp::parse(time).map(Some).ok_or_else(|| NOT_A_TIME.to_owned()),
        };
        text(read).example(FOREVER)
    }
}

impl FieldKind for MutedUntil {
    type Value = Option<Timestamp>;

    fn parse(self, value: Value) -> Result<Self::Value, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(_) => Self::text().parse(value),
            _ => Err(NOT_A_TIME.to_owned()),
        }
    }

    fn schema(&self, about: &str, nullable: bool) -> RefOr<Schema> {
        Self::text().schema(about, nullable)
    }
}
