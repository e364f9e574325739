//! The database of the simulation: chats with their versions and members, read as the actions' queries read
//! them. Publishes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::event::{Change, ChatEvent, Departed, Event, Newcomer};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;
use crate::domain::role::Role;
use crate::hub::feed::Gap;
use crate::hub::samples;

pub(super) struct Database(BTreeMap<ChatId, Rows>);

struct Rows {
    version: Version,
    /// The versions that are messages. The others are changes of the members.
    messages: Vec<Version>,
    members: Vec<UserId>,
    departures: Vec<Departed>,
}

impl Database {
    pub(super) fn new(chats: i64) -> Self {
        let rows = || Rows {
            version: Version::FIRST,
            messages: Vec::new(),
            members: Vec::new(),
            departures: Vec::new(),
        };
        Self((1..=chats).map(|id| (ChatId(id), rows())).collect())
    }

    pub(super) fn version(&self, chat: ChatId) -> Version {
        self.0[&chat].version
    }

    /// All chats, with their versions.
    pub(super) fn versions(&self) -> BTreeMap<ChatId, Version> {
        self.0.iter().map(|(chat, rows)| (*chat, rows.version)).collect()
    }

    /// The user's chats, with their versions.
    pub(super) fn versions_of(&self, user: UserId) -> BTreeMap<ChatId, Version> {
        let chats = self.0.iter().filter(|(_, rows)| rows.members.contains(&user));
        chats.map(|(chat, rows)| (*chat, rows.version)).collect()
    }

    /// The chats that the user has left, and by which version last.
    pub(super) fn left_by(&self, user: UserId) -> Vec<(ChatId, Version)> {
        let last = |rows: &Rows| {
            let departures = rows.departures.iter().filter(|one| one.user == user);
            departures.map(|one| one.version).max()
        };
        self.0.iter().filter_map(|(chat, rows)| Some((*chat, last(rows)?))).collect()
    }

    pub(super) fn members(&self) -> Vec<(UserId, ChatId)> {
        let members = |(chat, rows): (&ChatId, &Rows)| {
            rows.members.iter().map(|user| (*user, *chat)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(members).collect()
    }

    /// Whether the user may be sent the event that made this version, now. A member may read the whole history,
    /// also what happened before they joined or between two memberships; a former member nothing from the last
    /// departure on.
    pub(super) fn may_receive(&self, user: UserId, chat: ChatId, version: Version) -> bool {
        let left = self.left_by(user).into_iter().find(|(other, _)| *other == chat);
        self.0[&chat].members.contains(&user) || left.is_some_and(|(_, left)| version < left)
    }

    pub(super) fn send(&mut self, chat: ChatId) -> Vec<Event> {
        let rows = self.rows(chat);
        rows.version = rows.version.next();
        rows.messages.push(rows.version);
        vec![samples::message_created(chat, rows.version)]
    }

    /// Nothing if the user is a member already.
    pub(super) fn join(&mut self, chat: ChatId, user: UserId) -> Vec<Event> {
        let rows = self.rows(chat);
        if rows.members.contains(&user) {
            return Vec::new();
        }
        rows.version = rows.version.next();
        rows.members.push(user);
        let version = rows.version;
        let change = Change::MemberJoined(Arc::new(samples::member(user)));
        let joined = Event::Chat(ChatEvent { chat, version, change });
        vec![samples::chat_created(chat, version, &[user]), joined]
    }

    /// Nothing if the user is no member.
    pub(super) fn leave(&mut self, chat: ChatId, user: UserId) -> Vec<Event> {
        let rows = self.rows(chat);
        let Some(at) = rows.members.iter().position(|member| *member == user) else {
            return Vec::new();
        };
        rows.version = rows.version.next();
        rows.members.swap_remove(at);
        let version = rows.version;
        let departed = Departed { user, version };
        rows.departures.push(departed);
        let change = Change::MemberLeft(Arc::new(samples::member(user)));
        let left = Event::Chat(ChatEvent { chat, version, change });
        vec![Event::ChatDeleted { chat, departed: vec![departed] }, left]
    }

    /// The events of a gap, if all of them are messages.
    pub(super) fn messages_in(&self, gap: &Gap) -> Option<Vec<Event>> {
        let is_missing = |version: &&Version| gap.after < **version && **version <= gap.upto;
        let found: Vec<_> = self.0[&gap.chat].messages.iter().filter(is_missing).collect();
        let is_whole = i64::try_from(found.len()) == Ok(gap.upto.since(gap.after));
        let event = |version: &Version| samples::message_created(gap.chat, *version);
        is_whole.then(|| found.into_iter().map(event).collect())
    }

    /// Users who left by one of the missing versions and have not returned.
    pub(super) fn departed_in(&self, gap: &Gap) -> Option<Event> {
        let is_missing = |version| gap.after < version && version <= gap.upto;
        self.departed_from(gap.chat, is_missing)
    }

    /// All departures of users who have not returned.
    pub(super) fn departed(&self) -> Vec<Event> {
        self.0.keys().filter_map(|chat| self.departed_from(*chat, |_| true)).collect()
    }

    fn departed_from(&self, chat: ChatId, by: impl Fn(Version) -> bool) -> Option<Event> {
        let rows = &self.0[&chat];
        let is_gone = |one: &&Departed| by(one.version) && !rows.members.contains(&one.user);
        let departed: Vec<_> = rows.departures.iter().filter(is_gone).copied().collect();
        (!departed.is_empty()).then_some(Event::ChatDeleted { chat, departed })
    }

    /// The chat as `catchup::find_chats` sends it to a member.
    pub(super) fn found(&self, user: UserId, chat: ChatId) -> Event {
        let newcomer = Newcomer { user, role: Role::Member, peer: None };
        let view = newcomer.view(&samples::group(chat, self.version(chat)), None);
        Event::ChatFound(user, Box::new(view))
    }

    fn rows(&mut self, chat: ChatId) -> &mut Rows {
        self.0.get_mut(&chat).expect("a chat")
    }
}
