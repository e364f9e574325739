//! The checks after a run: pure rules over the recorded history. Each returns the violations that it
//! finds.

use std::collections::{BTreeMap, HashMap, HashSet};

use meowsenger_client::types::{Chat, Message};
use meowsenger_client::{ChatId, Replica, Seq, Version};

use super::history::{Entry, Reported, What};

/// The server's state, as one user sees it through one node.
pub type Truth = BTreeMap<ChatId, (Chat, Vec<Message>)>;

/// Acknowledged sends by `client_id`, and all sends.
#[derive(Debug, Default)]
pub struct Sends {
    pub acked: HashMap<String, Message>,
    /// Acknowledged before the database went back in time. May be lost, which is counted.
    pub forgiven: HashMap<String, Message>,
    pub tried: HashMap<String, ChatId>,
}

/// What is wrong with the messages that the server has.
#[derive(Debug, Default)]
pub struct Findings {
    pub lost: usize,
    pub forgiven: usize,
    pub doubled: usize,
    /// All of it, except what is forgiven.
    pub faults: Vec<String>,
}

impl Sends {
    /// From now on what has been acknowledged may be lost.
    pub fn forgive(&mut self) {
        self.forgiven.extend(self.acked.drain());
    }
}

impl Findings {
    pub fn add(&mut self, more: Self) {
        self.lost += more.lost;
        self.forgiven += more.forgiven;
        self.doubled += more.doubled;
        self.faults.extend(more.faults);
    }
}

/// On a connection, the events of a chat arrive once and in order, and a gap is announced by a
/// `resync`.
pub fn frames(entries: &[Entry]) -> Vec<String> {
    let mut faults = Vec::new();
    let joined = joined(entries);
    let mut connections: HashMap<(Option<usize>, u64), Connection> = HashMap::new();
    for Entry { at, client, what } in entries {
        if let What::Frame(number, frame) = what {
            let connection = connections.entry((*client, *number)).or_default();
            if let Err(fault) = connection.hear(frame, &joined) {
                faults.push(format!("{at} ms, client {client:?}, connection {number}: {fault}"));
            }
        }
    }
    faults
}

/// The users that members saw join, by chat, with the versions by which they did.
type Joined = HashMap<(i64, i64), HashSet<i64>>;

fn joined(entries: &[Entry]) -> Joined {
    let mut joined = Joined::new();
    for Entry { what, .. } in entries {
        if let What::Frame(_, frame) = what
            && frame["type"] == "member.joined"
        {
            let number = |value: &serde_json::Value| value.as_i64().unwrap_or_default();
            let who = (number(&frame["member"]["user"]["id"]), number(&frame["chat"]));
            joined.entry(who).or_default().insert(number(&frame["version"]));
        }
    }
    joined
}

#[derive(Default)]
struct Connection {
    user: i64,
    /// The version received last, by chat.
    versions: HashMap<i64, i64>,
    /// The number of announced gaps, by chat.
    resyncs: HashMap<i64, usize>,
    /// The number of `chat.deleted`, by chat.
    left: HashMap<i64, usize>,
}

