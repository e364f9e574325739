//! A model of the server, of one client, and of a connection between them that drops, repeats and reorders frames.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::{ME, OTHER, PRIVATE, TIME, parse, profile, user};
use crate::events::{Event, Resynced};
use crate::frames::{Change, Frame};
use crate::ids::{ChatId, Seq, UserId, Version};
use crate::replica::Replica;
use crate::types::{AccountDelta, BlockState, Chat, ChatDelta, Message, SyncRequest, SyncResponse};

/// A chat on the server.
#[derive(Clone, Debug, Default)]
pub struct ServerChat {
    pub version: Version,
    pub is_member: bool,
    name: String,
    others: i64,
    messages: Vec<Message>,
    first_seq: Seq,
    last_read: Seq,
    pinned: bool,
    blocked: bool,
    /// The account version of the last change of the settings or, by another device, of the read marker.
    account: Version,
}

impl ServerChat {
    pub fn view(&self, id: ChatId) -> Chat {
        let mut peer = Value::Null;
        if id == PRIVATE {
            peer = profile(OTHER, "");
        }
        let first = (self.first_seq > Seq(0)).then_some(self.first_seq);
        let last = self.messages.last().filter(|message| message.seq >= self.first_seq);
        let (unread, mentions) = self.unread();
        parse(json!({
            "id": id, "type": "group", "name": self.name, "description": "", "avatar": null,
            "created_at": TIME, "created_by": user(ME), "members_count": self.others + 1,
            "peer": peer, "my_role": "member", "last_message": last, "unread_count": unread,
            "unread_mentions": mentions, "last_seq": self.messages.len(), "first_seq": first,
            "last_read_seq": self.last_read, "version": self.version, "pinned": self.pinned,
            "blocked": self.blocked,
        }))
    }

    fn unread(&self) -> (usize, usize) {
        let is_unread = |message: &&Message| {
            let is_after = message.seq > self.last_read && message.seq >= self.first_seq;
            is_after && message.sender.id != UserId(ME) && message.deleted_at.is_none()
        };
        let unread: Vec<_> = self.messages.iter().filter(is_unread).collect();
        let mentions = unread.iter().filter(|message| !message.mentions.is_empty()).count();
        (unread.len(), mentions)
    }

    fn since(&self, version: Version) -> Vec<Message> {
        let is_new =
            |message: &&Message| message.version > version && message.seq >= self.first_seq;
        let mut newer: Vec<_> = self.messages.iter().filter(is_new).cloned().collect();
        newer.sort_by_key(|message| message.version);
        newer
    }
}

/// A sync that the server works on: it reads the account first, the chats later, and their messages last.
struct Work {
    request: SyncRequest,
    account: AccountDelta,
    chats: Option<BTreeMap<ChatId, ServerChat>>,
}

