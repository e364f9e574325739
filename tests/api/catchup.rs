//! Filling gaps: a committed change reaches the clients even if its event was lost, late or by `resync`.

use std::time::Duration;

use meowsenger::domain::ids::{ChatId, MessageId};
use meowsenger::domain::message::Content;
use meowsenger::store::{chats, messages};
use rstest::rstest;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Backend, Client, Socket, TestApp};

/// The deadline for a committed change to reach a member.
const PROMISED: Duration = Duration::from_secs(10);

/// Edits a message like a node that dies between commit and publication.
async fn edit_without_event(
    server: &TestApp,
    chat: i64,
    message: &serde_json::Value,
    content: &str,
) {
    let mut tx = server.app.db.begin().await.expect("a transaction");
    let version = chats::next_version(&mut tx, ChatId(chat)).await.expect("a version");
    let id = MessageId(message["id"].as_i64().expect("an id"));
    let now = server.app.clock.now();
    messages::edit(&mut tx, id, &Content::of_row(content.to_owned()), version, now)
        .await
        .expect("edited");
    tx.commit().await.expect("committed");
}

#[rstest]
#[tokio::test]
async fn a_change_whose_event_was_lost_arrives_before_the_next_and_within_10_s(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let one = alice.say(chat, "one").await;
    let two = alice.say(chat, "two").await;
    let mut socket = Socket::open(&bob).await;
    assert_eq!(socket.version_of(chat), 3);

    // An event follows, so the gap is visible at once.
    edit_without_event(&server, chat, &one, "uno").await;
    alice.say(chat, "three").await;
    let event = socket.next().await;
    assert_eq!((&event["type"], &event["version"]), (&json!("message.updated"), &json!(4)));
    let stored = alice.get(&format!("/api/messages/{}/", one["id"])).await.expect(200).json;
    assert_eq!(event["message"], stored);
    let event = socket.next().await;
    assert_eq!((&event["type"], &event["version"]), (&json!("message.created"), &json!(5)));

    // No event follows.
    let since = Instant::now();
    edit_without_event(&server, chat, &two, "dos").await;
    let event = socket.next().await;
    assert!(since.elapsed() < PROMISED, "{:?}", since.elapsed());
    assert_eq!((&event["type"], &event["version"]), (&json!("message.updated"), &json!(6)));
    assert_eq!(event["message"]["content"], "dos");
    assert!(socket.drain().await.is_empty());
}

/// A reaction, for example, does not change the content or its timestamps.
#[rstest]
#[tokio::test]
async fn a_lost_change_of_a_message_other_than_its_content_is_an_update_not_a_resync(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let message = alice.say(chat, "meow").await;
    let mut socket = Socket::open(&bob).await;

    let mut tx = server.app.db.begin().await.expect("a transaction");
    let version = chats::next_version(&mut tx, ChatId(chat)).await.expect("a version");
    tx.query("update messages set version = $2, last_change = 'reacted' where id = $1")
        .bind(message["id"].as_i64().expect("an id"))
        .bind(version)
        .execute()
        .await
        .expect("changed");
    tx.commit().await.expect("committed");
    alice.say(chat, "and on").await;

    let event = socket.next().await;
    assert_eq!((&event["type"], &event["version"]), (&json!("message.updated"), &json!(version)));
    assert_eq!(event["message"]["edited_at"], json!(null));
    assert_eq!(event["message"]["id"], message["id"]);
    assert_eq!(socket.next().await["type"], "message.created");
    assert!(socket.drain().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_told_again_is_a_resync_and_what_comes_after_it_is_told(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (chat, other) = (alice.private_chat(&bob).await, alice.group(&[&bob]).await);
    let message = alice.say(chat, "meow").await;
    let mut sockets = [Socket::open(&alice).await, Socket::open(&bob).await];
    for content in ["one", "two"] {
        // No row contains the first of these versions any more.
        edit_without_event(&server, chat, &message, content).await;
    }
    alice.say(chat, "three").await;
    alice.say(other, "not concerned").await;
    for socket in &mut sockets {
        let mut heard = Vec::new();
        while heard.len() < 3 {
            heard.push(socket.next().await);
        }
        let elsewhere = heard.iter().position(|frame| frame["chat"] == other).expect("heard");
        assert_eq!(heard.remove(elsewhere)["version"], 2);
        assert_eq!(heard[0], json!({"type": "resync", "chats": [chat]}));
        assert_eq!((&heard[1]["chat"], &heard[1]["version"]), (&json!(chat), &json!(5)));
        assert!(socket.drain().await.is_empty());
    }
    // A client that connects afterwards misses nothing.
    let late = Socket::open(&bob).await;
    assert_eq!(late.version_of(chat), 5);
}

#[rstest]
#[tokio::test]
async fn what_nodes_commit_alternately_arrives_in_order_on_each(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let other = server.second_node().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let elsewhere = Client { base: other.base.clone(), ..alice.clone() };
    let chat = alice.private_chat(&bob).await;
    let mut here = Socket::open(&bob).await;
    let mut there = Socket::open(&elsewhere).await;

    let mut sent = Vec::new();
    for n in 0..20 {
        // Alternately, so that each node misses every other version.
        let client = if n % 2 == 0 { &alice } else { &elsewhere };
        sent.push(client.say(chat, &n.to_string()).await);
    }
    // The last one was sent on the other node. It is late here, as in the test above.
    for (socket, due) in [(&mut here, &sent[..19]), (&mut there, &sent[..])] {
        for message in due {
            assert_eq!(&socket.next().await["message"], message);
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_chat_that_was_created_on_another_node_arrives_within_10_s(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let elsewhere = server.second_node().await;
    let there = Client { base: elsewhere.base.clone(), ..bob.clone() };
    let mut socket = Socket::open(&there).await;

    let since = Instant::now();
    let chat = alice.private_chat(&bob).await;
    alice.say(chat, "one").await;
    let created = socket.next().await;
    assert!(since.elapsed() < PROMISED, "{:?}", since.elapsed());
    assert_eq!((&created["type"], &created["chat"]["id"]), (&json!("chat.created"), &json!(chat)));
    assert_eq!(created["chat"]["unread_count"], 1);
    let known = created["chat"]["version"].as_i64().expect("a version");

    alice.say(chat, "two").await;
    let event = socket.next().await;
    assert_eq!(event["type"], "message.created");
    assert_eq!(event["version"], known + 1);
    assert!(socket.drain().await.is_empty(), "and each once");
}