impl Connection {
    fn hear(&mut self, frame: &serde_json::Value, joined: &Joined) -> Result<(), String> {
        let number = |value: &serde_json::Value| value.as_i64().unwrap_or_default();
        match frame["type"].as_str().unwrap_or_default() {
            "ready" => {
                self.user = number(&frame["user"]["id"]);
                let versions = frame["versions"].as_object().ok_or("a ready without versions")?;
                let chat = |id: &String| id.parse().map_err(|_| format!("no id: {id}"));
                for (id, version) in versions {
                    self.versions.insert(chat(id)?, number(version));
                }
            }
            "chat.created" => {
                let (chat, version) = (number(&frame["chat"]), number(&frame["version"]));
                let old = self.versions.insert(chat, version);
                if old.is_some_and(|old| old >= version) {
                    return Err(format!("chat {chat} at {old:?} is reported again at {version}"));
                }
            }
            "chat.deleted" => {
                let chat = number(&frame["chat"]);
                let left = self.left.entry(chat).or_default();
                *left += 1;
                // While the bus is down a user may join and leave without the node learning of the join. The
                // client may have the chat from a sync, so it is sent the departure alone.
                let joined = joined.get(&(self.user, chat)).map_or(0, HashSet::len);
                if self.versions.remove(&chat).is_none() && *left > 1 + joined {
                    return Err(format!("chat {chat} is gone {left} times"));
                }
            }
            "resync" => {
                let chats = frame["chats"].as_array();
                for chat in chats.ok_or("a resync of any chat")? {
                    *self.resyncs.entry(number(chat)).or_default() += 1;
                }
            }
            _ if frame.get("version").is_some() => {
                let (chat, version) = (number(&frame["chat"]), number(&frame["version"]));
                let known = self.versions.insert(chat, version);
                let known = known.ok_or(format!("a change of chat {chat}, which is not one's"))?;
                let announced = self.resyncs.get_mut(&chat).filter(|count| **count > 0);
                match announced {
                    _ if version == known + 1 => {}
                    Some(count) if version > known => *count -= 1,
                    _ => return Err(format!("chat {chat}: {version} after {known}")),
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The client library reports each chat's changes once and in order, and announces a gap. Only where the
/// database may go back in time it may drop all chats.
pub fn reported(entries: &[Entry], may_forget: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut clients: HashMap<Option<usize>, HashMap<ChatId, Version>> = HashMap::new();
    for Entry { at, client, what } in entries {
        let What::Reported(reported) = what else { continue };
        let versions = clients.entry(*client).or_default();
        let right = match *reported {
            Reported::Change { chat, version } => {
                versions.insert(chat, version) == Some(version.previous())
            }
            Reported::Resynced { chat, from, upto } => {
                versions.insert(chat, upto).unwrap_or_default() == from && from < upto
            }
            Reported::Created { chat, version } => versions.insert(chat, version).is_none(),
            Reported::Deleted { chat } => versions.remove(&chat).is_some(),
            Reported::Forgotten => {
                versions.clear();
                may_forget
            }
        };
        if !right {
            faults.push(format!("{at} ms, client {client:?} received {reported:?}"));
        }
    }
    faults
}

/// A client's state equals the server's.
pub fn replica(client: usize, replica: &Replica, truth: &Truth) -> Vec<String> {
    let mut faults = Vec::new();
    let (mine, theirs): (Vec<_>, Vec<_>) =
        (replica.chats().keys().collect(), truth.keys().collect());
    if mine != theirs {
        faults.push(format!("client {client} knows chats {mine:?}, the server {theirs:?}"));
    }
    for (id, (chat, messages)) in truth {
        let Some(known) = replica.chat(*id) else { continue };
        let seen = |chat: &Chat| {
            let Chat { name, description, members_count, my_role, .. } = chat.clone();
            let Chat { last_seq, last_read_seq, version, settings, blocked, .. } = *chat;
            let own = (last_read_seq, settings, blocked);
            (name, description, members_count, my_role, last_seq, version, own)
        };
        let (mine, theirs) = (seen(known.chat()), seen(chat));
        if mine != theirs || known.version() != chat.version {
            let at = known.version();
            faults.push(format!("client {client}, chat {id} at {at}: {mine:?} is not {theirs:?}"));
        }
        let known_messages = known.messages();
        let missing = |m: &&Message| {
            let copy = known_messages.get(&m.seq).map(lasting);
            copy.map_or(m.seq >= known.complete_from(), |copy| copy != lasting(m))
        };
        for message in messages.iter().filter(missing) {
            let copy = known_messages.get(&message.seq);
            faults.push(format!("client {client}, chat {id}: {copy:?} is not {message:?}"));
        }
        let last = messages.last().map_or(Seq(0), |message| message.seq);
        if let Some((seq, message)) =
            known_messages.last_key_value().filter(|(seq, _)| **seq > last)
        {
            faults
                .push(format!("client {client}, chat {id}: {seq} is beyond the end: {message:?}"));
        }
    }
    faults
}

/// A chat's messages are numbered 1, 2, 3, … Each acknowledged one exists once, as it was acknowledged,
/// and none exists that nobody sent.
pub fn messages(chat: &Chat, messages: &[Message], sends: &Sends) -> Findings {
    let mut findings = Findings::default();
    let mut add = |fault| findings.faults.push(fault);
    let id = chat.id;
    let seqs: Vec<_> = messages.iter().map(|message| message.seq).collect();
    if !seqs.iter().map(|seq| seq.0).eq(1..=chat.last_seq.0) {
        add(format!("chat {id} is not 1..{}: {seqs:?}", chat.last_seq));
    }
    let mut found: HashMap<&str, &Message> = HashMap::new();
    for message in messages {
        let name = message.client_id.as_deref().unwrap_or_default();
        for one in &message.reactions {
            let users: HashSet<_> = one.users.iter().collect();
            if users.len() != one.count.min(100) || one.users.len() != users.len() {
                add(format!("chat {id}: {one:?} does not count its users"));
            }
        }
        if !is_forward(name) && sends.tried.get(name) != Some(&id) {
            add(format!("chat {id}: nobody sent {message:?}"));
        }
        if let Some(first) = found.insert(name, message) {
            findings.doubled += 1;
            add(format!("chat {id}: {first:?} is there again: {message:?}"));
        }
    }
    for (name, acked) in sends.acked.iter().filter(|(_, message)| message.chat == id) {
        let reported = |m: &Message| (m.id, m.seq, m.sender.id, m.timestamp);
        match found.get(name.as_str()) {
            Some(message) if reported(message) == reported(acked) => {}
            Some(message) => add(format!("acknowledged {acked:?}, and there is {message:?}")),
            None => {
                findings.lost += 1;
                add(format!("chat {id}: lost {acked:?}"));
            }
        }
    }
    let forgiven = sends.forgiven.iter().filter(|(_, message)| message.chat == id);
    findings.forgiven = forgiven.filter(|(name, _)| !found.contains_key(name.as_str())).count();
    findings
}

/// Whether a message was forwarded: the client has chosen its key at random. An edit or the deletion removes its origin.
fn is_forward(client_id: &str) -> bool {
    client_id.len() == 32 && client_id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// All nodes return the same state. Reading moves the markers and statuses of a private chat.
pub fn nodes(truths: &[BTreeMap<ChatId, (Version, Vec<Message>)>]) -> Vec<String> {
    let lasting =
        |truth: &BTreeMap<ChatId, (Version, Vec<Message>)>| -> BTreeMap<ChatId, (Version, Vec<Message>)> {
            let chat = |(id, (version, messages)): (&ChatId, &(Version, Vec<Message>))| {
                (*id, (*version, messages.iter().map(self::lasting).collect()))
            };
            truth.iter().map(chat).collect()
        };
    let differs = |pair: &[_]| lasting(&pair[0]) != lasting(&pair[1]);
    truths.windows(2).filter(|pair| differs(pair)).map(|_| "two nodes differ".to_owned()).collect()
}

/// Without the status, which changes without a version, and the URLs of files, which name the node that was asked.
fn lasting(message: &Message) -> Message {
    use meowsenger_client::types::MessageStatus;
    let mut message = message.clone();
    message.status = MessageStatus::Sent;
    message.attachments.iter_mut().for_each(|file| file.url.clear());
    message
}
