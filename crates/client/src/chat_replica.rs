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

/// What messages add to a chat's counts.
#[derive(Clone, Copy, Default)]
struct Counts {
    unread: i64,
    mentions: i64,
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
        self.version = change.version();
        if self.version <= self.chat.version {
            // `chat` already includes this change; only the message may be missing.
            if let Some(message) = change.message() {
                self.merge_message(message.clone());
            }
            // What was counted while messages were missing may be wrong.
            if let Some(counts) = self.count_known().filter(|_| self.version == self.chat.version) {
                self.set_counts(counts);
            }
            return;
        }
        self.chat.version = self.version;
        match change {
            Change::MessageCreated { message, .. }
            | Change::MessageUpdated { message, .. }
            | Change::MessageDeleted { message, .. } => self.apply_message(message),
            Change::MessagesRemoved { first_seq, .. } => {
                self.chat.first_seq = self.chat.first_seq.max(Some(*first_seq));
                self.drop_removed();
                self.recount();
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
                if Some(member.user.id) == self.me {
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

    /// A message is new or has changed. One that was changed before it arrived is new, too.
    fn apply_message(&mut self, message: &Message) {
        let (seq, sender) = (message.seq, message.sender.id);
        let is_new = seq > self.chat.last_seq;
        let is_unread = seq > self.chat.last_read_seq;
        let now = self.counts_of(message);
        let before = self.messages.get(&seq).map(|before| self.counts_of(before));
        self.merge_message(message.clone());
        if self.chat.last_message.as_ref().is_none_or(|last| last.seq <= seq) {
            self.chat.last_message = Some(message.clone());
        }
        self.chat.last_seq = self.chat.last_seq.max(seq);
        if is_new && Some(sender) == self.me {
            let markers = Markers { last_delivered_seq: seq, last_read_seq: seq };
            self.move_markers(sender, markers, true);
        } else if is_unread {
            // Without its state before, it is taken for unread, with the mentions of now.
            let assumed = Counts { unread: i64::from(Some(sender) != self.me), ..now };
            let before = if is_new { Counts::default() } else { before.unwrap_or(assumed) };
            let counts = Counts {
                unread: (self.chat.unread_count + now.unread - before.unread).max(0),
                mentions: (self.chat.unread_mentions + now.mentions - before.mentions).max(0),
            };
            let known = if is_new { None } else { self.count_known() };
            self.set_counts(known.unwrap_or(counts));
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
            self.recount();
        }
    }

    /// Counts what is unread.
    fn recount(&mut self) {
        let counts = self.count_known().unwrap_or_else(|| {
            let unread = self.estimate_unread();
            Counts { unread, mentions: self.chat.unread_mentions.min(unread) }
        });
        self.set_counts(counts);
    }

    fn set_counts(&mut self, Counts { unread, mentions }: Counts) {
        (self.chat.unread_count, self.chat.unread_mentions) = (unread, mentions);
    }

    /// The first `seq` that may be unread.
    fn unread_from(&self) -> Seq {
        self.chat.last_read_seq.next().max(self.chat.first_seq.unwrap_or_default())
    }

    /// What the unread messages count for, unless one of them is not known.
    fn count_known(&self) -> Option<Counts> {
        let (first, last) = (self.unread_from(), self.chat.last_seq);
        if first > last {
            return Some(Counts::default());
        }
        let (mut counts, mut missing) = (Counts::default(), last.0 - first.0 + 1);
        for (_, message) in self.messages.range(first..=last) {
            let Counts { unread, mentions } = self.counts_of(message);
            counts =
                Counts { unread: counts.unread + unread, mentions: counts.mentions + mentions };
            missing -= 1;
        }
        (missing == 0).then_some(counts)
    }

    /// What an unread message counts for.
    fn counts_of(&self, message: &Message) -> Counts {
        let counts = Some(message.sender.id) != self.me && message.deleted_at.is_none();
        let is_named = self.me.is_some_and(|me| message.mentions.contains(&me));
        let is_mention = counts && (is_named || message.mentions_all);
        Counts { unread: counts.into(), mentions: is_mention.into() }
    }

    /// What is unread as far as it is known; at most as much as before.
    fn estimate_unread(&self) -> i64 {
        let first = self.unread_from();
        let after = self.messages.range(first..);
        let tombstones = after.filter(|(_, message)| message.deleted_at.is_some()).count();
        // Sending a message moves the sender's own read marker, so all of these are by others.
        let unread = self.chat.last_seq.0 - first.previous().0 - tombstones as i64;
        unread.clamp(0, self.chat.unread_count)
    }

    /// Drops the messages that were removed.
    fn drop_removed(&mut self) {
        let Some(first) = self.chat.first_seq else { return };
        self.messages = self.messages.split_off(&first);
        self.complete_from = self.complete_from.max(first);
        self.chat.last_message.take_if(|message| message.seq < first);
    }
}
