//! Old state plus events equals new state: whatever users do concurrently, each client converges to the
//! server's state. The operations are random; a failure prints their seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::attachments::upload;
use crate::support::replica::lasting;
use crate::support::{Answer, Backend, Chance, Client, Replica, Socket, TestApp};

const CASES: usize = 20;
const PEOPLE: usize = 4;
/// The number of operations of each user.
const STEPS: usize = 12;

/// The answer in a private chat of which one user blocks the other.
const BLOCKED: &str = "You cannot message this user.";

/// What only a user sees.
#[derive(Debug, Default, PartialEq)]
struct Own {
    /// The settings of chats that differ from those of a new chat.
    settings: BTreeMap<i64, Value>,
    blocks: BTreeSet<i64>,
}

impl Own {
    /// As the server has it.
    async fn read(client: &Client, chats: &[Value]) -> Self {
        let mut own = Self::default();
        chats.iter().for_each(|chat| own.set(&chat["id"], chat));
        let blocks = client.get("/api/blocks/").await.expect(200);
        own.blocks.extend(blocks.column("id").iter().filter_map(Value::as_i64));
        own
    }

    /// Takes the settings from a chat or a frame.
    fn set(&mut self, chat: &Value, from: &Value) {
        let settings = json!([from["muted_until"], from["pinned"], from["archived"]]);
        let chat = chat.as_i64().expect("an id");
        match settings == json!([null, false, false]) {
            true => self.settings.remove(&chat),
            false => self.settings.insert(chat, settings),
        };
    }
}

/// A user, with the client's state.
struct Person {
    client: Client,
    socket: Socket,
    replica: Replica,
    chance: Chance,
    others: Vec<i64>,
    own: Own,
    /// The codes of all invites.
    invites: Arc<Mutex<Vec<String>>>,
    /// Sends over the socket that are not yet answered.
    unanswered: usize,
}

impl Person {
    async fn new(
        client: Client,
        others: Vec<i64>,
        chance: Chance,
        invites: Arc<Mutex<Vec<String>>>,
    ) -> Self {
        let socket = Socket::open(&client).await;
        let (mut replica, own) = (Replica::default(), Own::default());
        replica.begin(&socket.ready);
        Self { client, socket, replica, chance, others, own, invites, unanswered: 0 }
    }

    async fn act(mut self) -> Self {
        for _ in 0..STEPS {
            self.step().await;
            if self.chance.one_in(3) {
                self.listen().await;
            }
        }
        self
    }

    async fn step(&mut self) {
        let chats: Vec<_> = self.replica.chats.keys().copied().collect();
        let chat = self.chance.pick(&chats).copied();
        match (self.chance.below(24), chat) {
            (0, _) | (_, None) => self.make_chat().await,
            (1, _) => self.reconnect().await,
            (2..=10, Some(chat)) => self.say(chat).await,
            (11..=13, Some(chat)) => self.react(chat).await,
            (14, Some(chat)) => self.pin(chat).await,
            (15, Some(chat)) => self.forward(chat).await,
            (16, Some(chat)) => self.set(chat).await,
            (17, _) => self.block().await,
            (18, Some(chat)) => self.invite(chat).await,
            (19, _) => self.join().await,
            (_, Some(chat)) => self.change(chat).await,
        }
    }

    async fn make_chat(&mut self) {
        let other = *self.chance.pick(&self.others).expect("somebody");
        let body = match self.chance.one_in(2) {
            true => json!({"type": "private", "members": [other]}),
            false => {
                let members = if self.chance.one_in(2) { &self.others } else { &vec![other] };
                json!({"type": "group", "name": "Kitchen", "members": members})
            }
        };
        let answer = self.client.post("/api/chats/", body).await;
        // Users who are blocked, or who block, cannot be added.
        let is_refused = answer.status == 400 && answer.json["members"].is_array();
        assert!(is_refused || is_one_of(&answer, &[200, 201]), "{answer:?}");
    }

    async fn say(&mut self, chat: i64) {
        let at = ["", "@all ", "@cat"][self.chance.below(3)];
        let content = format!("{at}{:x}", self.chance.below(1 << 30));
        let mut frame = json!({"type": "message.send", "chat": chat, "content": content});
        if self.chance.one_in(4) {
            let file = upload(&self.client, "cat.txt", content.as_bytes()).await;
            frame["attachments"] = json!([file["id"]]);
        }
        if self.chance.one_in(2) {
            let answer = self.client.post(&format!("/api/chats/{chat}/messages/"), frame).await;
            assert!(is_one_of(&answer, &[201]), "{answer:?}");
            return;
        }
        if self.chance.one_in(2) {
            // The answer is read later.
            self.unanswered += 1;
            frame["id"] = json!("later");
            self.socket.send(frame).await;
        } else {
            let answer = self.socket.request(frame).await;
            assert!(answer["type"] == "ack" || answer["detail"] == BLOCKED, "{answer}");
        }
    }

