//! The server's state in the end, read by REST from each node, and compared with each client's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use meowsenger_client::types::{ChatState, Message, SyncRequest};
use meowsenger_client::{Anchor, ChatId, Client, Seq, Server, Version};
use tokio::time::timeout;

use super::actor::{Actor, Notes};
use super::judge::{self, Findings, Truth};
use super::probe::Probe;

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
pub async fn judge(
    actors: &[Arc<Actor>],
    probes: &[Arc<Probe>],
    nodes: &[&str],
    notes: &Notes,
) -> Findings {
    let mut findings = Findings::default();
    let mut of_nodes = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let mut read: BTreeMap<ChatId, (Version, Vec<Message>)> = BTreeMap::new();
        for actor in actors {
            let client = at(actor, node);
            let mut truth = Truth::new();
            for chat in client.chats().collect().await.expect("chats") {
                if let Entry::Vacant(unread) = read.entry(chat.id) {
                    let messages = client.messages(chat.id, Anchor::After(Seq(0))).collect().await;
                    let messages = messages.expect("messages");
                    if number == 0 {
                        let sends = notes.sends.lock().expect("not poisoned");
                        findings.add(judge::messages(&chat, &messages, &sends));
                    }
                    unread.insert((chat.version, messages));
                }
                truth.insert(chat.id, (chat.clone(), read[&chat.id].1.clone()));
            }
            let replica = actor.live.replica().clone();
            findings.faults.extend(judge::replica(actor.number, &replica, &truth));
        }
        for probe in probes {
            let (chat, messages) = probe.read(node).await;
            if number == 0 {
                let sends = notes.sends.lock().expect("not poisoned");
                findings.add(judge::messages(&chat, &messages, &sends));
            }
            read.insert(chat.id, (chat.version, messages));
        }
        of_nodes.push(read);
    }
    findings.faults.extend(judge::nodes(&of_nodes));
    findings
}

async fn knows_all(actor: &Actor, client: &Client) -> bool {
    let (request, in_step) = {
        let replica = actor.live.replica();
        let versions = replica.chats().iter().map(|(id, known)| (*id, known.version()));
        let mut request = SyncRequest::new(versions.collect());
        request.account = replica.account_version();
        (request, replica.is_up_to_date())
    };
    let news = client.sync(&request).await.expect("an answer");
    // What has the same version as the last frame of the account may be known.
    let mut own = news.account.into_iter().flat_map(|account| account.chats);
    let replica = actor.live.replica();
    let is_known = |state: ChatState| {
        let known = replica.chat(state.chat).map(|known| known.chat());
        known.is_some_and(|chat| {
            (chat.settings, chat.last_read_seq) == (state.settings, state.last_read_seq)
        })
    };
    in_step && news.changes.is_empty() && news.gone.is_empty() && own.all(is_known)
}

/// The same session, asking one node.
fn at(actor: &Actor, node: &str) -> Client {
    Server::new(node).resume(actor.client.tokens())
}
