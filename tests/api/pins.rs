//! Pinned messages.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, Socket, TestApp};

const FULL: &str = "A chat has at most 100 pinned messages.";
const TOMBSTONE: &str = "A deleted message cannot be pinned.";

fn path(message: &Value) -> String {
    format!("/api/messages/{}/pin/", message["id"])
}

async fn pin(client: &Client, message: &Value) -> Answer {
    client.put(&path(message), Value::Null).await
}

async fn unpin(client: &Client, message: &Value) -> Answer {
    client.delete(&path(message)).await
}

async fn pinned(client: &Client, chat: i64) -> Vec<Value> {
    client.walk(&format!("/api/chats/{chat}/pins/?page_size=2"), "next").await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_is_one_version_and_the_latest_comes_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let mut messages = Vec::new();
    for text in ["one", "two", "three"] {
        messages.push(tom.say(chat, text).await);
    }
    assert_eq!(messages[0]["pinned_at"], Value::Null);
    let mut socket = Socket::open(&kitty).await;

    let first = pin(&tom, &messages[2]).await.expect(200).json;
    assert!(first["pinned_at"].is_string(), "{first}");
    assert_eq!((&first["version"], &first["edited_at"]), (&json!(5), &Value::Null));
    let event = json!({"type": "message.updated", "chat": chat, "version": 5, "message": first});
    assert_eq!(socket.next().await, event);
    let second = pin(&tom, &messages[0]).await.expect(200).json;
    assert_eq!(pinned(&kitty, chat).await, [second.clone(), first.clone()]);
    assert_eq!(socket.next().await["version"], 6);

    // What is so already takes no version.
    assert_eq!(pin(&tom, &messages[2]).await.expect(200).json, first);
    assert_eq!(unpin(&tom, &messages[1]).await.expect(200).json["version"], messages[1]["version"]);
    assert!(socket.drain().await.is_empty());

    let third = pin(&tom, &messages[1]).await.expect(200).json;
    assert_eq!(pinned(&kitty, chat).await, [third.clone(), second, first]);
    let walked = kitty.walk(&format!("/api/chats/{chat}/pins/?page_size=2"), "next").await;
    assert_eq!(walked.len(), 3);

    // Away meanwhile: what sync says is what the list says.
    let unpinned = unpin(&tom, &messages[2]).await.expect(200).json;
    assert_eq!((&unpinned["pinned_at"], &unpinned["version"]), (&Value::Null, &json!(8)));
    tom.delete(&format!("/api/messages/{}/", messages[0]["id"])).await.expect(204);
    let known = json!({"versions": {chat.to_string(): 4}});
    let synced = kitty.post("/api/sync/", known).await.expect(200).json;
    let synced = synced["changes"][0]["messages"].as_array().expect("messages").clone();
    let pins: Vec<_> = synced.into_iter().filter(|one| !one["pinned_at"].is_null()).collect();
    assert_eq!(pins, [third]);
    assert_eq!(pinned(&kitty, chat).await, pins);
    kitty.get(&format!("/api/chats/{chat}/pins/?cursor=x")).await.expect(404);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_pin_comes_before_the_state(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, stranger) =
        (server.user("tom").await, server.user("kitty").await, server.user("stranger").await);
    let (group, private) = (tom.group(&[&kitty]).await, tom.private_chat(&kitty).await);
    for (chat, kittys) in [(group, 403), (private, 200)] {
        let (message, gone) = (tom.say(chat, "meow").await, tom.say(chat, "hiss").await);
        pin(&tom, &gone).await.expect(200);
        tom.delete(&format!("/api/messages/{}/", gone["id"])).await.expect(204);
        assert_eq!(pinned(&tom, chat).await, [] as [Value; 0]);
        stranger.get(&format!("/api/chats/{chat}/pins/")).await.expect_not_found();
        for message in [&message, &gone] {
            pin(&stranger, message).await.expect_not_found();
            unpin(&stranger, message).await.expect_not_found();
        }
        pin(&kitty, &message).await.expect(kittys);
        unpin(&kitty, &message).await.expect(kittys);
        let state = if kittys == 200 { 409 } else { 403 };
        pin(&kitty, &gone).await.expect(state);
        pin(&tom, &gone).await.expect_detail(409, TOMBSTONE);
        unpin(&tom, &gone).await.expect_detail(409, TOMBSTONE);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_has_at_most_100_pinned_messages_also_when_both_pin_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let messages = join_all((0..102).map(|n| tom.say(chat, ["meow", "purr"][n % 2]))).await;
    let by = |n: usize| [&tom, &kitty][n % 2];
    let answers = join_all(messages.iter().enumerate().map(|(n, one)| pin(by(n), one))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(409)), (100, 2), "{answers:?}");
    let refused = answers.iter().position(|answer| answer.status == 409).expect("one");
    pin(&tom, &messages[refused]).await.expect_detail(409, FULL);
    let list = kitty.walk(&format!("/api/chats/{chat}/pins/?page_size=30"), "next").await;
    let times: Vec<_> = list.iter().map(|one| one["pinned_at"].to_string()).collect();
    assert_eq!(times.len(), 100);
    assert!(times.is_sorted_by(|one, other| one > other), "{times:?}");
    unpin(&kitty, &list[0]).await.expect(200);
    pin(&tom, &messages[refused]).await.expect(200);
}