/// The model.
#[derive(Default)]
pub struct World {
    epoch: u32,
    account: Version,
    first_name: String,
    /// The account version of the last change of the profile, and of the block of the other user.
    profile_at: Version,
    block: (Version, bool),
    pub chats: BTreeMap<ChatId, ServerChat>,
    pub wire: VecDeque<Wire>,
    /// A sync request that the server has not started on.
    pub requested: Option<SyncRequest>,
    started: Option<Work>,
    /// An answer that it has not sent.
    pub answered: Option<SyncResponse>,
    /// The most messages in an answer.
    limit: usize,
    pub replica: Replica,
    /// By chat, the version of the last event.
    pub seen: BTreeMap<ChatId, Version>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few")]
pub enum Wire {
    Frame(Frame),
    Answer(SyncResponse),
}

impl World {
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Changes something in a chat.
    pub fn change(&mut self, what: u8, which: u8) {
        let id = ChatId(i64::from(which % 3) + 1);
        let chat = self.chats.entry(id).or_default();
        chat.version = chat.version.next();
        if !chat.is_member {
            // Create it, or rejoin it.
            chat.is_member = true;
            let chat = chat.view(id);
            return self.send(Frame::ChatCreated(chat));
        }
        let version = chat.version;
        let known = chat.messages.len() + 1 - (chat.first_seq.0.max(1) as usize);
        let target = (known > 0).then(|| chat.messages.len() - 1 - usize::from(which) % known);
        let change = match (what % 11, target) {
            (0..=2, _) => {
                let seq = Seq(chat.messages.len() as i64 + 1);
                let sender = if which.is_multiple_of(2) { ME } else { OTHER };
                if sender == ME {
                    chat.last_read = seq;
                }
                let mentions: &[i64] = if version.0 % 3 == 0 { &[ME] } else { &[] };
                let message: Message = parse(json!({
                    "id": id.0 * 1000 + seq.0, "chat": id, "seq": seq, "version": version,
                    "sender": user(sender), "content": version.to_string(), "timestamp": TIME,
                    "edited_at": null, "deleted_at": null, "reply_to": null, "client_id": null,
                    "status": "sent", "mentions": mentions,
                }));
                chat.messages.push(message.clone());
                Change::MessageCreated { chat: id, version, message }
            }
            (3 | 4, Some(target)) if chat.messages[target].deleted_at.is_none() => {
                let message = &mut chat.messages[target];
                (message.version, message.content) = (version, version.to_string());
                message.mentions = vec![UserId(ME); usize::from(what.is_multiple_of(2))];
                Change::MessageUpdated { chat: id, version, message: message.clone() }
            }
            (5, Some(target)) if chat.messages[target].deleted_at.is_none() => {
                let message = &mut chat.messages[target];
                (message.version, message.deleted_at) = (version, Some(message.timestamp));
                message.content.clear();
                message.mentions.clear();
                Change::MessageDeleted { chat: id, version, message: message.clone() }
            }
            (6, _) => {
                chat.others += 1;
                let member = parse(json!({"user": user(OTHER), "role": "member",
                    "joined_at": TIME, "last_delivered_seq": 0, "last_read_seq": 0}));
                Change::MemberJoined { chat: id, version, member }
            }
            (7, _) => {
                chat.is_member = false;
                return self.send(Frame::ChatDeleted(id));
            }
            // Leave and rejoin; only the latter is delivered.
            (8, _) => {
                let chat = chat.view(id);
                return self.send(Frame::ChatCreated(chat));
            }
            (9, Some(target)) => {
                chat.first_seq = chat.messages[target].seq.next();
                Change::MessagesRemoved { chat: id, version, first_seq: chat.first_seq }
            }
            _ => {
                chat.name = version.to_string();
                let (name, description) = (chat.name.clone(), String::new());
                Change::ChatUpdated { chat: id, version, name, description, avatar: None }
            }
        };
        self.send(Frame::Change(change));
    }

    /// Changes, on another device, what only the user sees.
    pub fn change_account(&mut self, how: u8, which: u8) {
        self.account = self.account.next();
        let account = self.account;
        let id = ChatId(i64::from(which % 3) + 1);
        let is_member = self.chats.get(&id).is_some_and(|chat| chat.is_member);
        let frame = if how.is_multiple_of(7) {
            self.block = (account, !self.block.1);
            self.chats.entry(PRIVATE).or_default().blocked = self.block.1;
            json!({"type": "block.updated", "user": OTHER, "blocked": self.block.1})
        } else if !is_member || how.is_multiple_of(3) {
            (self.profile_at, self.first_name) = (account, account.to_string());
            let mut me = user(ME);
            me["first_name"] = json!(self.first_name);
            json!({"type": "user.updated", "user": me})
        } else {
            let chat = self.chats.entry(id).or_default();
            chat.account = account;
            if how % 3 == 1 {
                chat.pinned = !chat.pinned;
                json!({"type": "chat.settings", "chat": id, "muted_until": null,
                    "pinned": chat.pinned, "archived": false})
            } else {
                let read = usize::from(which) % (chat.messages.len() + 1);
                chat.last_read = chat.last_read.max(Seq(read as i64));
                json!({"type": "receipt", "chat": id, "user": ME,
                    "last_delivered_seq": chat.last_read, "last_read_seq": chat.last_read})
            }
        };
        let mut frame = frame;
        frame["account"] = json!(account);
        self.send(Frame::parse(&frame.to_string()).expect("a valid frame"));
    }

    fn send(&mut self, frame: Frame) {
        self.wire.push_back(Wire::Frame(frame));
    }

    pub fn connect(&mut self) {
        self.replica.disconnected();
        self.wire.clear();
        (self.requested, self.started, self.answered) = (None, None, None);
        let mine = self.chats.iter().filter(|(_, chat)| chat.is_member);
        let versions: BTreeMap<_, _> =
            mine.map(|(id, chat)| (id.to_string(), chat.version)).collect();
        let me = profile(ME, &self.first_name);
        self.send(Frame::Ready(parse(json!({"user": me, "session": 1, "server_time": TIME,
            "epoch": self.epoch.to_string(), "heartbeat": 30, "versions": versions,
            "account": self.account}))));
    }

