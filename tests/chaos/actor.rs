//! A user who does random things, and records the results.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::try_join_all;
use meowsenger_client::types::{
    ChatType, Draft, GroupUpdate, Message, NewGroup, NewInvite, Registration, Role, SettingsUpdate,
    Upload,
};
use meowsenger_client::{
    ChatId, Client, Connection, Error, ErrorKind, Event, Events, Options, Result, Seq, Server,
    UserId,
};
use meowsenger_testing::{Chance, PASSWORD};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::history::{History, Reported, What};
use super::judge::Sends;

/// Longest pause between two actions of a user, in milliseconds.
const PAUSE: usize = 500;
/// Four bytes, as one character.
const LARGE: &str = "\u{1F408}";

/// Fields that may be wrong: who blocks cannot be added, one may have left the chats that a message is forwarded to, and an
/// upload or a chat is gone once the database went back in time.
const EXPECTED: [&str; 5] = ["attachments", "chats", "members", "user", "users"];

/// What all users record.
#[derive(Default)]
pub struct Notes {
    pub sends: Mutex<Sends>,
    pub faults: Mutex<Vec<String>>,
    /// The codes of all invites.
    pub invites: Mutex<Vec<String>>,
    /// Counts what was received, for tests to wait for.
    pub received: watch::Sender<u64>,
}

/// A user with a client.
pub struct Actor {
    pub number: usize,
    pub id: UserId,
    pub client: Client,
    pub live: Connection,
    history: Arc<History>,
    notes: Arc<Notes>,
}

impl Actor {
    /// Registers, and connects through its own proxy.
    pub async fn enter(
        number: usize,
        way: &str,
        history: &Arc<History>,
        notes: &Arc<Notes>,
    ) -> (Self, Events) {
        let (timeout, deadline) = (Duration::from_secs(5), Duration::from_secs(300));
        let server = Server::new(way).with_timeouts(timeout, deadline);
        let account = Registration::new(format!("cat{number}"), PASSWORD);
        let client = server.register(&account).await.expect("registered");
        let id = client.me().await.expect("me").id;
        let tap = {
            let history = Arc::clone(history);
            move |connection, text: &str| {
                history.add(Some(number), What::Frame(connection, digest(text)));
            }
        };
        let options = Options::new()
            .backoff(Duration::from_millis(50), Duration::from_secs(1))
            .timeout(Duration::from_secs(15))
            .tap(tap);
        let (live, events) = client.connect(options);
        let (history, notes) = (Arc::clone(history), Arc::clone(notes));
        (Self { number, id, client, live, history, notes }, events)
    }

    /// Acts until it is cancelled, and finishes the current action.
    pub async fn act(
        self: Arc<Self>,
        mut chance: Chance,
        others: Vec<UserId>,
        stop: watch::Receiver<bool>,
    ) {
        let mut count = 0;
        while !*stop.borrow() {
            sleep(Duration::from_millis(chance.below(PAUSE) as u64)).await;
            count += 1;
            let words = match self.once(&mut chance, &others, count).await {
                Ok(Some(words)) => words,
                Ok(None) => continue,
                Err(error) => self.judge(error),
            };
            self.history.add(Some(self.number), What::Did(words));
        }
    }

