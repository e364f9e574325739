//! Catching up: the versions that a client has, and what changed since.

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
use super::chats::Chat;
use super::fields::Fields;
use super::kinds::{Integer, VersionsByChat, text};
use super::messages::Message;
use super::visitor::{Visitor, describe};

/// The largest `limit`.
pub(super) const LIMIT_MAX: i64 = 1_000;

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
    account: AccountSync<'a>,
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

impl ToSchema for Sync {}

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
