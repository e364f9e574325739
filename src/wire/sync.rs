//! Sync: the versions that a client has, and what has changed since.

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain;
use crate::domain::error::Result;
use crate::domain::ids::ChatId;
use crate::domain::numbering::AccountVersion;
use crate::domain::sync::{Known, Versions};
use crate::domain::urls::Urls;

use super::account_version::AccountSync;
use super::chats::ChatJson;
use super::fields::Fields;
use super::kinds::{Integer, VersionsByChat, text};
use super::messages::MessageJson;
use super::visitor::{Visitor, describe};

/// The largest `limit`.
pub(super) const LIMIT_MAX: i64 = 1_000;

/// What changed since the versions of a client.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncResult)]
pub struct ChangesJson<'a> {
    /// The current epoch.
    epoch: &'a str,
    /// The chats with a later version than yours.
    changes: Vec<ChangeJson<'a>>,
    /// The chats of the request that you are not a member of.
    #[schema(value_type = Vec<i64>)]
    gone: &'a [ChatId],
    /// Whether anything is left out, chats or messages of a chat: ask again, with the versions that
    /// you have now.
    more: bool,
    account: AccountSync<'a>,
}

/// A chat that changed.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatChanges)]
pub struct ChangeJson<'a> {
    chat: ChatJson<'a>,
    /// The messages that changed, in the order of their versions.
    messages: Vec<MessageJson<'a>>,
    /// Whether messages are left out: ask again, with the version of the last one here.
    more: bool,
}

impl<'a> ChangesJson<'a> {
    /// As the user who asked sees them.
    pub fn of(found: &'a domain::sync::Changes, urls: &Urls) -> Self {
        let change = |change: &'a domain::sync::ChatDelta| ChangeJson {
            chat: ChatJson::of(&change.chat, urls),
            messages: change
                .messages
                .iter()
                .map(|message| MessageJson::of(message, urls))
                .collect(),
            more: change.more,
        };
        Self {
            epoch: &found.epoch,
            changes: found.changes.iter().map(change).collect(),
            gone: &found.gone,
            more: found.more,
            account: AccountSync::of(&found.account, urls),
        }
    }
}

/// Asks what changed.
#[derive(Debug)]
pub struct Sync {
    versions: Option<Versions>,
    epoch: Option<String>,
    limit: Option<i64>,
    account: Option<i64>,
}

impl PartialSchema for Sync {
    fn schema() -> RefOr<Schema> {
        describe("Asks what changed.", Self::visit)
    }
}

impl ToSchema for Sync {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((
            VersionsByChat::name().into_owned(),
            <VersionsByChat as PartialSchema>::schema(),
        ));
    }
}

impl Sync {
    /// Lists the fields.
    pub(super) fn visit(body: &mut impl Visitor) -> Self {
        Self {
            versions: body.required(
                "versions",
                "The version that you have of each chat, by the chat's id.",
                VersionsByChat,
            ),
            epoch: body.nullable("epoch", "The epoch that these versions belong to.", text(Ok)),
            limit: body.optional(
                "limit",
                "The most messages in the answer, 500 by default.",
                Integer { min: 1, max: LIMIT_MAX },
            ),
            account: body.optional(
                "account",
                "The version that you have of your account: the answer has what changed since.",
                Integer { min: 0, max: i64::MAX },
            ),
        }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Known> {
        let Self { versions, epoch, limit, account } = Self::visit(&mut body);
        let limit = limit.unwrap_or(Known::LIMIT);
        let account = account.map(AccountVersion);
        body.finish(versions.map(|versions| Known { versions, epoch, limit, account }))
    }
}
