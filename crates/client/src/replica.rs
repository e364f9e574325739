//! What a client knows, as a pure state machine: it takes the server's frames, returns events, and
//! asks for a sync when something is missing. It must do no I/O and read no clock. Whatever is lost,
//! repeated or reordered on the way, it converges to the server's state once it has synced.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use serde::{Deserialize, Serialize};

use crate::account_replica::AccountReplica;
use crate::chat_replica::ChatReplica;
use crate::events::{Event, Resynced};
use crate::frames::{Change, Frame, Ready, Signal};
use crate::ids::{ChatId, UserId, Version};
use crate::types::{Chat, ChatDelta, ChatState, Member, Message, SyncRequest, SyncResponse, User};

/// The most changes of a chat that are buffered behind a gap. More are dropped: the sync brings
/// them.
const MAX_BUFFERED: usize = 1_000;

/// One user's chats. It can be stored, and continued later.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Replica {
    me: Option<UserId>,
    epoch: Option<String>,
    chats: BTreeMap<ChatId, ChatReplica>,
    #[serde(default)]
    account: AccountReplica,
    #[serde(skip)]
    gaps: Gaps,
}

/// What is missing, and what waits for it. Valid for one connection only.
#[derive(Clone, Debug, Default)]
struct Gaps {
    /// Something is missing that the sync in progress may not bring.
    needs_sync: bool,
    /// A sync was sent and is not answered.
    syncing: bool,
    /// Chats joined or left since the sync was sent: its answer may predate that.
    stale: BTreeSet<ChatId>,
    /// Chats that changed since the sync was sent: its unread counts do not include that.
    changed: BTreeSet<ChatId>,
    /// Changes behind a gap, by chat and version.
    buffered: BTreeMap<ChatId, BTreeMap<Version, Change>>,
}

impl Replica {
    /// Your user id, after the first connection.
    pub fn me(&self) -> Option<UserId> {
        self.me
    }

    /// Your profile, after the first connection.
    pub fn user(&self) -> Option<&User> {
        self.account.user()
    }

    /// The version of your account up to which everything is known.
    pub fn account_version(&self) -> Option<Version> {
        self.account.version()
    }

    /// One chat.
    pub fn chat(&self, id: ChatId) -> Option<&ChatReplica> {
        self.chats.get(&id)
    }

    /// All chats, by id.
    pub fn chats(&self) -> &BTreeMap<ChatId, ChatReplica> {
        &self.chats
    }

    /// Whether nothing is known to be missing.
    pub fn is_up_to_date(&self) -> bool {
        let Gaps { needs_sync, syncing, buffered, .. } = &self.gaps;
        !needs_sync && !syncing && buffered.is_empty()
    }

    /// Merges messages that were read over REST. Those of unknown chats are ignored.
    pub fn merge_messages(&mut self, messages: &[Message]) {
        for message in messages {
            if let Some(chat) = self.chats.get_mut(&message.chat) {
                chat.merge_message(message.clone());
            }
        }
    }

    /// Merges members that were read over REST.
    pub fn merge_members(&mut self, chat: ChatId, members: &[Member]) {
        if let Some(chat) = self.chats.get_mut(&chat) {
            chat.merge_members(members);
        }
    }

    /// Applies a frame and returns its events.
    pub fn apply(&mut self, frame: Frame) -> Vec<Event> {
        match frame {
            Frame::Ready(ready) => self.start(ready),
            Frame::Change(change) => self.receive_change(change),
            Frame::ChatCreated(chat) => self.join(chat),
            Frame::ChatDeleted(chat) => {
                self.gaps.stale.insert(chat);
                self.leave(chat).into_iter().collect()
            }
            Frame::Resync(_) => {
                self.gaps.needs_sync = true;
                self.account.miss();
                Vec::new()
            }
            Frame::Signal(signal) => {
                self.receive_signal(&signal);
                vec![Event::Signal(signal)]
            }
            Frame::Ack(..) | Frame::Error(..) | Frame::Other => Vec::new(),
        }
    }

    /// The next sync request, if one is needed. [`Self::apply_sync`], [`Self::sync_failed`] or
    /// [`Self::disconnected`] must follow: there is one sync at a time.
    pub fn next_sync(&mut self) -> Option<SyncRequest> {
        if !self.needs_sync() {
            return None;
        }
        (self.gaps.needs_sync, self.gaps.syncing) = (false, true);
        self.gaps.stale.clear();
        self.gaps.changed.clear();
        let account = self.account.ask(!self.chats.is_empty());
        let versions = self.chats.iter().map(|(id, chat)| (*id, chat.version())).collect();
        Some(SyncRequest { versions, epoch: self.epoch.clone(), limit: None, account })
    }

    /// Whether [`Self::next_sync`] has a request.
    pub fn needs_sync(&self) -> bool {
        self.gaps.needs_sync && !self.gaps.syncing
    }

