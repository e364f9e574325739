//! A client's state, built from `ready` and events only. Asserts that each change of a chat arrives once,
//! in order, without a gap.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Client;

/// A client's state.
#[derive(Debug, Default)]
pub struct Replica {
    pub chats: BTreeMap<i64, Known>,
    /// Chats for which the server has sent `resync`.
    pub resyncs: Vec<i64>,
}

/// A client's state of a chat.
#[derive(Debug, Default)]
pub struct Known {
    pub version: i64,
    /// By id.
    pub messages: BTreeMap<i64, Value>,
}

impl Replica {
    /// Starts over with the versions of `ready`; known messages are kept.
    pub fn begin(&mut self, ready: &Value) {
        let versions = ready["versions"].as_object().expect("versions");
        self.chats.retain(|chat, _| versions.contains_key(&chat.to_string()));
        for (chat, version) in versions {
            let known = self.chats.entry(chat.parse().expect("an id")).or_default();
            known.version = version.as_i64().expect("a version");
        }
    }

    /// Applies a frame. Panics if it is not the next one in order.
    #[track_caller]
    pub fn hear(&mut self, frame: &Value) {
        let id = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("no number: {frame}"));
        match frame["type"].as_str().expect("a type") {
            "chat.created" => {
                let (chat, version) = (id(&frame["chat"]["id"]), id(&frame["chat"]["version"]));
                let known = Known { version, messages: BTreeMap::new() };
                assert!(self.chats.insert(chat, known).is_none(), "told twice: {frame}");
            }
            "message.created" | "message.updated" | "message.deleted" => {
                let (chat, version) = (id(&frame["chat"]), id(&frame["version"]));
                let known = self.chats.get_mut(&chat).unwrap_or_else(|| panic!("whose? {frame}"));
                assert_eq!(version, known.version + 1, "out of order: {frame}");
                assert_eq!(frame["message"]["version"], version, "{frame}");
                assert_eq!(frame["message"]["chat"], chat, "{frame}");
                known.version = version;
                known.learn(frame["message"].clone());
            }
            "member.joined" => {
                let (chat, version) = (id(&frame["chat"]), id(&frame["version"]));
                let known = self.chats.get_mut(&chat).unwrap_or_else(|| panic!("whose? {frame}"));
                assert_eq!(version, known.version + 1, "out of order: {frame}");
                known.version = version;
            }
            "resync" => {
                let chats = frame["chats"].as_array().expect("chats");
                self.resyncs.extend(chats.iter().map(id));
            }
            "ack" | "pong" => {}
            other => panic!("an unexpected {other}: {frame}"),
        }
    }

    /// Reads a chat's messages, as a client does for what `ready` says that it missed.
    pub async fn fetch(&mut self, client: &Client, chat: i64) {
        let messages = client.messages(chat).await;
        let known = self.chats.entry(chat).or_default();
        for message in messages {
            known.learn(message);
        }
    }

    /// The version of a chat, or 0 if it is unknown.
    pub fn version(&self, chat: i64) -> i64 {
        self.chats.get(&chat).map_or(0, |known| known.version)
    }
}

impl Known {
    /// Messages that were read and events may arrive in either order: the later version is kept.
    fn learn(&mut self, message: Value) {
        let id = message["id"].as_i64().expect("an id");
        let newer = self.messages.get(&id).is_none_or(|old| version(old) < version(&message));
        if newer {
            self.messages.insert(id, message);
        }
    }

    /// Everything that has a version, for comparison; receipts have none.
    pub fn contents(&self) -> Vec<Value> {
        let mut messages: Vec<_> = self.messages.values().map(lasting).collect();
        messages.sort_by_key(|message| message["seq"].as_i64());
        messages
    }
}

/// A message without its status, which changes without a version.
pub fn lasting(message: &Value) -> Value {
    let mut message = message.clone();
    message["status"] = json!(null);
    message
}

fn version(message: &Value) -> i64 {
    message["version"].as_i64().expect("a version")
}
