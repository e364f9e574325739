//! What happened, in the order in which it was noticed: kept for the judge, and for whoever has to
//! find out why the judge complains.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Milliseconds since the beginning.
    pub at: u128,
    /// Which client; none where it is the chaos itself.
    pub client: Option<usize>,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum What {
    /// A frame came, on the client's connection of this number.
    Frame(u64, Value),
    /// The client told its program.
    Told(Told),
    /// The program asked for something; in words.
    Did(String),
}

/// What a client tells its program of chats and versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A chat's change.
    Change { chat: i64, version: i64 },
    /// A chat moved on.
    Resynced { chat: i64, from: i64, upto: i64 },
    /// A chat is there.
    Created { chat: i64, version: i64 },
    /// A chat is gone.
    Deleted { chat: i64 },
    /// Everything is forgotten.
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
        let mut entries = self.entries.lock().expect("whole");
        entries.push(Entry { at: self.began.elapsed().as_millis(), client, what });
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("whole").clone()
    }

    /// Writes it into a file that stays, as JSON lines.
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
                What::Told(told) => json!({"told": format!("{told:?}")}),
                What::Did(words) => json!({"did": words}),
            };
            let line = json!({"at": at.to_string(), "client": client, "what": what});
            writeln!(file, "{line}").expect("written");
        }
        path
    }
}