    /// Applies the answer to a sync and returns its events. Another sync may be needed afterwards.
    pub fn apply_sync(&mut self, response: SyncResponse) -> Vec<Event> {
        self.gaps.syncing = false;
        let stale = mem::take(&mut self.gaps.stale);
        let mut events = self.adopt_epoch(response.epoch);
        if !events.is_empty() {
            // The request named versions of another history. Ask for all chats instead.
            self.gaps.needs_sync = true;
            return events;
        }
        self.gaps.needs_sync |= response.more || !stale.is_empty();
        // Before the chats, which were read later.
        if let Some(delta) = response.account {
            let is_applied = |state: &ChatState| {
                let is_brought = |change: &ChatDelta| change.chat.id == state.chat;
                let is_known = self.chats.contains_key(&state.chat);
                let is_known = is_known || response.changes.iter().any(is_brought);
                is_known && !stale.contains(&state.chat)
            };
            let is_whole = delta.chats.iter().all(is_applied);
            self.gaps.needs_sync |= self.account.apply(&delta, is_whole);
            for state in &delta.blocks {
                let newer = self.account.newer_block(state.user);
                self.set_blocked(state.user, newer.unwrap_or(state.blocked));
            }
            for state in delta.chats.iter().filter(|state| !stale.contains(&state.chat)) {
                let is_exact = !self.gaps.changed.contains(&state.chat);
                if let Some(chat) = self.chats.get_mut(&state.chat) {
                    chat.apply_state(state, is_exact);
                    self.account
                        .newer_settings(state.chat)
                        .into_iter()
                        .for_each(|newer| chat.set(newer));
                }
            }
        }
        for chat in response.gone.into_iter().filter(|chat| !stale.contains(chat)) {
            events.extend(self.leave(chat));
        }
        for delta in response.changes {
            if !stale.contains(&delta.chat.id) {
                events.extend(self.apply_delta(delta));
            }
        }
        // Drop what was buffered for chats that are still unknown.
        let Self { chats, gaps, .. } = self;
        gaps.buffered.retain(|chat, _| chats.contains_key(chat) || stale.contains(chat));
        // What is still buffered lies behind a gap that this sync has not filled.
        gaps.needs_sync |= !gaps.buffered.is_empty();
        events
    }

    /// The sync failed: another one is needed.
    pub fn sync_failed(&mut self) {
        (self.gaps.needs_sync, self.gaps.syncing) = (true, false);
        self.account.fall_behind();
    }

    /// The connection is lost, and with it the sync in progress and everything buffered.
    pub fn disconnected(&mut self) {
        self.gaps = Gaps::default();
        self.account.disconnected();
    }

    fn receive_signal(&mut self, signal: &Signal) {
        let profile = match signal {
            Signal::Receipt { chat, user, markers, account } => {
                match self.chats.get_mut(chat) {
                    Some(chat) => chat.move_markers(*user, *markers, Some(*user) == self.me),
                    None if account.is_some() => {
                        // The sync in progress, or another node, may bring the chat as it was before.
                        self.gaps.needs_sync = true;
                        self.account.miss();
                    }
                    None => {}
                }
                account.iter().for_each(|version| self.account.receive(*version));
                None
            }
            Signal::ChatSettings { chat, account, settings } => {
                if let Some(chat) = self.chats.get_mut(chat) {
                    chat.set(*settings);
                }
                self.account.set(*chat, *account, *settings);
                None
            }
            Signal::BlockUpdated { user, blocked, account } => {
                self.set_blocked(*user, *blocked);
                self.account.block(*user, *account, *blocked);
                None
            }
            Signal::UserUpdated { user, account } => {
                if account.is_some() {
                    self.account.rename(user);
                }
                *account
            }
            Signal::Presence(presence) => presence.account,
            Signal::Typing { .. } => None,
        };
        if let Some(version) = profile.filter(|version| Some(*version) > self.account.version()) {
            self.account.receive(version);
            // The frame has only a part of the profile.
            self.gaps.needs_sync = true;
        }
    }

    fn start(&mut self, ready: Ready) -> Vec<Event> {
        self.gaps = Gaps::default();
        self.me = Some(ready.user.id);
        let mut events = self.adopt_epoch(ready.epoch.clone());
        // A chat that the server has at an earlier version is not the chat that is known.
        let exists = |(id, chat): (&ChatId, &ChatReplica)| {
            ready.versions.get(id).is_some_and(|version| *version >= chat.version())
        };
        let gone: Vec<_> =
            self.chats.iter().filter(|entry| !exists(*entry)).map(|(id, _)| *id).collect();
        events.extend(gone.into_iter().filter_map(|chat| self.leave(chat)));
        let account_changed = self.account.start(&ready, !self.chats.is_empty());
        self.gaps.needs_sync = account_changed
            || ready.versions.iter().any(|(chat, version)| self.version(*chat) != Some(*version));
        events.insert(0, Event::Ready(ready));
        events
    }