    /// One action. `None` if there is nothing to do it with.
    async fn once(
        &self,
        chance: &mut Chance,
        others: &[UserId],
        count: usize,
    ) -> Result<Option<String>> {
        let Some((chat, kind, messages)) = self.somewhere(chance) else { return Ok(None) };
        let mine: Vec<_> =
            messages.iter().filter(|m| m.sender.id == self.id && m.deleted_at.is_none()).collect();
        let (client, live) = (&self.client, &self.live);
        let by_socket = chance.one_in(2);
        let what = chance.below(100);
        Ok(Some(match what {
            0..53 => return self.send(chance, chat, count, by_socket).await.map(Some),
            53..56 => {
                let alive: Vec<_> = messages.iter().filter(|m| m.deleted_at.is_none()).collect();
                let Some(message) = chance.pick(&alive) else { return Ok(None) };
                let mut chats: Vec<_> = live.replica().chats().keys().copied().collect();
                chats.truncate(1 + chance.below(3));
                client.forward(message.id, &chats).await?;
                format!("forwarded {} to {chats:?}", message.id)
            }
            56 | 57 => {
                let set = SettingsUpdate::new().pinned(chance.one_in(2)).archived(chance.one_in(2));
                client.update_chat_settings(chat, &set).await?;
                format!("set what only they see of {chat}")
            }
            58 => {
                // Not for long: nothing can be sent between the two meanwhile.
                let Some(other) = chance.pick(others) else { return Ok(None) };
                let blocked = client.block(*other).await;
                client.unblock(*other).await?;
                blocked?;
                format!("blocked {other} for a moment")
            }
            59 => {
                let codes = self.notes.invites.lock().expect("not poisoned").clone();
                let Some(code) = chance.pick(&codes) else { return Ok(None) };
                let joined = client.accept_invite(code).await?;
                format!("joined {} by an invite", joined.id)
            }
            60..68 => {
                let Some(message) = chance.pick(&mine) else { return Ok(None) };
                let content = format!("edited {count}");
                match by_socket {
                    true => live.edit(message.id, &content).await?,
                    false => client.edit(message.id, &content).await?,
                };
                format!("edited {}", message.id)
            }
            68..72 => {
                let alive: Vec<_> = messages.iter().filter(|m| m.deleted_at.is_none()).collect();
                let Some(message) = chance.pick(&alive) else { return Ok(None) };
                self.mark(chance, message).await?
            }
            72..75 => {
                let Some(message) = chance.pick(&mine) else { return Ok(None) };
                match by_socket {
                    true => drop(live.delete(message.id).await?),
                    false => client.delete(message.id).await?,
                }
                format!("deleted {}", message.id)
            }
            75..85 => {
                let seq = messages.last().map_or(Seq(0), |message| message.seq);
                match by_socket {
                    true => live.mark_read(chat, seq).await?,
                    false => drop(client.mark_read(chat, seq).await?),
                }
                format!("read {chat} up to {seq}")
            }
            85..88 => {
                live.send_typing(chat, chance.one_in(2));
                return Ok(None);
            }
            _ if kind != ChatType::Group => return Ok(None),
            88..94 => {
                let Some(other) = chance.pick(others) else { return Ok(None) };
                client.add_members(chat, &[*other], Role::Member).await?;
                format!("added {other} to {chat}")
            }
            94 => {
                client.remove_member(chat, self.id).await?;
                format!("left {chat}")
            }
            95 | 96 => {
                let Some(other) = chance.pick(others) else { return Ok(None) };
                client.remove_member(chat, *other).await?;
                format!("put {other} out of {chat}")
            }
            97 => {
                let invite = client.create_invite(chat, &NewInvite::new()).await?;
                self.notes.invites.lock().expect("not poisoned").push(invite.code);
                format!("invited to {chat}")
            }
            98 => {
                client
                    .update_group(chat, &GroupUpdate::new().name(format!("Room {count}")))
                    .await?;
                format!("renamed {chat}")
            }
            _ if chance.one_in(2) => {
                let Some(other) = chance.pick(others) else { return Ok(None) };
                let group = NewGroup::new(format!("Room {count}")).members([*other]);
                let made = client.create_group(&group).await?;
                format!("made {}", made.id)
            }
            _ => {
                let Some(other) = chance.pick(others) else { return Ok(None) };
                client.set_role(chat, *other, Role::Admin).await?;
                format!("made {other} an admin of {chat}")
            }
        }))
    }

    /// Reacts to a message or no longer, or pins or unpins it.
    async fn mark(&self, chance: &mut Chance, message: &Message) -> Result<String> {
        let (client, id) = (&self.client, message.id);
        let emoji = ["🐈", "😺", "🐾"][chance.below(3)];
        match chance.below(6) {
            0 => client.pin(id).await?,
            1 => client.unpin(id).await?,
            2 => client.unreact(id, emoji).await?,
            _ => client.react(id, emoji).await?,
        };
        Ok(format!("reacted to {id} or pinned it"))
    }

