//! A client of the simulation: connects in the steps of `actions::connect`, follows the rules of
//! `docs/realtime.md`, and checks what it receives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;
use crate::hub::Hub;
use crate::hub::connection::Connection;
use crate::hub::feeds::Memberships;
use crate::hub::queue::{Frame, Taken};

use super::database::Database;
use super::fault::{Broken, Fault, Promise};

/// A client with its connection.
pub(super) struct Client {
    pub(super) user: UserId,
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    state: State,
    pub(super) known: BTreeMap<ChatId, Version>,
    /// Up to where a chat was synced: older events may still arrive, and are dropped.
    synced: BTreeMap<ChatId, Version>,
    /// Queued events that were looked at.
    inspected: BTreeSet<(ChatId, Version)>,
    fault: Option<Fault>,
}

/// The steps of connecting.
enum State {
    Registered,
    Joined,
    VersionsRead(Vec<(ChatId, Version)>),
    AllRead { versions: Vec<(ChatId, Version)>, left: Vec<(ChatId, Version)> },
    Ready,
}

/// Whether the client goes on.
#[derive(PartialEq, Eq)]
pub(super) enum Connected {
    Yes,
    /// The server closed the connection.
    No,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} of user {}", self.connection.number(), self.user)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.disconnect(&self.connection, Duration::ZERO);
    }
}

impl Client {
    pub(super) fn new(hub: Arc<Hub>, connection: Arc<Connection>, fault: Option<Fault>) -> Self {
        Self {
            user: connection.user(),
            hub,
            connection,
            state: State::Registered,
            known: BTreeMap::new(),
            synced: BTreeMap::new(),
            inspected: BTreeSet::new(),
            fault,
        }
    }

    /// Takes the next step of connecting, or reads what is queued.
    pub(super) fn run(&mut self, database: &Database) -> Result<Connected, Broken> {
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Registered => {
                let chats: Vec<_> = database.versions_of(self.user).into_keys().collect();
                self.hub.feeds.join(&self.connection, &chats);
                self.state = State::Joined;
            }
            State::Joined => {
                let versions = database.versions_of(self.user).into_iter().collect();
                self.state = State::VersionsRead(versions);
            }
            State::VersionsRead(versions) => {
                self.state = State::AllRead { versions, left: database.left_by(self.user) };
            }
            State::AllRead { versions, left } => {
                let memberships = Memberships { versions: &versions, left: &left };
                if self.hub.feeds.is_outdated(&self.connection, &memberships) {
                    self.state = State::Joined;
                } else {
                    self.known = self.hub.start(&self.connection, &memberships);
                }
            }
            State::Ready => return self.read(database),
        }
        Ok(Connected::Yes)
    }

    /// Checks that what was queued since the last call is the user's to receive. That depends on when it was
    /// queued, not on when it is read: the user may have left and returned in between. Until `ready`, the queue
    /// also has what [`Hub::start`] will remove.
    pub(super) fn inspect(&mut self, database: &Database) -> Result<(), Broken> {
        if !matches!(self.state, State::Ready) {
            return Ok(());
        }
        for frame in self.connection.queue.frames() {
            let Some((chat, version)) = frame.chat() else { continue };
            if frame.text.contains("chat.deleted") || !self.inspected.insert((chat, version)) {
                continue;
            }
            let is_kept = database.may_receive(self.user, chat, version);
            Promise::MembersOnly.check(is_kept, || format!("{self:?}: {}", frame.text))?;
        }
        Ok(())
    }

    fn read(&mut self, database: &Database) -> Result<Connected, Broken> {
        let Taken { frames, closing, .. } = self.connection.queue.take();
        self.inspected.clear();
        let mut lost = BTreeSet::new();
        for frame in self.as_written(frames.into()) {
            let frame: Value = serde_json::from_str(&frame.text).expect("JSON");
            self.on_frame(&frame, &mut lost)?;
        }
        if !lost.is_empty() {
            self.sync(database);
        }
        Ok(if closing.is_some() { Connected::No } else { Connected::Yes })
    }

    /// What the server writes of these frames.
    fn as_written(&self, mut frames: Vec<Frame>) -> Vec<Frame> {
        match self.fault {
            Some(Fault::WrittenTwice) => frames.extend_from_within(..frames.len().min(1)),
            Some(Fault::WrittenInReverse) => frames.reverse(),
            Some(Fault::NotWritten) => frames.truncate(3),
            Some(Fault::NoResync) => frames.retain(|frame| !frame.text.contains("resync")),
            _ => {}
        }
        frames
    }

    fn on_frame(&mut self, frame: &Value, lost: &mut BTreeSet<ChatId>) -> Result<(), Broken> {
        let number = |value: &Value| value.as_i64().expect("a number");
        match frame["type"].as_str().expect("a type") {
            "resync" => {
                let chats = frame["chats"].as_array().expect("chats");
                lost.extend(chats.iter().map(|chat| ChatId(number(chat))));
            }
            "chat.created" => {
                let chat = ChatId(number(&frame["chat"]["id"]));
                let version = Version(number(&frame["chat"]["version"]));
                match self.known.get(&chat) {
                    Some(known) if *known < version => drop(lost.insert(chat)),
                    Some(_) => {}
                    None => drop(self.known.insert(chat, version)),
                }
            }
            "chat.deleted" => {
                let chat = ChatId(number(&frame["chat"]));
                self.known.remove(&chat);
                self.synced.remove(&chat);
            }
            _ => {
                let chat = ChatId(number(&frame["chat"]));
                let version = Version(number(&frame["version"]));
                self.on_event(chat, version, lost.contains(&chat))?;
            }
        }
        Ok(())
    }

    fn on_event(&mut self, chat: ChatId, version: Version, is_lost: bool) -> Result<(), Broken> {
        if self.synced.get(&chat).is_some_and(|synced| version <= *synced) {
            return Ok(());
        }
        let Some(&known) = self.known.get(&chat) else {
            // After a `resync`, which may stand for the `chat.created`, the sync brings the chat.
            let context = || format!("{self:?}: version {version} of chat {chat}");
            return Promise::CreatedFirst.check(is_lost, context);
        };
        let context = || format!("{self:?}: version {version} of chat {chat} after {known}");
        Promise::OnceInOrder.check(version > known, context)?;
        Promise::NoSilentGap.check(is_lost || version == known.next(), context)?;
        self.known.insert(chat, version);
        Ok(())
    }

    fn sync(&mut self, database: &Database) {
        self.known = database.versions_of(self.user);
        self.synced = database.versions();
    }
}
