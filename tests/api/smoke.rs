//! The main use case, end to end: two users chat.

use rstest::rstest;
use serde_json::json;

use crate::support::{Backend, Socket, TestApp};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_chat(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut bobs = Socket::open(&bob).await;

    let chat = alice.private_chat(&bob).await;
    let created = bobs.next().await;
    assert_eq!(created["type"], "chat.created");
    assert_eq!(created["chat"]["name"], alice.username.as_str());

    let message = alice.say(chat, "meow").await;
    let event = bobs.next().await;
    assert_eq!(event["type"], "message.created");
    assert_eq!((&event["chat"], &event["version"]), (&json!(chat), &json!(2)));
    assert_eq!(event["message"], message);

    let ack = bobs.request(json!({"type": "message.send", "chat": chat, "content": "purr"})).await;
    assert_eq!(ack["message"]["seq"], 2, "{ack}");
    let id = message["id"].as_i64().expect("an id");
    let path = format!("/api/messages/{id}/");
    alice.put(&path, json!({"content": "miau"})).await.expect(200);
    alice.delete(&path).await.expect(204);

    let kinds: Vec<_> = bobs.drain().await.iter().map(|e| e["type"].clone()).collect();
    assert_eq!(kinds, ["message.created", "message.updated", "message.deleted"]);

    let page = bob.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    let contents: Vec<_> = page.results().iter().map(|m| m["content"].clone()).collect();
    assert_eq!(contents, ["purr", ""]);
}
