//! Property tests with a model of the server and a connection that drops, repeats and reorders
//! frames: the replica converges to the model, and its events are in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ME: i64 = 1;
const OTHER: i64 = 2;
const TIME: &str = "2026-01-01T00:00:00.000001Z";

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a valid body")
}

fn user(id: i64) -> Value {
    json!({"id": id, "username": id.to_string(), "first_name": "", "last_name": "", "avatar": null})
}

/// A chat on the server.
#[derive(Clone, Debug, Default)]
struct ServerChat {
    version: Version,
    name: String,
    others: i64,
    is_member: bool,
    messages: Vec<Message>,
}

impl ServerChat {
    fn view(&self, id: ChatId) -> Chat {
        parse(json!({
            "id": id, "type": "group", "name": self.name, "description": "", "avatar": null,
            "created_at": TIME, "created_by": user(ME), "members_count": self.others + 1,
            "peer": null, "my_role": "member", "last_message": self.messages.last(),
            "unread_count": 0, "last_seq": self.messages.len(), "last_read_seq": 0,
            "version": self.version,
        }))
    }

    fn since(&self, version: Version) -> Vec<Message> {
        let newer = self.messages.iter().filter(|message| message.version > version);
        let mut newer: Vec<_> = newer.cloned().collect();
        newer.sort_by_key(|message| message.version);
        newer
    }
}

/// The model: a server, one client, and the connection between them.
#[derive(Default)]
struct World {
    epoch: u32,
    chats: BTreeMap<ChatId, ServerChat>,
    wire: VecDeque<Wire>,
    /// A sync request that the server has not started on.
    requested: Option<SyncRequest>,
    /// One that it has started on. It reads the chats first and their messages later.
    started: Option<(SyncRequest, BTreeMap<ChatId, ServerChat>)>,
    /// An answer that it has not sent.
    answered: Option<SyncResponse>,
    /// The most messages in an answer.
    limit: usize,
    replica: Replica,
    /// By chat, the version of the last event.
    seen: BTreeMap<ChatId, Version>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few")]
enum Wire {
    Frame(Frame),
    Answer(SyncResponse),
}

impl World {
    /// Changes something on the server.
    fn change(&mut self, what: u8, which: u8) {
        let id = ChatId(i64::from(which % 3) + 1);
        let by = if which.is_multiple_of(2) { ME } else { OTHER };
        let chat = self.chats.entry(id).or_default();
        if chat.version == Version(0) || !chat.is_member {
            // Create it, or rejoin it.
            (chat.version, chat.is_member) = (chat.version.next(), true);
            let chat = chat.view(id);
            return self.send(Frame::ChatCreated(chat));
        }
        let version = chat.version.next();
        chat.version = version;
        let pick = usize::from(which) % chat.messages.len().max(1);
        let change = match what % 9 {
            0..=2 => {
                let message: Message = parse(json!({
                    "id": id.0 * 1000 + chat.messages.len() as i64, "chat": id,
                    "seq": chat.messages.len() + 1, "version": version, "sender": user(by),
                    "content": version.to_string(), "timestamp": TIME, "edited_at": null,
                    "deleted_at": null, "reply_to": null, "client_id": null, "status": "sent",
                }));
                chat.messages.push(message.clone());
                Change::MessageCreated { chat: id, version, message }
            }
            3 | 4 if !chat.messages.is_empty() => {
                let message = &mut chat.messages[pick];
                (message.version, message.content) = (version, version.to_string());
                Change::MessageUpdated { chat: id, version, message: message.clone() }
            }
            5 => {
                chat.others += 1;
                let member =
                    parse(json!({"user": user(OTHER), "role": "member", "joined_at": TIME,
                    "last_delivered_seq": 0, "last_read_seq": 0}));
                Change::MemberJoined { chat: id, version, member }
            }
            6 => {
                chat.is_member = false;
                return self.send(Frame::ChatDeleted(id));
            }
            // Leave and rejoin; only the latter is delivered.
            7 => {
                chat.version = chat.version.next();
                let chat = chat.view(id);
                return self.send(Frame::ChatCreated(chat));
            }
            _ => {
                chat.name = version.to_string();
                let (name, description) = (chat.name.clone(), String::new());
                Change::ChatUpdated { chat: id, version, name, description, avatar: None }
            }
        };
        self.send(Frame::Change(change));
    }