    /// Sends a message; sometimes so many large ones that they fill the server's queues.
    async fn send(
        &self,
        chance: &mut Chance,
        chat: ChatId,
        count: usize,
        by_socket: bool,
    ) -> Result<String> {
        let burst = chance.one_in(150);
        let large = burst || chance.one_in(12);
        let has_file = !large && chance.one_in(15);
        let name = |part| format!("cat{}-{count}-{part}", self.number);
        let parts = (0..if burst { 12 } else { 1 }).map(|part| {
            let content = if large { LARGE.repeat(9_000) } else { name(part) };
            self.send_one(chat, name(part), content, by_socket || burst, has_file)
        });
        let seqs = try_join_all(parts).await?;
        Ok(format!("sent {} to {chat}: {seqs:?}", name(0)))
    }

    async fn send_one(
        &self,
        chat: ChatId,
        name: String,
        content: String,
        by_socket: bool,
        file: bool,
    ) -> Result<Seq> {
        let mut draft = Draft::new(content).client_id(name.clone());
        if file {
            let file = self.client.upload(Upload::new("cat.txt", name.clone())).await?;
            draft = draft.attachments([file.id]);
        }
        self.notes.sends.lock().expect("not poisoned").tried.insert(name.clone(), chat);
        let message = match by_socket {
            true => self.live.send(chat, draft).await?,
            false => self.client.send(chat, draft).await?,
        };
        let seq = message.seq;
        self.notes.sends.lock().expect("not poisoned").acked.insert(name, message);
        Ok(seq)
    }

    /// A chat that the user owns, according to the client.
    fn somewhere(&self, chance: &mut Chance) -> Option<(ChatId, ChatType, Vec<Message>)> {
        let replica = self.live.replica();
        let chats: Vec<_> = replica.chats().keys().copied().collect();
        let known = replica.chat(*chance.pick(&chats)?)?;
        Some((known.chat().id, known.chat().kind, known.messages().values().cloned().collect()))
    }

    /// Expected failures: others act as well, so the user may have been removed from the chat; and what may
    /// not be repeated, such as making a group, fails while the database does.
    fn judge(&self, error: Error) -> String {
        let expected = match &error {
            Error::Api(error) => {
                matches!(
                    error.kind,
                    ErrorKind::NotFound
                        | ErrorKind::PermissionDenied
                        | ErrorKind::Conflict
                        | ErrorKind::Unavailable
                ) || error.errors.keys().all(|field| EXPECTED.contains(&field.as_str()))
                    && !error.errors.is_empty()
            }
            Error::Network(_) => true,
            _ => false,
        };
        if !expected {
            let fault = format!("client {}: {error:?}", self.number);
            self.notes.faults.lock().expect("not poisoned").push(fault);
        }
        format!("failed: {error}")
    }
}

/// Records a client's events until it ends.
pub async fn listen(number: usize, mut events: Events, history: Arc<History>, notes: Arc<Notes>) {
    while let Some(event) = events.next().await {
        let reported = match event {
            Event::Change(change) => {
                Reported::Change { chat: change.chat(), version: change.version() }
            }
            Event::Resynced(resynced) => {
                let (chat, from, upto) = (resynced.chat.id, resynced.from, resynced.to);
                Reported::Resynced { chat, from, upto }
            }
            Event::ChatCreated(chat) => Reported::Created { chat: chat.id, version: chat.version },
            Event::ChatDeleted(chat) => Reported::Deleted { chat },
            Event::EpochChanged => Reported::Forgotten,
            Event::Ended(error) => {
                let fault = format!("client {number} gave up: {error}");
                return notes.faults.lock().expect("not poisoned").push(fault);
            }
            Event::Disconnected { reason, .. } => {
                history.add(Some(number), What::Did(format!("disconnected: {reason}")));
                continue;
            }
            _ => continue,
        };
        history.add(Some(number), What::Reported(reported));
        notes.received.send_modify(|received| *received += 1);
    }
}

/// The part of a frame that the checks need.
fn digest(text: &str) -> Value {
    let mut frame: Value = serde_json::from_str(text).expect("JSON");
    if frame["type"] == "chat.created" {
        let chat = frame["chat"].take();
        (frame["chat"], frame["version"]) = (chat["id"].clone(), chat["version"].clone());
    }
    if frame["type"] == "ack" || frame["type"] == "error" {
        return json!({"type": frame["type"], "id": frame["id"], "detail": frame["detail"]});
    }
    if let Some(message) = frame.get_mut("message") {
        *message = message["id"].take();
    }
    frame
}
