//! A request of a socket that is in progress: counted in its connection's queue until it has replied.

use std::sync::Arc;

use super::connection::Connection;
use super::replies::Weight;

/// A request in progress. It ends with [`Self::reply`], or without a reply when dropped.
#[derive(Debug)]
pub struct InProgress {
    connection: Arc<Connection>,
    weight: Weight,
}

impl InProgress {
    /// Counts a request as in progress. The caller must have checked that there is room.
    pub fn begin(connection: &Arc<Connection>, weight: Weight) -> Self {
        connection.queue.replies(|replies| replies.begin(weight));
        Self { connection: Arc::clone(connection), weight }
    }

    /// Ends the request and queues its reply, if there is one.
    pub fn reply(self, text: Option<String>) {
        if let Some(text) = text {
            self.connection.queue.reply(text);
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.connection.queue.replies(|replies| replies.end(self.weight));
    }
}
