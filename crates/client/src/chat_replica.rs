//! What a client knows about one chat: the chat itself, its newest messages, and the members it has
//! received. It expects changes in version order; keeping that order is the task of `replica`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frames::Change;
use crate::ids::{Seq, UserId, Version};
use crate::types::{Chat, ChatSettings, ChatState, Markers, Member, Message, Role};

/// A chat as the client knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatReplica {
    chat: Chat,
    version: Version,
    messages: BTreeMap<Seq, Message>,
    complete_from: Seq,
    markers: BTreeMap<UserId, Markers>,
    roles: BTreeMap<UserId, Role>,
    #[serde(default)]
    me: Option<UserId>,
}

impl ChatReplica {
    pub(crate) fn new(chat: Chat, me: Option<UserId>) -> Self {
        let messages: BTreeMap<_, _> =
            chat.last_message.iter().map(|message| (message.seq, message.clone())).collect();
        let complete_from = messages.keys().next().copied().unwrap_or(chat.last_seq.next());
        let (markers, roles) = (BTreeMap::new(), BTreeMap::new());
        let mut replica =
            Self { version: chat.version, chat, messages, complete_from, markers, roles, me };
        let members = replica.chat.members.take();
        replica.merge_members(&members.unwrap_or_default());
        replica
    }

    /// The chat, with its changes applied. `unread_count` and `unread_mentions` may be wrong after a
    /// change of an unread message that the replica does not hold.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// The version up to which changes are applied. While a sync is in progress, [`Self::chat`] may
    /// be newer.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The known messages by `seq`, including tombstones.
    pub fn messages(&self) -> &BTreeMap<Seq, Message> {
        &self.messages
    }

    /// Every message from this `seq` on is known. Some older ones may be.
    pub fn complete_from(&self) -> Seq {
        self.complete_from
    }

    /// The markers of members by user id, as far as the client has received them.
    pub fn markers(&self) -> &BTreeMap<UserId, Markers> {
        &self.markers
    }

    /// The roles of members by user id, as far as the client has received them.
    pub fn roles(&self) -> &BTreeMap<UserId, Role> {
        &self.roles
    }

    /// Stores a message unless a newer state of it is known.
    pub(crate) fn merge_message(&mut self, message: Message) {
        let seq = message.seq;
        if Some(seq) < self.chat.first_seq {
            return;
        }
        let known = self.messages.get(&seq);
        if known.is_none_or(|known| known.version <= message.version) {
            self.messages.insert(seq, message);
        }
        while self.messages.contains_key(&(self.complete_from.previous())) {
            self.complete_from = self.complete_from.previous();
        }
    }

    pub(crate) fn merge_members(&mut self, members: &[Member]) {
        for member in members {
            self.roles.insert(member.user.id, member.role);
            self.move_markers(member.user.id, member.markers, false);
        }
    }

    /// Replaces the chat after a sync, which brings it to `version`.
    pub(crate) fn replace_chat(&mut self, chat: &Chat, version: Version) {
        let read = self.chat.last_read_seq;
        self.chat = Chat { members: None, ..chat.clone() };
        self.version = version;
        self.drop_removed();
        // A receipt may have been faster than the answer.
        self.move_read_marker(read);
    }

    /// Takes the settings, a read marker and the unread count that belongs to it from a sync. `is_exact`: no change
    /// arrived since it was read.
    pub(crate) fn apply_state(&mut self, state: &ChatState, is_exact: bool) {
        self.chat.settings = state.settings;
        if state.last_read_seq < self.chat.last_read_seq {
            return;
        }
        self.move_read_marker(state.last_read_seq);
        if is_exact {
            self.chat.unread_count = state.unread_count;
            self.chat.unread_mentions = state.unread_mentions;
        }
    }

