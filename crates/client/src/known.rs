//! What a client knows of one chat: the chat, its newest messages, and its members as far as it was
//! told. It takes changes in their order; keeping that order is `replica`'s business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frames::Change;
use crate::types::{Chat, Marks, Member, Message, Role};

/// A chat as a client knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    chat: Chat,
    version: i64,
    messages: BTreeMap<i64, Message>,
    complete_from: i64,
    marks: BTreeMap<i64, Marks>,
    roles: BTreeMap<i64, Role>,
}

impl Known {
    pub(crate) fn new(chat: Chat) -> Self {
        let messages: BTreeMap<_, _> =
            chat.last_message.iter().map(|message| (message.seq, message.clone())).collect();
        let complete_from = messages.keys().next().copied().unwrap_or(chat.last_seq + 1);
        let (marks, roles) = (BTreeMap::new(), BTreeMap::new());
        let mut known = Self { version: chat.version, chat, messages, complete_from, marks, roles };
        let members = known.chat.members.take();
        known.learn_members(&members.unwrap_or_default());
        known
    }

    /// The chat, kept up with its changes. `unread_count` is exact as long as messages after one's
    /// mark are deleted only where they are known.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// The version that is known: while a sync is under way, the chat itself may be newer.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The messages that are known, by `seq`; tombstones among them.
    pub fn messages(&self) -> &BTreeMap<i64, Message> {
        &self.messages
    }

    /// From this `seq` on, every message is known. Of those before it some may be.
    pub fn complete_from(&self) -> i64 {
        self.complete_from
    }

    /// Members' marks by user, as far as they were told since.
    pub fn marks(&self) -> &BTreeMap<i64, Marks> {
        &self.marks
    }

    /// Members' roles by user, as far as they were told since.
    pub fn roles(&self) -> &BTreeMap<i64, Role> {
        &self.roles
    }

    /// Takes a message in, if it is newer than what is known of it.
    pub(crate) fn learn(&mut self, message: Message) {
        let seq = message.seq;
        let known = self.messages.get(&seq);
        if known.is_none_or(|known| known.version <= message.version) {
            self.messages.insert(seq, message);
        }
        while self.messages.contains_key(&(self.complete_from - 1)) {
            self.complete_from -= 1;
        }
    }

    pub(crate) fn learn_members(&mut self, members: &[Member]) {
        for member in members {
            self.roles.insert(member.user.id, member.role);
            self.mark(member.user.id, member.marks, false);
        }
    }

    /// The chat as it is told anew, known up to a version.
    pub(crate) fn renew(&mut self, chat: &Chat, upto: i64) {
        self.chat = Chat { members: None, ..chat.clone() };
        self.version = upto;
    }

    /// Takes the next change.
    pub(crate) fn apply(&mut self, change: &Change, me: i64) {
        self.version = change.place().1;
        if self.version <= self.chat.version {
            // The chat was told as it is after this change: what is to be learned is the message.
            if let Some(message) = change.message() {
                self.learn(message.clone());
            }
            return;
        }
        self.chat.version = self.version;
        match change {
            Change::MessageCreated { message, .. } => {
                let chat = &mut self.chat;
                chat.last_seq = chat.last_seq.max(message.seq);
                if message.sender.id == me {
                    let mark =
                        Marks { last_delivered_seq: message.seq, last_read_seq: message.seq };
                    self.mark(me, mark, true);
                } else {
                    chat.unread_count += 1;
                }
                self.tell(message);
            }
            Change::MessageUpdated { message, .. } => self.tell(message),
            Change::MessageDeleted { message, .. } => {
                if message.sender.id != me && message.seq > self.chat.last_read_seq {
                    self.chat.unread_count = (self.chat.unread_count - 1).max(0);
                }
                self.tell(message);
            }
            Change::ChatUpdated { name, description, avatar, .. } => {
                self.chat.name.clone_from(name);
                self.chat.description.clone_from(description);
                self.chat.avatar.clone_from(avatar);
            }
            Change::MemberJoined { member, .. } => {
                self.chat.members_count += 1;
                self.marks.insert(member.user.id, member.marks);
                self.roles.insert(member.user.id, member.role);
            }
            Change::MemberUpdated { member, .. } => {
                self.roles.insert(member.user.id, member.role);
                if member.user.id == me {
                    self.chat.my_role = member.role;
                }
            }
            Change::MemberLeft { member, .. } => {
                self.chat.members_count -= 1;
                self.marks.remove(&member.user.id);
                self.roles.remove(&member.user.id);
            }
        }
    }

    /// Somebody's marks moved. They only grow.
    pub(crate) fn mark(&mut self, user: i64, marks: Marks, is_me: bool) {
        let known = self.marks.entry(user).or_default();
        known.last_delivered_seq = known.last_delivered_seq.max(marks.last_delivered_seq);
        known.last_read_seq = known.last_read_seq.max(marks.last_read_seq);
        if is_me && marks.last_read_seq > self.chat.last_read_seq {
            self.chat.last_read_seq = marks.last_read_seq;
            let after = self.messages.range(marks.last_read_seq + 1..);
            let tombstones = after.filter(|(_, message)| message.deleted_at.is_some()).count();
            let unread = self.chat.last_seq - marks.last_read_seq - tombstones as i64;
            // Messages of one's own move the mark, so none of these is one's own.
            self.chat.unread_count = unread.clamp(0, self.chat.unread_count);
        }
    }

    fn tell(&mut self, message: &Message) {
        self.learn(message.clone());
        let last = self.chat.last_message.as_ref();
        if last.is_none_or(|last| last.seq <= message.seq) {
            self.chat.last_message = Some(message.clone());
        }
    }
}
