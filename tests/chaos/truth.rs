//! The server's state in the end, read by REST from each node, and compared with each client's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use meowsenger_client::types::{Chat, Message};
use meowsenger_client::{Anchor, Client, Server, SyncRequest};
use tokio::time::timeout;

use super::actor::{Actor, Notes};
use super::judge::{self, Truth};

/// How long to wait for an event before checking again.
const MOMENT: Duration = Duration::from_millis(500);

/// Waits until every client has the server's state.
pub async fn until_all_know_all(actors: &[Arc<Actor>], node: &str, notes: &Notes) {
    let mut received = notes.received.subscribe();
    for actor in actors {
        while !knows_all(actor, &at(actor, node)).await {
            // An event or the timeout: the loop also ends if no event comes.
            drop(timeout(MOMENT, received.changed()).await);
        }
    }
}

/// All violations, of the clients' state and of the server's own.
pub async fn judge(actors: &[Arc<Actor>], nodes: &[&str], notes: &Notes) -> Vec<String> {
    let mut faults = Vec::new();
    let mut of_nodes = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let mut read: BTreeMap<i64, (i64, Vec<Message>)> = BTreeMap::new();
        for actor in actors {
            let client = at(actor, node);
            let mut truth = Truth::new();
            for chat in chats(&client).await {
                if let Entry::Vacant(unread) = read.entry(chat.id) {
                    let messages = messages(&client, chat.id).await;
                    if number == 0 {
                        let sends = notes.sends.lock().expect("not poisoned");
                        faults.extend(judge::messages(&chat, &messages, &sends));
                    }
                    unread.insert((chat.version, messages));
                }
                truth.insert(chat.id, (chat.clone(), read[&chat.id].1.clone()));
            }
            let replica = actor.live.replica().clone();
            faults.extend(judge::replica(actor.number, &replica, &truth));
        }
        of_nodes.push(read);
    }
    faults.extend(judge::nodes(&of_nodes));
    faults
}

async fn knows_all(actor: &Actor, client: &Client) -> bool {
    let (versions, in_step) = {
        let replica = actor.live.replica();
        let versions = replica.chats().iter().map(|(id, known)| (*id, known.version()));
        (versions.collect(), replica.is_up_to_date())
    };
    let known = SyncRequest { versions, ..SyncRequest::default() };
    let news = client.sync(&known).await.expect("an answer");
    in_step && news.changes.is_empty() && news.gone.is_empty()
}

/// The same session, asking one node.
fn at(actor: &Actor, node: &str) -> Client {
    Server::new(node).resume(actor.client.tokens().borrow().clone())
}

async fn chats(client: &Client) -> Vec<Chat> {
    let mut page = client.chats().await.expect("chats");
    let mut chats = std::mem::take(&mut page.results);
    while let Some(next) = page.next {
        page = client.follow(&next).await.expect("a page");
        chats.append(&mut page.results);
    }
    chats
}

async fn messages(client: &Client, chat: i64) -> Vec<Message> {
    let mut page = client.messages(chat, Anchor::After(0), 100).await.expect("messages");
    let mut messages = std::mem::take(&mut page.results);
    while let Some(next) = page.next {
        page = client.follow(&next).await.expect("a page");
        messages.append(&mut page.results);
    }
    messages
}