    pub(crate) fn set(&mut self, settings: ChatSettings) {
        self.chat.settings = settings;
    }

    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        self.chat.blocked = blocked;
    }

    /// Applies the next change.
    pub(crate) fn apply(&mut self, change: &Change) {
        let me = self.me;
        self.version = change.version();
        if self.version <= self.chat.version {
            // `chat` already includes this change; only the message may be missing.
            if let Some(message) = change.message() {
                self.merge_message(message.clone());
            }
            return;
        }
        self.chat.version = self.version;
        match change {
            Change::MessageCreated { message, .. } => {
                let chat = &mut self.chat;
                chat.last_seq = chat.last_seq.max(message.seq);
                let sender = message.sender.id;
                if Some(sender) == me {
                    let markers =
                        Markers { last_delivered_seq: message.seq, last_read_seq: message.seq };
                    self.move_markers(sender, markers, true);
                } else {
                    chat.unread_count += 1;
                }
                self.update_message(message, Some(false));
            }
            Change::MessageUpdated { message, .. } => self.update_message(message, None),
            Change::MessageDeleted { message, .. } => {
                if Some(message.sender.id) != me && message.seq > self.chat.last_read_seq {
                    self.chat.unread_count = (self.chat.unread_count - 1).max(0);
                }
                self.update_message(message, None);
            }
            Change::MessagesRemoved { first_seq, .. } => {
                self.chat.first_seq = self.chat.first_seq.max(Some(*first_seq));
                self.drop_removed();
                self.count_after(self.chat.last_read_seq);
            }
            Change::ChatUpdated { name, description, avatar, .. } => {
                self.chat.name.clone_from(name);
                self.chat.description.clone_from(description);
                self.chat.avatar.clone_from(avatar);
            }
            Change::MemberJoined { member, .. } => {
                self.chat.members_count += 1;
                self.markers.insert(member.user.id, member.markers);
                self.roles.insert(member.user.id, member.role);
            }
            Change::MemberUpdated { member, .. } => {
                self.roles.insert(member.user.id, member.role);
                if Some(member.user.id) == me {
                    self.chat.my_role = member.role;
                }
            }
            Change::MemberLeft { member, .. } => {
                self.chat.members_count -= 1;
                self.markers.remove(&member.user.id);
                self.roles.remove(&member.user.id);
            }
        }
    }

    /// Moves a member's markers. They only move forward.
    pub(crate) fn move_markers(&mut self, user: UserId, markers: Markers, is_me: bool) {
        let known = self.markers.entry(user).or_default();
        known.last_delivered_seq = known.last_delivered_seq.max(markers.last_delivered_seq);
        known.last_read_seq = known.last_read_seq.max(markers.last_read_seq);
        if is_me {
            self.move_read_marker(markers.last_read_seq);
        }
    }

    /// Moves the client's own read marker forward, and counts what is unread after it.
    fn move_read_marker(&mut self, seq: Seq) {
        if seq > self.chat.last_read_seq {
            self.chat.last_read_seq = seq;
            self.count_after(seq);
        }
    }

    /// Counts what is unread after a marker.
    fn count_after(&mut self, seq: Seq) {
        self.chat.unread_count = self.unread_after(seq);
        let at_most = self.chat.unread_mentions.min(self.chat.unread_count);
        self.chat.unread_mentions = self.known_mentions().unwrap_or(at_most);
    }

    /// The unread messages that mention the client's user, unless one that is unread is not known.
    fn known_mentions(&self) -> Option<i64> {
        let unread = self.chat.last_read_seq.next().max(self.chat.first_seq.unwrap_or_default());
        let messages = self.messages.range(unread..).map(|(_, message)| message);
        let count = || messages.filter(|message| self.is_mention(message)).count() as i64;
        (self.complete_from <= unread).then(count)
    }

    fn is_mention(&self, message: &Message) -> bool {
        let is_named = self.me.is_some_and(|me| message.mentions.contains(&me));
        Some(message.sender.id) != self.me && (is_named || message.mentions_all)
    }

    /// What is unread after a marker, and not removed; at most as many as before.
    fn unread_after(&self, seq: Seq) -> i64 {
        let seq = self.chat.first_seq.map_or(seq, |first| seq.max(first.previous()));
        let after = self.messages.range(seq.next()..);
        let tombstones = after.filter(|(_, message)| message.deleted_at.is_some()).count();
        // Sending a message moves the sender's own read marker, so all of these are by others.
        let unread = self.chat.last_seq.0 - seq.0 - tombstones as i64;
        unread.clamp(0, self.chat.unread_count)
    }

    /// Drops the messages that were removed.
    fn drop_removed(&mut self) {
        let Some(first) = self.chat.first_seq else { return };
        self.messages = self.messages.split_off(&first);
        self.complete_from = self.complete_from.max(first);
        self.chat.last_message.take_if(|message| message.seq < first);
    }

    /// `was_mention`: whether it counted before, where that is not known from the message as it was.
    fn update_message(&mut self, message: &Message, was_mention: Option<bool>) {
        let (is, before) = (self.is_mention(message), self.messages.get(&message.seq));
        let was = before.map(|before| self.is_mention(before)).or(was_mention).unwrap_or(is);
        self.merge_message(message.clone());
        if message.seq > self.chat.last_read_seq {
            let counted = self.chat.unread_mentions + i64::from(is) - i64::from(was);
            self.chat.unread_mentions = self.known_mentions().unwrap_or(counted.max(0));
        }
        let last = self.chat.last_message.as_ref();
        if last.is_none_or(|last| last.seq <= message.seq) {
            self.chat.last_message = Some(message.clone());
        }
    }
}
