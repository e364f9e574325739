//! What a client knows of its own account, and up to which version. Pure: `replica` gives it what the server sends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frames::Ready;
use crate::ids::{ChatId, UserId, Version};
use crate::types::{AccountDelta, ChatSettings, User, UserRef};

/// The own account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AccountReplica {
    user: Option<User>,
    version: Option<Version>,
    /// Something is missing that the sync in progress may not bring.
    #[serde(skip)]
    is_behind: bool,
    /// The version that the sync in progress names.
    #[serde(skip)]
    asked: Option<Option<Version>>,
    /// Settings that arrived as frames of this connection, with their versions: what a sync or a new chat brings may be
    /// older.
    #[serde(skip)]
    settings: BTreeMap<ChatId, (Version, ChatSettings)>,
    /// Blocks that arrived as frames, likewise.
    #[serde(skip)]
    blocks: BTreeMap<UserId, (Version, bool)>,
}

impl AccountReplica {
    /// The profile.
    pub(crate) fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Everything up to this version is known.
    pub(crate) fn version(&self) -> Option<Version> {
        self.version
    }

    /// Starts on a new connection. Returns whether a sync is needed.
    pub(crate) fn start(&mut self, ready: &Ready, has_chats: bool) -> bool {
        self.disconnected();
        self.user = Some(ready.user.clone());
        if self.version.is_none() && !has_chats {
            // The chats come with their read markers.
            self.version = Some(ready.account);
        }
        self.is_behind = self.version != Some(ready.account);
        self.is_behind
    }

    /// The version to name in a sync. Without one, chats that are known may have other read markers by now.
    pub(crate) fn ask(&mut self, has_chats: bool) -> Option<Version> {
        let named = self.version.or(has_chats.then_some(Version(0)));
        (self.is_behind, self.asked) = (false, Some(named));
        named
    }

    /// Applies the answer to a sync. `is_whole`: all of its chats are applied, too. Returns whether another one is
    /// needed.
    pub(crate) fn apply(&mut self, delta: &AccountDelta, is_whole: bool) -> bool {
        let asked = self.asked.take().flatten();
        if asked.is_some() && delta.more.is_none() {
            // The server has not reached the version that was named.
            self.version = Some(Version(0));
            self.is_behind = true;
            return true;
        }
        if let Some(user) = &delta.user {
            self.user = Some(user.clone());
        }
        if is_whole {
            self.version = self.version.max(Some(delta.version));
        }
        self.settings.retain(|_, (version, _)| *version > delta.version);
        self.blocks.retain(|_, (version, _)| *version > delta.version);
        self.is_behind |= delta.more == Some(true) || !is_whole;
        self.is_behind
    }

    /// A change arrived with this version. Everything before it has arrived, but others may have the same one.
    pub(crate) fn receive(&mut self, version: Version) {
        if !self.is_behind && self.asked.is_none() {
            self.version = self.version.max(Some(version.previous()));
        }
    }

    /// The settings of a chat changed.
    pub(crate) fn set(&mut self, chat: ChatId, version: Version, settings: ChatSettings) {
        self.settings.insert(chat, (version, settings));
        self.receive(version);
    }

    /// The settings of a chat that arrived as a frame, if that is newer than what else is known.
    pub(crate) fn newer_settings(&self, chat: ChatId) -> Option<ChatSettings> {
        self.settings.get(&chat).map(|(_, settings)| *settings)
    }

    /// The user blocked or unblocked another one.
    pub(crate) fn block(&mut self, user: UserId, version: Version, blocked: bool) {
        self.blocks.insert(user, (version, blocked));
        self.receive(version);
    }

    /// The block of a user that arrived as a frame, if that is newer than what else is known.
    pub(crate) fn newer_block(&self, user: UserId) -> Option<bool> {
        self.blocks.get(&user).map(|(_, blocked)| *blocked)
    }

    /// A chat is gone, and with it the settings.
    pub(crate) fn forget_settings(&mut self, chat: ChatId) {
        self.settings.remove(&chat);
    }

    /// Names or avatar of the user changed.
    pub(crate) fn rename(&mut self, new: &UserRef) {
        if let Some(user) = &mut self.user {
            user.username.clone_from(&new.username);
            user.first_name.clone_from(&new.first_name);
            user.last_name.clone_from(&new.last_name);
            user.avatar.clone_from(&new.avatar);
        }
    }

    /// Changes were dropped, which the sync in progress may not bring.
    pub(crate) fn miss(&mut self) {
        self.is_behind = true;
    }

    /// The sync in progress failed.
    pub(crate) fn fall_behind(&mut self) {
        (self.is_behind, self.asked) = (true, None);
    }

    /// The connection is lost.
    pub(crate) fn disconnected(&mut self) {
        (self.is_behind, self.asked) = (false, None);
        self.settings.clear();
        self.blocks.clear();
    }

    /// The version belongs to another epoch.
    pub(crate) fn forget_version(&mut self) {
        self.version = None;
        self.disconnected();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(version: i64) -> AccountReplica {
        AccountReplica { version: Some(Version(version)), ..AccountReplica::default() }
    }

    fn delta(version: i64, more: Option<bool>) -> AccountDelta {
        AccountDelta { version: Version(version), more, ..AccountDelta::default() }
    }

    #[test]
    fn a_frame_says_that_everything_before_its_version_has_arrived() {
        let mut account = account(4);
        account.receive(Version(5));
        assert_eq!(account.version(), Some(Version(4)), "others may have version 5, too");
        account.receive(Version(7));
        account.receive(Version(6));
        assert_eq!(account.version(), Some(Version(6)));
    }

    #[test]
    fn a_frame_proves_nothing_while_something_is_missing() {
        let mut account = account(4);
        account.miss();
        account.receive(Version(9));
        assert_eq!(account.ask(true), Some(Version(4)));
        account.receive(Version(10));
        assert!(account.apply(&delta(8, Some(true)), true), "there is more");
        account.receive(Version(11));
        assert_eq!((account.version(), account.ask(true)), (Some(Version(8)), Some(Version(8))));
        account.miss();
        assert!(account.apply(&delta(11, Some(false)), true), "dropped since the question");
        account.ask(true);
        assert!(!account.apply(&delta(11, Some(false)), true));
        account.receive(Version(13));
        assert_eq!(account.version(), Some(Version(12)));
    }

    #[test]
    fn a_version_that_the_server_has_not_reached_starts_over() {
        let mut ahead = account(9);
        ahead.miss();
        ahead.ask(true);
        assert!(ahead.apply(&delta(3, None), true));
        assert_eq!(ahead.ask(true), Some(Version(0)));
        assert!(!ahead.apply(&delta(3, Some(false)), true));
        assert_eq!(ahead.version(), Some(Version(3)));
        // A replica that was stored before there were versions.
        assert_eq!(AccountReplica::default().ask(true), Some(Version(0)));
    }
}
