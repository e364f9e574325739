//! A model of the server, and a connection that drops, repeats and reorders: whatever happens, the
//! replica ends equal to the model, and what it tells is in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ME: i64 = 1;
const OTHER: i64 = 2;
const TIME: &str = "2026-01-01T00:00:00.000001Z";

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("as the server writes it")
}

fn user(id: i64) -> Value {
    json!({"id": id, "username": id.to_string(), "first_name": "", "last_name": "", "avatar": null})
}

/// A chat as the server has it.
#[derive(Clone, Debug, Default)]
struct Truth {
    version: i64,
    name: String,
    others: i64,
    mine: bool,
    messages: Vec<Message>,
}

impl Truth {
    fn view(&self, id: i64) -> Chat {
        read(json!({
            "id": id, "type": "group", "name": self.name, "description": "", "avatar": null,
            "created_at": TIME, "created_by": user(ME), "members_count": self.others + 1,
            "peer": null, "my_role": "member", "last_message": self.messages.last(),
            "unread_count": 0, "last_seq": self.messages.len(), "last_read_seq": 0,
            "version": self.version,
        }))
    }

    fn since(&self, version: i64) -> Vec<Message> {
        let newer = self.messages.iter().filter(|message| message.version > version);
        let mut newer: Vec<_> = newer.cloned().collect();
        newer.sort_by_key(|message| message.version);
        newer
    }
}