    /// Edits or deletes the user's own message, or tries to with another's.
    async fn change(&mut self, chat: i64) {
        let known: Vec<_> = self.replica.chats[&chat].messages.values().collect();
        let Some(message) = self.chance.pick(&known) else { return };
        let (id, own) = (message["id"].clone(), message["sender"]["id"] == self.client.id);
        let mention = format!("@{} and @all", self.client.username);
        let content = ["one", &mention, &id.to_string()][self.chance.below(3)].to_owned();
        let edit = self.chance.one_in(2);
        let path = format!("/api/messages/{id}/");
        let outcome = match (self.chance.one_in(2), edit) {
            (true, true) => {
                let answer = self.client.put(&path, json!({"content": content})).await;
                answer.status.as_u16()
            }
            (true, false) => self.client.delete(&path).await.status.as_u16(),
            (false, true) => {
                let frame = json!({"type": "message.edit", "message": id, "content": content});
                outcome(&self.socket.request(frame).await)
            }
            (false, false) => {
                let frame = json!({"type": "message.delete", "message": id});
                outcome(&self.socket.request(frame).await)
            }
        };
        let expected: &[u16] = match (own, edit) {
            // Nobody edits in a private chat whose other user is blocked, or blocks.
            (true, true) => &[200, 403, 409],
            (true, false) => &[200, 204],
            (false, true) => &[403],
            // A group's owner may delete it.
            (false, false) => &[200, 204, 403],
        };
        assert!(expected.contains(&outcome), "{outcome}, own: {own}, edit: {edit}, {message}");
    }

    /// Reacts to a message, or no longer.
    async fn react(&mut self, chat: i64) {
        let known: Vec<_> = self.replica.chats[&chat].messages.values().collect();
        let Some(id) = self.chance.pick(&known).map(|message| message["id"].clone()) else {
            return;
        };
        let emoji = ["🐈", "❤️"][self.chance.below(2)];
        let active = self.chance.one_in(2);
        let path = format!("/api/messages/{id}/reactions/{emoji}/");
        let outcome = match (self.chance.one_in(2), active) {
            (true, true) => self.client.put(&path, Value::Null).await.status.as_u16(),
            (true, false) => self.client.delete(&path).await.status.as_u16(),
            (false, _) => {
                let frame = json!({"type": "message.react", "message": id, "emoji": emoji, "active": active});
                outcome(&self.socket.request(frame).await)
            }
        };
        assert!([200, 403, 409].contains(&outcome), "{outcome}, {id}");
    }

    /// Forwards a message to all chats of the user, or to some.
    async fn forward(&mut self, chat: i64) {
        let known: Vec<_> = self.replica.chats[&chat].messages.values().collect();
        let Some(id) = self.chance.pick(&known).map(|message| message["id"].clone()) else {
            return;
        };
        let chats: Vec<_> = self.replica.chats.keys().copied().take(20).collect();
        let chats = &chats[self.chance.below(chats.len())..];
        let body = json!({"chats": chats, "client_id": format!("f{}", self.chance.below(3))});
        let answer = self.client.post(&format!("/api/messages/{id}/forward/"), body).await;
        // A tombstone, or another message under this key.
        assert!(is_one_of(&answer, &[200, 201, 409]), "{answer:?}");
    }

    /// Changes the settings of a chat.
    async fn set(&mut self, chat: i64) {
        let muted = if self.chance.one_in(2) { json!("forever") } else { Value::Null };
        let change = match self.chance.below(3) {
            0 => json!({"pinned": self.chance.one_in(2)}),
            1 => json!({"archived": self.chance.one_in(2)}),
            _ => json!({ "muted_until": muted }),
        };
        self.client.patch(&format!("/api/chats/{chat}/settings/"), change).await.expect(200);
    }

    /// Blocks somebody, or unblocks them.
    async fn block(&mut self) {
        let other = *self.chance.pick(&self.others).expect("somebody");
        let path = format!("/api/blocks/{other}/");
        match self.chance.one_in(3) {
            true => self.client.put(&path, json!({})).await.expect(204),
            false => self.client.delete(&path).await.expect(204),
        };
    }

    /// Invites to a group. Only its owner may.
    async fn invite(&mut self, chat: i64) {
        let answer = self.client.post(&format!("/api/chats/{chat}/invites/"), json!({})).await;
        assert!([201, 403].contains(&answer.status.as_u16()), "{answer:?}");
        if let Some(code) = answer.json["code"].as_str() {
            self.invites.lock().expect("not poisoned").push(code.to_owned());
        }
    }

    /// Joins a group by an invite, and reads what was said there before.
    async fn join(&mut self) {
        let codes = self.invites.lock().expect("not poisoned").clone();
        let Some(code) = self.chance.pick(&codes) else { return };
        let path = format!("/api/invites/{code}/accept/");
        let joined = self.client.post(&path, json!({})).await.expect(200).json["id"].clone();
        let chat = joined.as_i64().expect("an id");
        while !self.replica.chats.contains_key(&chat) {
            let frame = self.socket.next().await;
            self.hear(&frame);
        }
        self.replica.fetch(&self.client, chat).await;
    }

