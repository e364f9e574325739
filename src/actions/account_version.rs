//! What changed in an account since a client last asked: the account's part of a sync.

use crate::app::App;
use crate::domain::account_version::{AccountChanges, AccountDelta, CHATS_MAX};
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;
use crate::store::account_version::{self, AccountPosition};
use crate::store::{blocks, users};

use super::profiles;

/// What changed after `known`. An answer without changes has only the version: the client named none, or one
/// that this account has not reached.
pub async fn changes(
    app: &App,
    me: UserId,
    at: &AccountPosition,
    known: Option<AccountVersion>,
) -> Result<AccountDelta> {
    let version = at.account_version;
    let Some(known) = known.filter(|known| *known <= version) else {
        return Ok(AccountDelta { version, changes: None });
    };
    if known == version {
        return Ok(AccountDelta { version, changes: Some(AccountChanges::default()) });
    }
    let user = if at.profile_version > known {
        let user = users::by_id(&app.db, me).await?.ok_or(Error::NotFound)?;
        Some(profiles::profile(app, user).await?)
    } else {
        None
    };
    let chats = account_version::chats_since(&app.db, me, known, CHATS_MAX + 1).await?;
    let blocks = blocks::since(&app.db, me, known, CHATS_MAX + 1).await?;
    let mut changes = AccountChanges { user, chats, blocks, more: false };
    let version = whole_versions(&mut changes).unwrap_or(version);
    Ok(AccountDelta { version, changes: Some(changes) })
}

/// Cuts lists of which one is too long between two versions, so that the version reached can be named.
fn whole_versions(changes: &mut AccountChanges) -> Option<AccountVersion> {
    let AccountChanges { chats, blocks, more, .. } = changes;
    let chat = chats.get(CHATS_MAX).map(|chat| chat.changed);
    let block = blocks.get(CHATS_MAX).map(|block| block.account_version);
    let cut = chat.into_iter().chain(block).min()?;
    chats.retain(|chat| chat.changed < cut);
    blocks.retain(|block| block.account_version < cut);
    *more = true;
    Some(AccountVersion(cut.0 - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account_version::ChatState;
    use crate::domain::blocks::BlockState;
    use crate::domain::chat_settings::ChatSettings;
    use crate::domain::ids::ChatId;
    use crate::domain::numbering::Seq;

    #[test]
    fn a_long_list_is_cut_between_versions() {
        let chat = |n: usize| ChatState {
            chat: ChatId(1),
            changed: AccountVersion(i64::try_from(n / 400).expect("small")),
            account_version: AccountVersion(0),
            settings_version: AccountVersion(0),
            last_delivered_seq: Seq(1),
            last_read_seq: Seq(1),
            unread_count: 0,
            unread_mentions: 0,
            settings: ChatSettings::default(),
        };
        let block = |n: i64| BlockState {
            target: UserId(n),
            active: true,
            account_version: AccountVersion(n),
        };
        let cut = |chats: usize, blocks: i64| {
            let (chats, blocks) =
                ((0..chats).map(chat).collect(), (1..=blocks).map(block).collect());
            let mut changes = AccountChanges { chats, blocks, ..AccountChanges::default() };
            let reached = whole_versions(&mut changes);
            assert_eq!(changes.more, reached.is_some());
            (changes.chats.len(), changes.blocks.len(), reached.map(|version| version.0))
        };
        assert_eq!(cut(CHATS_MAX, 1), (CHATS_MAX, 1, None));
        assert_eq!(cut(CHATS_MAX + 1, 5), (800, 1, Some(1)));
        assert_eq!(cut(7, 1_001), (7, 1_000, Some(1_000)));
    }
}
