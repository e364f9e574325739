//! Old state plus events equals new state: whatever users do concurrently, each client converges to the
//! server's state. The operations are random; a failure prints their seed.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::replica::lasting;
use crate::support::{Backend, Chance, Client, Replica, Socket, TestApp};

const CASES: usize = 20;
const PEOPLE: usize = 4;
/// The number of operations of each user.
const STEPS: usize = 12;

/// A user, with the client's state.
struct Person {
    client: Client,
    socket: Socket,
    replica: Replica,
    chance: Chance,
    others: Vec<i64>,
    /// Sends over the socket that are not yet answered.
    unanswered: usize,
}

impl Person {
    async fn new(client: Client, others: Vec<i64>, chance: Chance) -> Self {
        let socket = Socket::open(&client).await;
        let mut replica = Replica::default();
        replica.begin(&socket.ready);
        Self { client, socket, replica, chance, others, unanswered: 0 }
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
        match (self.chance.below(20), chat) {
            (0, _) | (_, None) => self.make_chat().await,
            (1, _) => self.reconnect().await,
            (2..=10, Some(chat)) => self.say(chat).await,
            (11..=13, Some(chat)) => self.react(chat).await,
            (14, Some(chat)) => self.pin(chat).await,
            (15, Some(chat)) => self.forward(chat).await,
            (_, Some(chat)) => self.change(chat).await,
        }
    }

    async fn make_chat(&mut self) {
        let other = *self.chance.pick(&self.others).expect("somebody");
        let body = match self.chance.one_in(2) {
            true => json!({"type": "private", "members": [other]}),
            false => json!({"type": "group", "name": "Kitchen", "members": self.others}),
        };
        let answer = self.client.post("/api/chats/", body).await;
        assert!([200, 201].contains(&answer.status.as_u16()), "{answer:?}");
    }

    async fn say(&mut self, chat: i64) {
        let at = ["", "@all ", "@cat"][self.chance.below(3)];
        let content = format!("{at}{:x}", self.chance.below(1 << 30));
        if self.chance.one_in(2) {
            self.client.say(chat, &content).await;
            return;
        }
        let mut frame = json!({"type": "message.send", "chat": chat, "content": content});
        if self.chance.one_in(2) {
            // The answer is read later.
            self.unanswered += 1;
            frame["id"] = json!("later");
            self.socket.send(frame).await;
        } else {
            assert_eq!(self.socket.request(frame).await["type"], "ack");
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
            (true, true) => &[200, 409],
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
        assert!([200, 409].contains(&outcome), "{outcome}, {id}");
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
        assert!([200, 201, 409].contains(&answer.status.as_u16()), "{answer:?}");
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
            assert_eq!(frame["type"], "ack", "{frame}");
            self.unanswered -= 1;
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
    let mut people = Vec::new();
    for client in &clients {
        let others = clients.iter().map(|other| other.id).filter(|id| *id != client.id);
        people.push(Person::new(client.clone(), others.collect(), chance.fork()).await);
    }
    let mut people = join_all(people.into_iter().map(Person::act)).await;
    for person in &mut people {
        person.await_answers().await;
    }
    for person in &mut people {
        person.settle().await;
    }
}
