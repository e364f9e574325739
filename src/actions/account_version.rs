//! What changed in an account since a client last asked: the account's part of a sync.

use crate::app::App;
use crate::domain::account_version::{AccountChanges, AccountDelta, CHATS_MAX, ChatState};
use crate::domain::error::{Error, Result};
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;
use crate::store::account_version::{self, AccountPosition};
use crate::store::users;

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
    let (chats, reached) = whole_versions(chats);
    let more = reached.is_some();
    let version = reached.unwrap_or(version);
    Ok(AccountDelta { version, changes: Some(AccountChanges { user, chats, more }) })
}

/// Cuts a list that is too long between two versions, so that the version reached can be named.
fn whole_versions(mut chats: Vec<ChatState>) -> (Vec<ChatState>, Option<AccountVersion>) {
    if chats.len() <= CHATS_MAX {
        return (chats, None);
    }
    let cut = chats[CHATS_MAX].changed;
    chats.truncate(CHATS_MAX);
    chats.retain(|chat| chat.changed < cut);
    let reached = chats.last().map(|chat| chat.changed);
    (chats, reached)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let (all, reached) = whole_versions((0..CHATS_MAX).map(chat).collect());
        assert_eq!((all.len(), reached), (CHATS_MAX, None));
        let (cut, reached) = whole_versions((0..=CHATS_MAX).map(chat).collect());
        assert_eq!((cut.len(), reached), (800, Some(AccountVersion(1))));
    }
}
