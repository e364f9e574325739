//! Compares what the server acknowledged with what it has in the end: nothing is lost, doubled or
//! invented, and there is no gap.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::client::Client;

/// Acknowledged messages by `client_id`. For messages that are never edited.
#[derive(Default)]
pub struct Ledger(Mutex<HashMap<String, Value>>);

impl Ledger {
    pub fn acknowledged(&self, client_id: String, message: Value) {
        assert_eq!(message["client_id"], client_id, "{message}");
        let mut ledger = self.0.lock().expect("not poisoned");
        assert!(ledger.insert(client_id, message).is_none(), "acknowledged twice");
    }

    /// Reads the chats and checks them. Returns the stored messages by `client_id`.
    pub async fn check(&self, reader: &Client, chats: &[i64]) -> HashMap<String, Value> {
        let mut found = HashMap::new();
        for chat in chats {
            let stored = reader.messages(*chat).await;
            let seqs: Vec<_> = stored.iter().filter_map(|m| m["seq"].as_i64()).collect();
            assert!(seqs.iter().copied().eq(1..=seqs.len() as i64), "gaps: {seqs:?}");
            let view = reader.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
            let newest = (json!(seqs.len()), json!(seqs.len() + 1));
            assert_eq!((&view["last_seq"], &view["version"]), (&newest.0, &newest.1));
            for message in stored {
                assert_eq!(message["version"], message["seq"].as_i64().expect("a seq") + 1);
                let name = message["client_id"].as_str().expect("a client_id").to_owned();
                assert_eq!(message["content"], name, "content that nobody sent");
                assert!(found.insert(name.clone(), message).is_none(), "{name} is stored twice");
            }
        }
        for (name, message) in &*self.0.lock().expect("not poisoned") {
            let stored = found.get(name).unwrap_or_else(|| panic!("{name} is lost"));
            for field in ["id", "seq", "version", "content", "sender", "timestamp"] {
                assert_eq!(stored[field], message[field], "{name}");
            }
        }
        found
    }

    /// The number of acknowledged messages.
    pub fn count(&self) -> usize {
        self.0.lock().expect("not poisoned").len()
    }
}