    fn send(&mut self, frame: Frame) {
        self.wire.push_back(Wire::Frame(frame));
    }

    fn connect(&mut self) {
        self.replica.disconnected();
        self.wire.clear();
        (self.requested, self.started, self.answered) = (None, None, None);
        let mine = self.chats.iter().filter(|(_, chat)| chat.is_member);
        let versions: BTreeMap<_, _> =
            mine.map(|(id, chat)| (id.to_string(), chat.version)).collect();
        let mut me = user(ME);
        me["status"] = json!("online");
        (me["status_text"], me["last_seen"], me["date_joined"]) =
            (json!(""), json!(null), json!(TIME));
        self.send(Frame::Ready(parse(json!({"user": me, "session": 1, "server_time": TIME,
            "epoch": self.epoch.to_string(), "heartbeat": 30, "versions": versions}))));
    }

    /// Answers a sync in two steps, as the server does.
    fn answer(&mut self) {
        let Some((request, before)) = self.started.take() else {
            let chats = self.chats.clone();
            self.started = self.requested.take().map(|request| (request, chats));
            return;
        };
        let same_epoch = request.epoch.is_none_or(|epoch| epoch == self.epoch.to_string());
        let is_mine = |id: &ChatId| before.get(id).is_some_and(|chat| chat.is_member);
        let gone = request.versions.keys().copied().filter(|id| !is_mine(id)).collect();
        let (mut left, mut changes) = (self.limit, Vec::new());
        let mut left_out = false;
        for (id, chat) in before.iter().filter(|(_, chat)| chat.is_member) {
            let named = request.versions.get(id).filter(|v| same_epoch && **v <= chat.version);
            if named == Some(&chat.version) {
                continue;
            }
            // The answer has no room for more chats.
            left_out = changes.len() > self.limit;
            if left_out {
                break;
            }
            let (messages, more) = match named {
                None => (chat.messages.last().cloned().into_iter().collect(), false),
                Some(version) => {
                    let mut newer = self.chats[id].since(*version);
                    let more = newer.len() > left;
                    newer.truncate(left);
                    left -= newer.len();
                    (newer, more)
                }
            };
            changes.push(ChatDelta { chat: chat.view(*id), messages, more });
        }
        let more = left_out || changes.iter().any(|delta| delta.more);
        self.answered = Some(SyncResponse {
            epoch: self.epoch.to_string(),
            changes,
            gone,
            more,
            account: None,
        });
    }

    fn deliver(&mut self) {
        match self.wire.pop_front() {
            Some(Wire::Frame(frame)) => {
                let events = self.replica.apply(frame);
                self.check(events);
            }
            Some(Wire::Answer(answer)) => {
                let events = self.replica.apply_sync(answer);
                self.check(events);
            }
            None => {}
        }
        if let Some(request) = self.replica.next_sync() {
            assert!(self.requested.replace(request).is_none(), "one sync at a time");
        }
    }

    /// Does to the next frame what a network or a slow consumer may do.
    fn disturb(&mut self, how: u8) {
        let Some(Wire::Frame(frame)) = self.wire.front().cloned() else { return };
        if matches!(frame, Frame::Ready(_)) {
            return;
        }
        match how % 3 {
            // The server announces a dropped event before what was queued.
            0 => {
                let chat = match &frame {
                    Frame::Change(change) => change.chat(),
                    Frame::ChatCreated(chat) => chat.id,
                    Frame::ChatDeleted(chat) => *chat,
                    _ => return,
                };
                self.wire.pop_front();
                self.wire.push_front(Wire::Frame(Frame::Resync(Some(vec![chat]))));
            }
            1 => self.wire.push_front(Wire::Frame(frame)),
            // Only versioned frames can be put in order again.
            _ => {
                if let (Some(Wire::Frame(Frame::Change(_))), Frame::Change(_)) =
                    (self.wire.get(1), &frame)
                {
                    self.wire.swap(0, 1);
                }
            }
        }
    }

