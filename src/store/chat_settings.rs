//! A member's own settings of a chat, which take versions of the account. They are read with the chat, too:
//! see `member_chats`.

use crate::domain::chat_settings::ChatSettings;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::AccountVersion;

use super::db::Tx;
use super::error::Result;
use super::query::Target;

/// The settings of a chat; `None` if the user is not a member.
pub async fn of(
    at: impl Into<Target<'_>>,
    chat: ChatId,
    user: UserId,
) -> Result<Option<ChatSettings>> {
    at.into()
        .query(
            "select muted_until, pinned, archived from members \
             where chat_id = $1 and user_id = $2",
        )
        .brief()
        .bind(chat)
        .bind(user)
        .optional()
        .await
}

/// Writes the settings of a chat, with the version that the account takes for it. False if the user is not a
/// member any more.
pub async fn update(
    tx: &mut Tx,
    chat: ChatId,
    user: UserId,
    settings: ChatSettings,
    version: AccountVersion,
) -> Result<bool> {
    let written = tx
        .query(
            "update members set muted_until = $3, pinned = $4, archived = $5, settings_version = $6 \
             where chat_id = $1 and user_id = $2",
        )
        .bind(chat)
        .bind(user)
        .bind(settings.muted_until)
        .bind(settings.pinned)
        .bind(settings.archived)
        .bind(version)
        .execute()
        .await?;
    Ok(written > 0)
}
