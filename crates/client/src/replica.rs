//! What a client knows, and how it comes to know it: a pure state machine. It is fed what the server
//! sends and gives events, and asks to be synced where something is missing. It must do no I/O,
//! read no clock, and hold by itself: whatever is lost, repeated or reordered on the way, it ends
//! equal to the server once it hears of what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use serde::{Deserialize, Serialize};

use crate::events::{Event, Resynced};
use crate::frames::{Change, Frame, Newer, Ready, Signal, SyncRequest, Synced};
use crate::known::Known;
use crate::types::{Chat, Member, Message};

/// Most changes of a chat that are kept while what comes before them is missing. What is beyond is
/// dropped: the sync brings it.
const EARLY_MAX: usize = 1_000;

/// One user's chats. It can be stored, and goes on from there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Replica {
    me: i64,
    epoch: Option<String>,
    chats: BTreeMap<i64, Known>,
    #[serde(skip)]
    gap: Gap,
}

/// What is missing, and what came early. It does not outlive a connection.
#[derive(Clone, Debug, Default)]
struct Gap {
    /// Something is missing that no answer under way is sure to bring.
    wanted: bool,
    /// The server was asked and has not answered yet.
    asked: bool,
    /// Chats that one came into or went out of since it was asked: what the answer says of them
    /// may be older than that.
    doubted: BTreeSet<i64>,
    /// By chat and version, what cannot be applied yet.
    early: BTreeMap<i64, BTreeMap<i64, Change>>,
}

impl Replica {
    /// Oneself; 0 before the first connection.
    pub fn me(&self) -> i64 {
        self.me
    }

    /// What is known of a chat.
    pub fn chat(&self, id: i64) -> Option<&Known> {
        self.chats.get(&id)
    }

    /// All chats, by id.
    pub fn chats(&self) -> &BTreeMap<i64, Known> {
        &self.chats
    }

    /// Whether everything that the server spoke of is known.
    pub fn is_in_step(&self) -> bool {
        let Gap { wanted, asked, early, .. } = &self.gap;
        !wanted && !asked && early.is_empty()
    }

    /// Takes messages that were read by REST into what is known of their chat.
    pub fn learn(&mut self, messages: &[Message]) {
        for message in messages {
            if let Some(known) = self.chats.get_mut(&message.chat) {
                known.learn(message.clone());
            }
        }
    }

    /// Takes members that were read by REST.
    pub fn learn_members(&mut self, chat: i64, members: &[Member]) {
        if let Some(known) = self.chats.get_mut(&chat) {
            known.learn_members(members);
        }
    }

    /// Takes a frame; what it tells.
    pub fn hear(&mut self, frame: Frame) -> Vec<Event> {
        match frame {
            Frame::Ready(ready) => self.begin(ready),
            Frame::Change(change) => self.change(change),
            Frame::ChatCreated(chat) => self.enter(chat),
            Frame::ChatDeleted(chat) => {
                self.gap.doubted.insert(chat);
                self.leave(chat).into_iter().collect()
            }
            Frame::Resync(_) => {
                self.gap.wanted = true;
                Vec::new()
            }
            Frame::Signal(signal) => {
                if let Signal::Receipt { chat, user, marks } = signal
                    && let Some(known) = self.chats.get_mut(&chat)
                {
                    known.mark(user, marks, user == self.me);
                }
                vec![Event::Signal(signal)]
            }
            Frame::Ack(..) | Frame::Refused(..) | Frame::Other => Vec::new(),
        }
    }

    /// What to ask the server for, where something is missing; then [`Self::synced`],
    /// [`Self::unanswered`] or [`Self::disconnected`] has to follow. One question at a time.
    pub fn question(&mut self) -> Option<SyncRequest> {
        if !self.has_question() {
            return None;
        }
        (self.gap.wanted, self.gap.asked) = (false, true);
        self.gap.doubted.clear();
        let versions = self.chats.iter().map(|(id, known)| (*id, known.version())).collect();
        Some(SyncRequest { versions, epoch: self.epoch.clone(), limit: None })
    }

    /// Whether there is something to ask.
    pub fn has_question(&self) -> bool {
        self.gap.wanted && !self.gap.asked
    }

    /// Takes the answer; what it tells. There may be something to ask for again.
    pub fn synced(&mut self, answer: Synced) -> Vec<Event> {
        self.gap.asked = false;
        let doubted = mem::take(&mut self.gap.doubted);
        let mut events = self.adopt_epoch(answer.epoch);
        if !events.is_empty() {
            // The answer is made of versions of another past: all chats come as if unknown.
            self.gap.wanted = true;
            return events;
        }
        self.gap.wanted |= answer.more || !doubted.is_empty();
        for chat in answer.gone.into_iter().filter(|chat| !doubted.contains(chat)) {
            events.extend(self.leave(chat));
        }
        for newer in answer.changes {
            if !doubted.contains(&newer.chat.id) {
                events.extend(self.renew(newer));
            }
        }
        // Of a chat that is not known even now, nothing is to be kept.
        let Self { chats, gap, .. } = self;
        gap.early.retain(|chat, _| chats.contains_key(chat) || doubted.contains(chat));
        // What is still early now was not brought.
        gap.wanted |= !gap.early.is_empty();
        events
    }