    fn step(&mut self, (what, how, which): (u8, u8, u8)) {
        match what % 10 {
            0..=3 => self.change(how, which),
            4 | 5 => self.deliver(),
            6 => self.answer(),
            7 => {
                if let Some(answer) = self.answered.take() {
                    self.wire.push_back(Wire::Answer(answer));
                }
            }
            8 => self.disturb(how),
            _ if how < 40 => self.connect(),
            _ if how < 50 => {
                self.epoch += 1;
                self.connect();
            }
            _ => {}
        }
    }

    /// Delivers everything that is under way, with no further changes or faults.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.deliver();
            self.answer();
            if let Some(answer) = self.answered.take() {
                self.wire.push_back(Wire::Answer(answer));
            }
            let idle = self.requested.is_none() && self.started.is_none();
            if self.wire.is_empty() && idle && !self.replica.needs_sync() {
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
                    assert_eq!(
                        self.seen.insert(chat, version),
                        Some(version.previous()),
                        "{change:?}"
                    );
                }
                _ => {}
            }
        }
    }

    fn check_converged(&self) {
        assert!(self.replica.is_up_to_date());
        let mine: BTreeSet<_> =
            self.chats.iter().filter(|(_, chat)| chat.is_member).map(|(id, _)| *id).collect();
        assert_eq!(self.replica.chats().keys().copied().collect::<BTreeSet<_>>(), mine);
        for (id, known) in self.replica.chats() {
            let chat = &self.chats[id];
            let view = chat.view(*id);
            assert_eq!(known.version(), chat.version);
            let summary = |chat: &Chat| {
                let Chat { name, members_count, last_seq, version, last_message, .. } =
                    chat.clone();
                (name, members_count, last_seq, version, last_message)
            };
            assert_eq!(summary(known.chat()), summary(&view));
            for message in &chat.messages {
                match known.messages().get(&message.seq) {
                    Some(copy) => assert_eq!(copy, message),
                    None => assert!(message.seq < known.complete_from(), "missing: {message:?}"),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Drops that the server announces are repaired on the same connection.
    #[test]
    fn announced_drops_are_repaired_by_a_sync(
        steps in vec(any::<(u8, u8, u8)>(), 1..150),
        limit in 1_usize..5,
    ) {
        let mut world = World { limit, ..World::default() };
        world.connect();
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.check_converged();
    }

    /// Silent drops are repaired by the next connection.
    #[test]
    fn silent_drops_are_repaired_by_a_reconnection(
        steps in vec((any::<(u8, u8, u8)>(), 0_u8..8), 1..150),
    ) {
        let mut world = World { limit: 500, ..World::default() };
        world.connect();
        for (step, drop) in steps {
            world.step(step);
            if drop == 0 && matches!(world.wire.front(), Some(Wire::Frame(Frame::Change(_)))) {
                world.wire.pop_front();
            }
        }
        world.connect();
        world.settle();
        world.check_converged();
    }
}

#[test]
fn a_gap_is_filled_before_later_changes_are_applied() {
    let mut world = World { limit: 500, ..World::default() };
    world.connect();
    world.change(0, 0);
    world.settle();
    for _ in 0..3 {
        world.change(0, 0);
    }
    world.wire.pop_front();
    world.deliver();
    let request = world.requested.clone().expect("a sync request");
    assert_eq!(request.versions, BTreeMap::from([(ChatId(1), Version(1))]));
    world.deliver();
    assert_eq!(world.seen[&ChatId(1)], Version(1), "later changes are buffered");
    world.settle();
    assert_eq!(world.seen[&ChatId(1)], Version(4));
    world.check_converged();
}

#[test]
fn a_sync_answer_that_predates_leaving_does_not_restore_the_chat() {
    let mut world = World { limit: 500, ..World::default() };
    world.change(0, 0);
    world.connect();
    world.deliver();
    world.answer();
    world.answer();
    world.change(6, 0);
    world.deliver();
    let answer = world.answered.take().expect("answered before leaving");
    world.wire.push_back(Wire::Answer(answer));
    world.settle();
    world.check_converged();
}

#[test]
fn the_settings_of_a_frame_are_not_replaced_by_an_older_answer() {
    let chat = |pinned: bool, version: i64| -> Value {
        let chat =
            ServerChat { version: Version(version), is_member: true, ..ServerChat::default() };
        let mut chat = serde_json::to_value(chat.view(ChatId(1))).expect("JSON");
        chat["pinned"] = pinned.into();
        chat
    };
    let frame = |value: Value| Frame::parse(&value.to_string()).expect("valid");
    let set = |pinned: bool, account: i64| {
        frame(json!({
            "type": "chat.settings", "chat": 1, "account": account, "muted_until": null,
            "pinned": pinned, "archived": false,
        }))
    };
    let answer = |account: i64, pinned: bool, version: i64| -> SyncResponse {
        let chats = json!([{
            "chat": 1, "last_read_seq": 0, "unread_count": 0, "pinned": pinned,
            "muted_until": null, "archived": false,
        }]);
        let change = json!({"chat": chat(pinned, version), "messages": [], "more": false});
        parse(json!({
            "epoch": "e", "changes": [change], "gone": [], "more": false,
            "account": {"version": account, "user": null, "chats": chats, "blocks": [], "more": false},
        }))
    };
    let is_pinned =
        |replica: &Replica| replica.chat(ChatId(1)).is_some_and(|chat| chat.chat().settings.pinned);
    let mut replica = Replica::default();
    // A chat that another node announces after its settings.
    replica.apply(set(true, 5));
    replica.apply(frame(json!({"type": "chat.created", "chat": chat(false, 1)})));
    assert!(is_pinned(&replica));
    // An answer that was read before the frame, and one that was read after it.
    replica.gaps.needs_sync = true;
    replica.next_sync().expect("a request");
    replica.apply_sync(answer(4, false, 2));
    assert!(is_pinned(&replica));
    replica.gaps.needs_sync = true;
    replica.next_sync().expect("a request");
    replica.apply_sync(answer(6, false, 3));
    assert!(!is_pinned(&replica));
    replica.apply(set(true, 7));
    assert!(is_pinned(&replica));
    // Blocks likewise.
    let block = |blocked: bool, account: i64| {
        let frame =
            json!({"type": "block.updated", "user": 9, "blocked": blocked, "account": account});
        Frame::parse(&frame.to_string()).expect("valid")
    };
    let private = |blocked: bool, version: i64| -> Value {
        let mut peer = user(9);
        for (name, value) in [
            ("status", json!("offline")),
            ("status_text", json!("")),
            ("last_seen", Value::Null),
            ("date_joined", json!(TIME)),
        ] {
            peer[name] = value;
        }
        let mut chat = chat(false, version);
        (chat["id"], chat["type"], chat["peer"]) = (json!(2), json!("private"), peer);
        chat["blocked"] = blocked.into();
        chat
    };
    replica.apply(block(true, 8));
    replica.apply(frame(json!({"type": "chat.created", "chat": private(false, 1)})));
    let is_blocked = |replica: &Replica| replica.chat(ChatId(2)).map(|chat| chat.chat().blocked);
    assert_eq!(is_blocked(&replica), Some(true));
    replica.gaps.needs_sync = true;
    replica.next_sync().expect("a request");
    let mut delta = answer(9, true, 3);
    let ended = json!({"user": 9, "blocked": false});
    delta.account.as_mut().expect("an account").blocks = vec![parse(ended)];
    replica.apply_sync(delta);
    assert_eq!(is_blocked(&replica), Some(false));
    // What was set before leaving does not count after the return.
    replica.apply(frame(json!({"type": "chat.deleted", "chat": 1})));
    replica.apply(frame(json!({"type": "chat.created", "chat": chat(false, 9)})));
    assert!(!is_pinned(&replica));
}