    /// The server does the next part of its work on a sync.
    pub fn work(&mut self) {
        match self.started.take() {
            None => {
                let request = self.requested.take();
                self.started = request.map(|request| {
                    let account = self.account_since(&request);
                    Work { request, account, chats: None }
                });
            }
            Some(Work { request, account, chats: None }) => {
                let chats = Some(self.chats.clone());
                self.started = Some(Work { request, account, chats });
            }
            Some(Work { request, account, chats: Some(chats) }) => {
                self.answered = Some(self.answer(&request, account, &chats));
            }
        }
    }

    fn is_this_epoch(&self, request: &SyncRequest) -> bool {
        request.epoch.as_ref().is_none_or(|epoch| *epoch == self.epoch.to_string())
    }

    fn account_since(&self, request: &SyncRequest) -> AccountDelta {
        let version = self.account;
        let known = request.account.filter(|known| *known <= version);
        let Some(since) = known.filter(|_| self.is_this_epoch(request)) else {
            return AccountDelta { version, ..AccountDelta::default() };
        };
        let mut changed: Vec<Value> = Vec::new();
        let mine = self.chats.iter().filter(|(_, chat)| chat.is_member && chat.account > since);
        for (id, chat) in mine {
            let (unread, mentions) = chat.unread();
            changed.push(
                json!({"chat": id, "last_read_seq": chat.last_read, "pinned": chat.pinned,
                "unread_count": unread, "unread_mentions": mentions, "muted_until": null,
                "archived": false}),
            );
        }
        let block = BlockState { user: UserId(OTHER), blocked: self.block.1 };
        AccountDelta {
            version,
            user: (self.profile_at > since).then(|| parse(profile(ME, &self.first_name))),
            chats: parse(json!(changed)),
            blocks: vec![block; usize::from(self.block.0 > since)],
            more: Some(false),
        }
    }

    fn answer(
        &self,
        request: &SyncRequest,
        account: AccountDelta,
        chats: &BTreeMap<ChatId, ServerChat>,
    ) -> SyncResponse {
        let is_mine = |id: &ChatId| chats.get(id).is_some_and(|chat| chat.is_member);
        let gone = request.versions.keys().copied().filter(|id| !is_mine(id)).collect();
        let (mut left, mut changes) = (self.limit, Vec::new());
        let mut left_out = false;
        for (id, chat) in chats.iter().filter(|(_, chat)| chat.is_member) {
            let named = request.versions.get(id).filter(|version| **version <= chat.version);
            let named = named.filter(|_| self.is_this_epoch(request));
            if named == Some(&chat.version) {
                continue;
            }
            // The answer has no room for more chats.
            left_out = changes.len() == self.limit;
            if left_out {
                break;
            }
            let present = &self.chats[id];
            let (messages, more) = match named {
                None => {
                    let last = present.messages.last();
                    let last = last.filter(|message| message.seq >= present.first_seq);
                    (last.cloned().into_iter().collect(), false)
                }
                Some(version) => {
                    let mut newer = present.since(*version);
                    let more = newer.len() > left;
                    newer.truncate(left);
                    left -= newer.len();
                    (newer, more)
                }
            };
            changes.push(ChatDelta { chat: chat.view(*id), messages, more });
        }
        let more = left_out || changes.iter().any(|delta| delta.more);
        let epoch = self.epoch.to_string();
        SyncResponse { epoch, changes, gone, more, account: Some(account) }
    }

    pub fn send_answer(&mut self) {
        self.wire.extend(self.answered.take().map(Wire::Answer));
    }

    pub fn deliver(&mut self) {
        let events = match self.wire.pop_front() {
            Some(Wire::Frame(frame)) => self.replica.apply(frame),
            Some(Wire::Answer(answer)) => self.replica.apply_sync(answer),
            None => Vec::new(),
        };
        self.check(events);
        if let Some(request) = self.replica.next_sync() {
            assert!(self.requested.replace(request).is_none(), "one sync at a time");
        }
    }

    /// Loses the next frame without a sign, if its version will show the gap.
    pub fn lose(&mut self) {
        self.wire.pop_front_if(|next| matches!(next, Wire::Frame(Frame::Change(_))));
    }

