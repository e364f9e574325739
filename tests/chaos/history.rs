//! What happened, in the order in which it was recorded: for the checks, and for the developer who has
//! to find out why one failed.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use meowsenger_client::{ChatId, Version};
use serde_json::{Value, json};

/// An entry of the history.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Milliseconds since the start.
    pub at: u128,
    /// The client's number; none for an injected fault.
    pub client: Option<usize>,
    /// The event.
    pub what: What,
}

/// What can be recorded.
#[derive(Clone, Debug)]
pub enum What {
    /// A frame arrived on the client's connection with this number.
    Frame(u64, Value),
    /// The client library reported an event to the application.
    Reported(Reported),
    /// The application made a request, in words.
    Did(String),
}

/// What the client library reports about chats and versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    /// A chat's change.
    Change { chat: ChatId, version: Version },
    /// A chat's version advanced.
    Resynced { chat: ChatId, from: Version, upto: Version },
    /// A chat was added.
    Created { chat: ChatId, version: Version },
    /// A chat was removed.
    Deleted { chat: ChatId },
    /// All chats were dropped.
    Forgotten,
}

/// Kept in memory.
pub struct History {
    began: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl History {
    pub fn new() -> Self {
        Self { began: Instant::now(), entries: Mutex::default() }
    }

    pub fn add(&self, client: Option<usize>, what: What) {
        let mut entries = self.entries.lock().expect("not poisoned");
        entries.push(Entry { at: self.began.elapsed().as_millis(), client, what });
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("not poisoned").clone()
    }

    /// Writes the history into a file that remains, as JSON lines.
    pub fn keep(&self) -> PathBuf {
        let (mut file, path) = tempfile::Builder::new()
            .prefix("meow-chaos-")
            .suffix(".jsonl")
            .tempfile()
            .expect("a file")
            .keep()
            .expect("kept");
        for Entry { at, client, what } in self.entries() {
            let what = match what {
                What::Frame(connection, frame) => json!({"connection": connection, "frame": frame}),
                What::Reported(reported) => json!({"reported": format!("{reported:?}")}),
                What::Did(words) => json!({"did": words}),
            };
            let line = json!({"at": at.to_string(), "client": client, "what": what});
            writeln!(file, "{line}").expect("written");
        }
        path
    }
}