    /// There is no answer: it is to be asked again.
    pub fn unanswered(&mut self) {
        (self.gap.wanted, self.gap.asked) = (true, false);
    }

    /// The connection is gone, and with it what came early and what was asked.
    pub fn disconnected(&mut self) {
        self.gap = Gap::default();
    }

    fn begin(&mut self, ready: Ready) -> Vec<Event> {
        self.gap = Gap::default();
        self.me = ready.user.id;
        let mut events = self.adopt_epoch(ready.epoch.clone());
        // A chat that the server has at an earlier version is not the one that is known.
        let alive = |(id, known): (&i64, &Known)| {
            ready.versions.get(id).is_some_and(|version| *version >= known.version())
        };
        let ended: Vec<_> =
            self.chats.iter().filter(|entry| !alive(*entry)).map(|(id, _)| *id).collect();
        events.extend(ended.into_iter().filter_map(|chat| self.leave(chat)));
        self.gap.wanted =
            ready.versions.iter().any(|(chat, version)| self.version(*chat) != Some(*version));
        events.insert(0, Event::Ready(ready));
        events
    }

    fn change(&mut self, change: Change) -> Vec<Event> {
        let (chat, version) = change.place();
        match self.version(chat) {
            Some(known) if version <= known => Vec::new(),
            Some(known) if version == known + 1 => {
                let mut events = vec![self.apply(chat, change)];
                events.extend(self.settle(chat));
                events
            }
            _ => {
                let early = self.gap.early.entry(chat).or_default();
                let fits = early.len() < EARLY_MAX;
                if fits {
                    early.insert(version, change);
                }
                // The answer under way may bring what is missing; if not, this is found again.
                self.gap.wanted |= !self.gap.asked || !fits;
                Vec::new()
            }
        }
    }

    fn apply(&mut self, chat: i64, change: Change) -> Event {
        if let Some(known) = self.chats.get_mut(&chat) {
            known.apply(&change, self.me);
        }
        Event::Change(change)
    }

    /// Applies what came early and is due now, and drops what is known already.
    fn settle(&mut self, chat: i64) -> Vec<Event> {
        let Some(mut early) = self.gap.early.remove(&chat) else { return Vec::new() };
        let mut events = Vec::new();
        let mut version = self.version(chat).unwrap_or(0);
        while let Some(next) = early.remove(&(version + 1)) {
            events.push(self.apply(chat, next));
            version += 1;
        }
        let early = early.split_off(&(version + 1));
        if !early.is_empty() {
            self.gap.wanted |= !self.gap.asked;
            self.gap.early.insert(chat, early);
        }
        events
    }

    fn enter(&mut self, chat: Chat) -> Vec<Event> {
        let id = chat.id;
        self.gap.doubted.insert(id);
        match self.version(id) {
            None => {
                self.chats.insert(id, Known::new(chat.clone()));
                let mut events = vec![Event::ChatCreated(chat)];
                events.extend(self.settle(id));
                events
            }
            Some(version) => {
                // What lies between is to be had, and is not skipped.
                self.gap.wanted |= version < chat.version;
                Vec::new()
            }
        }
    }

    fn leave(&mut self, chat: i64) -> Option<Event> {
        self.gap.early.remove(&chat);
        self.chats.remove(&chat).map(|_| Event::ChatDeleted(chat))
    }

    /// Brings a chat to what a sync tells of it.
    fn renew(&mut self, newer: Newer) -> Vec<Event> {
        let Newer { chat, mut messages, more } = newer;
        let id = chat.id;
        let from = self.version(id).unwrap_or(0);
        // Read after the chat was, a message may be newer than that: it comes as a change.
        let cut = messages.iter().position(|message| message.version > chat.version);
        let more = more && cut.is_none();
        messages.truncate(cut.unwrap_or(messages.len()));
        messages.retain(|message| message.version > from);
        let told = messages.last().map(|message| message.version);
        let upto = if more { told.unwrap_or(from) } else { chat.version };
        self.gap.wanted |= more;
        if upto <= from {
            return Vec::new();
        }
        match self.chats.get_mut(&id) {
            Some(known) => known.renew(&chat, upto),
            None => drop(self.chats.insert(id, Known::new(chat.clone()))),
        }
        self.learn(&messages);
        let mut events = vec![Event::Resynced(Resynced { from, upto, chat, messages })];
        events.extend(self.settle(id));
        events
    }

    fn adopt_epoch(&mut self, epoch: String) -> Vec<Event> {
        match self.epoch.replace(epoch) {
            Some(old) if self.epoch.as_ref() != Some(&old) => {
                self.chats.clear();
                self.gap.early.clear();
                vec![Event::Forgotten]
            }
            _ => Vec::new(),
        }
    }

    fn version(&self, chat: i64) -> Option<i64> {
        self.chats.get(&chat).map(Known::version)
    }
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