    /// Pins a message, or unpins it. Only a private chat's users and a group's owner may.
    async fn pin(&mut self, chat: i64) {
        let known: Vec<_> = self.replica.chats[&chat].messages.values().collect();
        let Some(id) = self.chance.pick(&known).map(|message| message["id"].clone()) else {
            return;
        };
        let path = format!("/api/messages/{id}/pin/");
        let answer = match self.chance.one_in(3) {
            true => self.client.delete(&path).await,
            false => self.client.put(&path, Value::Null).await,
        };
        assert!([200, 403, 409].contains(&answer.status.as_u16()), "{answer:?}");
    }

    /// Reconnects with the known state, and reads what may have been missed.
    async fn reconnect(&mut self) {
        self.await_answers().await;
        self.socket = Socket::open(&self.client).await;
        let known: Vec<_> =
            self.replica.chats.iter().map(|(chat, known)| (*chat, known.version)).collect();
        self.replica.begin(&self.socket.ready);
        let list = self.client.get("/api/chats/?page_size=100").await.expect(200);
        self.own = Own::read(&self.client, list.results()).await;
        for chat in self.replica.chats.keys().copied().collect::<Vec<_>>() {
            if !known.contains(&(chat, self.replica.version(chat))) {
                self.replica.fetch(&self.client, chat).await;
            }
        }
    }

    async fn listen(&mut self) {
        for frame in self.socket.drain().await {
            self.hear(&frame);
        }
    }

    async fn await_answers(&mut self) {
        while self.unanswered > 0 {
            let frame = self.socket.next().await;
            self.hear(&frame);
        }
    }

    fn hear(&mut self, frame: &Value) {
        if frame["id"] == "later" {
            assert!(frame["type"] == "ack" || frame["detail"] == BLOCKED, "{frame}");
            self.unanswered -= 1;
            return;
        }
        match frame["type"].as_str() {
            Some("chat.settings") => return self.own.set(&frame["chat"], frame),
            Some("block.updated") => {
                let user = frame["user"].as_i64().expect("an id");
                match frame["blocked"] == true {
                    true => self.own.blocks.insert(user),
                    false => self.own.blocks.remove(&user),
                };
                return;
            }
            _ => {}
        }
        self.replica.hear(frame);
        assert!(self.replica.resyncs.is_empty(), "{frame}");
    }

    /// Receives events until the versions equal the server's, and compares.
    async fn settle(&mut self) {
        let list = self.client.get("/api/chats/?page_size=100").await.expect(200);
        for chat in list.results() {
            let (id, version) = (chat["id"].as_i64().expect("id"), chat["version"].as_i64());
            while self.replica.version(id) < version.expect("a version") {
                let frame = self.socket.next().await;
                self.hear(&frame);
            }
        }
        self.listen().await;
        let own = Own::read(&self.client, list.results()).await;
        while self.own != own {
            let frame = self.socket.next().await;
            self.hear(&frame);
        }
        assert_eq!(self.replica.chats.len(), list.results().len());
        for chat in list.results() {
            let known = &self.replica.chats[&chat["id"].as_i64().expect("id")];
            assert_eq!(known.version, chat["version"]);
            let mut fresh = Replica::default();
            fresh.fetch(&self.client, chat["id"].as_i64().expect("id")).await;
            let fresh = fresh.chats.into_values().next().unwrap_or_default();
            assert_eq!(known.contents(), fresh.contents(), "chat {}", chat["id"]);
            assert_eq!(chat["last_seq"], fresh.messages.len());
            let newest = fresh.contents().pop().unwrap_or_default();
            assert_eq!(lasting_or_null(&chat["last_message"]), newest);
        }
    }
}

fn lasting_or_null(message: &Value) -> Value {
    if message.is_null() { Value::Null } else { lasting(message) }
}

/// Whether an answer has one of these statuses, or says that one user blocks the other.
fn is_one_of(answer: &Answer, statuses: &[u16]) -> bool {
    let is_blocked = answer.status == 403 && answer.json["detail"] == BLOCKED;
    is_blocked || statuses.contains(&answer.status.as_u16())
}

/// The REST status that corresponds to an answer over the socket.
fn outcome(frame: &Value) -> u16 {
    match (frame["type"].as_str(), frame["code"].as_str()) {
        (Some("ack"), _) => 200,
        (_, Some("permission_denied")) => 403,
        (_, Some("conflict")) => 409,
        _ => panic!("{frame}"),
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ready_and_the_events_tell_is_what_the_server_has(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut chance = Chance::new("convergence");
    // Side by side: most of a case is waiting.
    join_all((0..CASES).map(|_| converge(&server, chance.fork()))).await;
}

async fn converge(server: &TestApp, mut chance: Chance) {
    let clients = join_all((0..PEOPLE).map(|_| server.user("cat"))).await;
    let (mut people, invites) = (Vec::new(), Arc::default());
    for client in &clients {
        let others = clients.iter().map(|other| other.id).filter(|id| *id != client.id);
        let (others, invites) = (others.collect(), Arc::clone(&invites));
        people.push(Person::new(client.clone(), others, chance.fork(), invites).await);
    }
    let mut people = join_all(people.into_iter().map(Person::act)).await;
    for person in &mut people {
        person.await_answers().await;
    }
    for person in &mut people {
        person.settle().await;
    }
}