    /// Does to the next frame what a network or a slow consumer may do.
    fn disturb(&mut self, how: u8) {
        let Some(Wire::Frame(frame)) = self.wire.front().cloned() else { return };
        if matches!(frame, Frame::Ready(_)) {
            return;
        }
        match how % 3 {
            // The server announces a dropped event before what was queued.
            0 => self.wire[0] = Wire::Frame(Frame::Resync(None)),
            1 => self.wire.push_front(Wire::Frame(frame)),
            _ => {
                let Some(Wire::Frame(second)) = self.wire.get(1) else { return };
                // Changes can be put in order again; a new chat may come from another node than what
                // only the user sees.
                let may_swap = matches!(
                    (&frame, second),
                    (Frame::Change(_), Frame::Change(_))
                        | (Frame::ChatCreated(_), Frame::Signal(_))
                );
                if may_swap {
                    self.wire.swap(0, 1);
                }
            }
        }
    }

    pub fn step(&mut self, (what, how, which): (u8, u8, u8)) {
        match what % 12 {
            0..=3 => self.change(how, which),
            4 | 5 => self.deliver(),
            6 | 7 => self.work(),
            8 => self.send_answer(),
            9 => self.disturb(how),
            10 => self.change_account(how, which),
            _ if how < 60 => self.connect(),
            _ if how < 70 => {
                self.epoch += 1;
                self.connect();
            }
            // The program is started again with what it stored.
            _ if how < 90 => {
                let stored = serde_json::to_value(&self.replica).expect("JSON");
                self.replica = parse(stored);
                self.connect();
            }
            _ => {}
        }
    }

    /// Delivers everything that is under way, with no further changes or faults.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            self.deliver();
            self.work();
            self.send_answer();
            let is_idle = self.requested.is_none() && self.started.is_none();
            if self.wire.is_empty() && is_idle && !self.replica.needs_sync() {
                return;
            }
        }
        panic!("it does not settle");
    }

    /// Checks that each chat's events are consecutive.
    fn check(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::EpochChanged => self.seen.clear(),
                Event::ChatDeleted(chat) => {
                    self.seen.remove(&chat).expect("a known chat");
                }
                Event::ChatCreated(chat) => {
                    assert_eq!(self.seen.insert(chat.id, chat.version), None, "created twice");
                }
                Event::Resynced(Resynced { from, to, chat, messages }) => {
                    assert_eq!(self.seen.insert(chat.id, to).unwrap_or_default(), from);
                    assert!(from < to && to <= chat.version);
                    let versions: Vec<_> = messages.iter().map(|message| message.version).collect();
                    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
                    assert!(versions.iter().all(|version| (from.next()..=to).contains(version)));
                }
                Event::Change(change) => {
                    let (chat, version) = (change.chat(), change.version());
                    let before = self.seen.insert(chat, version);
                    assert_eq!(before, Some(version.previous()), "{change:?}");
                }
                _ => {}
            }
        }
    }

    /// The replica equals the server's data.
    pub fn check_converged(&self) {
        assert!(self.replica.is_up_to_date());
        let first_name = self.replica.user().map(|user| &user.first_name);
        assert_eq!(first_name, Some(&self.first_name));
        let mine: BTreeSet<_> =
            self.chats.iter().filter(|(_, chat)| chat.is_member).map(|(id, _)| *id).collect();
        assert_eq!(self.replica.chats().keys().copied().collect::<BTreeSet<_>>(), mine);
        for (id, known) in self.replica.chats() {
            let chat = &self.chats[id];
            assert_eq!(known.version(), chat.version);
            let mut view = chat.view(*id);
            let unread = chat.last_read.next().max(chat.first_seq);
            if known.complete_from() > unread {
                // Not every unread message is known, so the counts may be wrong.
                let Chat { unread_count, unread_mentions, .. } = *known.chat();
                (view.unread_count, view.unread_mentions) = (unread_count, unread_mentions);
            }
            assert_eq!(*known.chat(), view);
            for message in &chat.messages {
                match known.messages().get(&message.seq) {
                    Some(_) if message.seq < chat.first_seq => panic!("removed: {message:?}"),
                    Some(copy) => assert_eq!(copy, message),
                    None => assert!(
                        message.seq < known.complete_from().max(chat.first_seq),
                        "missing: {message:?}"
                    ),
                }
            }
        }
    }
}