    /// Applies a change if it is the next one, ignores a repeated one, and buffers one behind a gap.
    fn receive_change(&mut self, change: Change) -> Vec<Event> {
        let (chat, version) = (change.chat(), change.version());
        match self.version(chat) {
            Some(known) if version <= known => Vec::new(),
            Some(known) if version == known.next() => {
                let mut events = vec![self.apply_change(change)];
                events.extend(self.apply_buffered(chat));
                events
            }
            _ => {
                let buffered = self.gaps.buffered.entry(chat).or_default();
                let fits = buffered.len() < MAX_BUFFERED;
                if fits {
                    buffered.insert(version, change);
                }
                // A sync in progress may fill the gap. If it does not, `apply_sync` asks again.
                self.gaps.needs_sync |= !self.gaps.syncing || !fits;
                Vec::new()
            }
        }
    }

    fn apply_change(&mut self, change: Change) -> Event {
        self.gaps.changed.insert(change.chat());
        if let Some(chat) = self.chats.get_mut(&change.chat()) {
            chat.apply(&change);
        }
        Event::Change(change)
    }

    /// Applies the buffered changes that are next, and drops those that are already known.
    fn apply_buffered(&mut self, chat: ChatId) -> Vec<Event> {
        let Some(mut buffered) = self.gaps.buffered.remove(&chat) else { return Vec::new() };
        let mut events = Vec::new();
        let mut version = self.version(chat).unwrap_or_default();
        while let Some(next) = buffered.remove(&version.next()) {
            events.push(self.apply_change(next));
            version = version.next();
        }
        let behind_gap = buffered.split_off(&version.next());
        if !behind_gap.is_empty() {
            self.gaps.needs_sync |= !self.gaps.syncing;
            self.gaps.buffered.insert(chat, behind_gap);
        }
        events
    }

    fn join(&mut self, chat: Chat) -> Vec<Event> {
        let (id, chat) = (chat.id, self.with_newer(chat));
        self.gaps.stale.insert(id);
        match self.version(id) {
            None => {
                self.chats.insert(id, ChatReplica::new(chat.clone(), self.me));
                let mut events = vec![Event::ChatCreated(chat)];
                events.extend(self.apply_buffered(id));
                events
            }
            Some(version) => {
                // You left and rejoined. A sync brings what happened in between.
                self.gaps.needs_sync |= version < chat.version;
                Vec::new()
            }
        }
    }

    /// A chat that a sync or a frame brought, with what arrived meanwhile.
    fn with_newer(&self, chat: Chat) -> Chat {
        let settings = self.account.newer_settings(chat.id).unwrap_or(chat.settings);
        let newer_block = chat.peer.as_ref().and_then(|peer| self.account.newer_block(peer.id));
        Chat { settings, blocked: newer_block.unwrap_or(chat.blocked), ..chat }
    }

    /// You block the other user of a private chat, or do not any more.
    fn set_blocked(&mut self, user: UserId, blocked: bool) {
        let with_user =
            |chat: &&mut ChatReplica| chat.chat().peer.as_ref().is_some_and(|peer| peer.id == user);
        self.chats.values_mut().filter(with_user).for_each(|chat| chat.set_blocked(blocked));
    }

    fn leave(&mut self, chat: ChatId) -> Option<Event> {
        self.gaps.buffered.remove(&chat);
        self.account.forget_settings(chat);
        self.chats.remove(&chat).map(|_| Event::ChatDeleted(chat))
    }

    /// Brings a chat to the state in a sync's answer.
    fn apply_delta(&mut self, delta: ChatDelta) -> Vec<Event> {
        let ChatDelta { chat, mut messages, more } = delta;
        let (id, chat) = (chat.id, self.with_newer(chat));
        let from = self.version(id).unwrap_or_default();
        // The server reads messages after the chat, so one may be newer than the chat: it arrives as
        // a change.
        let newer = messages.iter().position(|message| message.version > chat.version);
        let more = more && newer.is_none();
        messages.truncate(newer.unwrap_or(messages.len()));
        messages.retain(|message| message.version > from);
        let last = messages.last().map(|message| message.version);
        let to = if more { last.unwrap_or(from) } else { chat.version };
        self.gaps.needs_sync |= more;
        if to <= from {
            return Vec::new();
        }
        let me = self.me;
        let known = self.chats.entry(id).or_insert_with(|| ChatReplica::new(chat.clone(), me));
        messages.iter().for_each(|message| known.merge_message(message.clone()));
        known.replace_chat(&chat, to);
        let mut events = vec![Event::Resynced(Resynced { from, to, chat, messages })];
        events.extend(self.apply_buffered(id));
        events
    }

    fn adopt_epoch(&mut self, epoch: String) -> Vec<Event> {
        match self.epoch.replace(epoch) {
            Some(old) if self.epoch.as_ref() != Some(&old) => {
                self.chats.clear();
                self.gaps.buffered.clear();
                self.account.forget_version();
                vec![Event::EpochChanged]
            }
            _ => Vec::new(),
        }
    }

    fn version(&self, chat: ChatId) -> Option<Version> {
        self.chats.get(&chat).map(ChatReplica::version)
    }
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