/// The server, and its connection to one client.
#[derive(Default)]
struct World {
    epoch: u32,
    chats: BTreeMap<i64, Truth>,
    wire: VecDeque<Wire>,
    /// What was asked, is being answered, and is answered and not sent yet.
    asked: Option<SyncRequest>,
    /// The server reads the chats first and their messages later.
    begun: Option<(SyncRequest, BTreeMap<i64, Truth>)>,
    answered: Option<Synced>,
    /// Most messages in an answer.
    limit: usize,
    replica: Replica,
    /// By chat, the version that was told last.
    seen: BTreeMap<i64, i64>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are few")]
enum Wire {
    Frame(Frame),
    Answer(Synced),
}

impl World {
    /// Something happens on the server.
    fn happen(&mut self, what: u8, which: u8) {
        let id = i64::from(which % 3) + 1;
        let by = if which.is_multiple_of(2) { ME } else { OTHER };
        let truth = self.chats.entry(id).or_default();
        if truth.version == 0 || !truth.mine {
            // It is made, or one comes back into it.
            (truth.version, truth.mine) = (truth.version + 1, true);
            let chat = truth.view(id);
            return self.send(Frame::ChatCreated(chat));
        }
        let version = truth.version + 1;
        truth.version = version;
        let pick = usize::from(which) % truth.messages.len().max(1);
        let change = match what % 9 {
            0..=2 => {
                let message: Message = read(json!({
                    "id": id * 1000 + truth.messages.len() as i64, "chat": id,
                    "seq": truth.messages.len() + 1, "version": version, "sender": user(by),
                    "content": version.to_string(), "timestamp": TIME, "edited_at": null,
                    "deleted_at": null, "reply_to": null, "client_id": null, "status": "sent",
                }));
                truth.messages.push(message.clone());
                Change::MessageCreated { chat: id, version, message }
            }
            3 | 4 if !truth.messages.is_empty() => {
                let message = &mut truth.messages[pick];
                (message.version, message.content) = (version, version.to_string());
                Change::MessageUpdated { chat: id, version, message: message.clone() }
            }
            5 => {
                truth.others += 1;
                let member = read(json!({"user": user(OTHER), "role": "member", "joined_at": TIME,
                    "last_delivered_seq": 0, "last_read_seq": 0}));
                Change::MemberJoined { chat: id, version, member }
            }
            6 => {
                truth.mine = false;
                return self.send(Frame::ChatDeleted(id));
            }
            // One left and came back, and is told of the latter alone.
            7 => {
                truth.version += 1;
                let chat = truth.view(id);
                return self.send(Frame::ChatCreated(chat));
            }
            _ => {
                truth.name = version.to_string();
                let (name, description) = (truth.name.clone(), String::new());
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
        (self.asked, self.begun, self.answered) = (None, None, None);
        let mine = self.chats.iter().filter(|(_, truth)| truth.mine);
        let versions: BTreeMap<_, _> =
            mine.map(|(id, truth)| (id.to_string(), truth.version)).collect();
        let mut me = user(ME);
        me["status"] = json!("online");
        (me["status_text"], me["last_seen"], me["date_joined"]) =
            (json!(""), json!(null), json!(TIME));
        self.send(Frame::Ready(read(json!({"user": me, "session": 1, "server_time": TIME,
            "epoch": self.epoch.to_string(), "heartbeat": 30, "versions": versions}))));
    }

    /// As the server answers: half of it at this moment, the other half the next time.
    fn answer(&mut self) {
        let Some((question, before)) = self.begun.take() else {
            let chats = self.chats.clone();
            self.begun = self.asked.take().map(|question| (question, chats));
            return;
        };
        let same = question.epoch.is_none_or(|epoch| epoch == self.epoch.to_string());
        let is_mine = |id: &i64| before.get(id).is_some_and(|truth| truth.mine);
        let gone = question.versions.keys().copied().filter(|id| !is_mine(id)).collect();
        let (mut left, mut changes) = (self.limit, Vec::new());
        let mut left_out = false;
        for (id, truth) in before.iter().filter(|(_, truth)| truth.mine) {
            let named = question.versions.get(id).filter(|v| same && **v <= truth.version);
            if named == Some(&truth.version) {
                continue;
            }
            // There is no room for more chats.
            left_out = changes.len() > self.limit;
            if left_out {
                break;
            }
            let (messages, more) = match named {
                None => (truth.messages.last().cloned().into_iter().collect(), false),
                Some(version) => {
                    let mut newer = self.chats[id].since(*version);
                    let more = newer.len() > left;
                    newer.truncate(left);
                    left -= newer.len();
                    (newer, more)
                }
            };
            changes.push(Newer { chat: truth.view(*id), messages, more });
        }
        let more = left_out || changes.iter().any(|newer| newer.more);
        self.answered = Some(Synced { epoch: self.epoch.to_string(), changes, gone, more });
    }

    fn deliver(&mut self) {
        match self.wire.pop_front() {
            Some(Wire::Frame(frame)) => {
                let events = self.replica.hear(frame);
                self.check(events);
            }
            Some(Wire::Answer(answer)) => {
                let events = self.replica.synced(answer);
                self.check(events);
            }
            None => {}
        }
        if let Some(question) = self.replica.question() {
            assert!(self.asked.replace(question).is_none(), "one question at a time");
        }
    }

    /// What the network, or a slow reader, does to the frame that is next.
    fn disturb(&mut self, how: u8) {
        let Some(Wire::Frame(frame)) = self.wire.front().cloned() else { return };
        if matches!(frame, Frame::Ready(_)) {
            return;
        }
        match how % 3 {
            // A drop is announced, before what was queued.
            0 => {
                let chat = match &frame {
                    Frame::Change(change) => change.place().0,
                    Frame::ChatCreated(chat) => chat.id,
                    Frame::ChatDeleted(chat) => *chat,
                    _ => return,
                };
                self.wire.pop_front();
                self.wire.push_front(Wire::Frame(Frame::Resync(Some(vec![chat]))));
            }
            1 => self.wire.push_front(Wire::Frame(frame)),
            // Only what has a version can be put in order again.
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
            0..=3 => self.happen(how, which),
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

    /// The network heals, nothing more happens, and everything arrives.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.deliver();
            self.answer();
            if let Some(answer) = self.answered.take() {
                self.wire.push_back(Wire::Answer(answer));
            }
            let idle = self.asked.is_none() && self.begun.is_none();
            if self.wire.is_empty() && idle && !self.replica.has_question() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Each chat's events follow upon each other.
    fn check(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Forgotten => self.seen.clear(),
                Event::ChatDeleted(chat) => {
                    self.seen.remove(&chat).expect("it was told of");
                }
                Event::ChatCreated(chat) => {
                    assert_eq!(self.seen.insert(chat.id, chat.version), None, "told twice");
                }
                Event::Resynced(Resynced { from, upto, chat, messages }) => {
                    assert_eq!(self.seen.insert(chat.id, upto).unwrap_or(0), from);
                    assert!(from < upto && upto <= chat.version);
                    let versions: Vec<_> = messages.iter().map(|message| message.version).collect();
                    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
                    assert!(versions.iter().all(|version| (from + 1..=upto).contains(version)));
                }
                Event::Change(change) => {
                    let (chat, version) = change.place();
                    assert_eq!(self.seen.insert(chat, version), Some(version - 1), "{change:?}");
                }
                _ => {}
            }
        }
    }

    fn judge(&self) {
        assert!(self.replica.is_in_step());
        let mine: BTreeSet<_> =
            self.chats.iter().filter(|(_, truth)| truth.mine).map(|(id, _)| *id).collect();
        assert_eq!(self.replica.chats().keys().copied().collect::<BTreeSet<_>>(), mine);
        for (id, known) in self.replica.chats() {
            let truth = &self.chats[id];
            let view = truth.view(*id);
            assert_eq!(known.version(), truth.version);
            let told = |chat: &Chat| {
                let Chat { name, members_count, last_seq, version, last_message, .. } =
                    chat.clone();
                (name, members_count, last_seq, version, last_message)
            };
            assert_eq!(told(known.chat()), told(&view));
            for message in &truth.messages {
                match known.messages().get(&message.seq) {
                    Some(copy) => assert_eq!(copy, message),
                    None => assert!(message.seq < known.complete_from(), "a hole: {message:?}"),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Drops are announced, as the server promises: no new connection is needed.
    #[test]
    fn what_is_dropped_and_announced_is_made_good(
        steps in vec(any::<(u8, u8, u8)>(), 1..150),
        limit in 1_usize..5,
    ) {
        let mut world = World { limit, ..World::default() };
        world.connect();
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.judge();
    }

    /// Nothing is announced; a new connection makes it good.
    #[test]
    fn a_new_connection_makes_everything_good(
        steps in vec((any::<(u8, u8, u8)>(), 0_u8..8), 1..150),
    ) {
        let mut world = World { limit: 500, ..World::default() };
        world.connect();
        for (step, fate) in steps {
            world.step(step);
            if fate == 0 && matches!(world.wire.front(), Some(Wire::Frame(Frame::Change(_)))) {
                world.wire.pop_front();
            }
        }
        world.connect();
        world.settle();
        world.judge();
    }
}

#[test]
fn a_gap_is_asked_for_and_filled_before_what_follows() {
    let mut world = World { limit: 500, ..World::default() };
    world.connect();
    world.happen(0, 0);
    world.settle();
    for _ in 0..3 {
        world.happen(0, 0);
    }
    world.wire.pop_front();
    world.deliver();
    let question = world.asked.clone().expect("a question");
    assert_eq!(question.versions, BTreeMap::from([(1, 1)]));
    world.deliver();
    assert_eq!(world.seen[&1], 1, "what follows waits");
    world.settle();
    assert_eq!(world.seen[&1], 4);
    world.judge();
}

#[test]
fn an_answer_that_is_older_than_ones_leaving_does_not_bring_the_chat_back() {
    let mut world = World { limit: 500, ..World::default() };
    world.happen(0, 0);
    world.connect();
    world.deliver();
    world.answer();
    world.answer();
    world.happen(6, 0);
    world.deliver();
    let answer = world.answered.take().expect("answered before one left");
    world.wire.push_back(Wire::Answer(answer));
    world.settle();
    world.judge();
}
