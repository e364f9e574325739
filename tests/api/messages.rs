//! Messages: send, retry, reply, edit, delete, and their status.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, TestApp};

const CLASH: &str = "A message with this client_id and other content exists.";
const FORBIDDEN: &str = "You do not have permission to perform this action.";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_numbered_without_gaps(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let path = format!("/api/chats/{chat}/messages/");
    let body = json!({
        "content": "meow", "id": 9, "seq": 9, "version": 9, "sender": kitty.id, "status": "read",
        "timestamp": "2000-01-01T00:00:00Z", "edited_at": "2000-01-01T00:00:00Z", "surprise": 1,
    });
    let sent = tom.post(&path, body).await.expect(201).json;
    let sender = json!({
        "id": tom.id, "username": tom.username, "first_name": "", "last_name": "", "avatar": null,
    });
    let expected = json!({
        "id": sent["id"], "chat": chat, "seq": 1, "version": 2, "sender": sender,
        "content": "meow", "timestamp": sent["timestamp"], "edited_at": null, "deleted_at": null,
        "reply_to": null, "client_id": null, "status": "sent", "reactions": [],
        "mentions": [], "mentions_all": false, "pinned_at": null, "forwarded_from": null, "attachments": [],
    });
    assert_eq!(sent, expected);
    tom.get(&format!("/api/messages/{}/", sent["id"])).await.expect_body(200, expected);

    // Many concurrent sends by both users; each number is assigned once.
    let texts: Vec<_> = (0..20).map(|n| format!("meow {n}")).collect();
    let sends = texts.iter().enumerate().map(|(n, text)| [&tom, &kitty][n % 2].say(chat, text));
    let sent = join_all(sends).await;
    let mut numbers: Vec<_> =
        sent.iter().map(|m| (m["seq"].as_i64(), m["version"].as_i64())).collect();
    numbers.sort_unstable();
    let expected: Vec<_> = (2..22).map(|seq| (Some(seq), Some(seq + 1))).collect();
    assert_eq!(numbers, expected);
    let seen = tom.get(&format!("/api/chats/{chat}/")).await.json;
    assert_eq!((&seen["last_seq"], &seen["version"]), (&json!(21), &json!(22)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_makes_no_second_message(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let path = format!("/api/chats/{chat}/messages/");
    let body = |content: &str, client_id: &str| json!({"content": content, "client_id": client_id});

    let first = tom.post(&path, body("meow", "a")).await.expect(201).json;
    assert_eq!(first["client_id"], "a");
    tom.post(&path, body("meow", "a")).await.expect_body(200, first.clone());
    tom.post(&path, body("purr", "a")).await.expect_detail(409, CLASH);
    // Another sender, another name, another chat: another message.
    let group = tom.group(&[&kitty]).await;
    let elsewhere = format!("/api/chats/{group}/messages/");
    kitty.post(&path, body("meow", "a")).await.expect(201);
    tom.post(&path, body("meow", "A")).await.expect(201);
    tom.post(&elsewhere, body("meow", "a")).await.expect(201);

    // After an edit or a deletion, the message as it is now.
    let message = format!("/api/messages/{}/", first["id"]);
    let edited = tom.put(&message, json!({"content": "miau"})).await.expect(200).json;
    let again = tom.post(&path, body("purr", "a")).await.expect(200).json;
    assert_eq!((&again["id"], &again["content"]), (&first["id"], &edited["content"]));
    tom.delete(&message).await.expect(204);
    let again = tom.post(&path, body("meow", "a")).await.expect(200).json;
    assert_eq!((&again["id"], &again["content"]), (&first["id"], &json!("")));

    let longest = "🐈".repeat(64);
    tom.post(&path, body("meow", &longest)).await.expect(201);
    tom.post(&path, body("meow", ""))
        .await
        .expect_fault("client_id", "This field may not be blank.");
    let text = "Ensure this field has no more than 64 characters.";
    tom.post(&path, body("meow", &(longest + "x"))).await.expect_fault("client_id", text);
    let null = json!({"content": "meow", "client_id": null});
    let (one, other) = (tom.post(&path, null.clone()).await, tom.post(&path, null).await);
    assert_ne!(one.expect(201).json["id"], other.expect(201).json["id"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answers_a_message_of_the_same_chat_that_is_there(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (chat, group) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    let (here, elsewhere) = (tom.say(chat, "meow").await, tom.say(group, "meow").await);
    let path = format!("/api/chats/{chat}/messages/");
    let body =
        |reply_to: &Value| json!({"content": "purr", "reply_to": reply_to, "client_id": "a"});

    let answer = kitty.post(&path, body(&here["id"])).await.expect(201).json;
    assert_eq!(answer["reply_to"], here["id"]);
    let edit = json!({"content": "purr!", "reply_to": null});
    let edited = kitty.put(&format!("/api/messages/{}/", answer["id"]), edit).await.expect(200);
    assert_eq!(edited.json["reply_to"], here["id"], "for ever");

    tom.delete(&format!("/api/messages/{}/", here["id"])).await.expect(204);
    for id in [&here["id"], &elsewhere["id"], &json!(999_999), &json!(-1), &json!(i64::MAX)] {
        let text = format!("Invalid pk \"{id}\" - object does not exist.");
        tom.post(&path, body(id)).await.expect_fault("reply_to", &text);
    }
    // The retry of a reply whose original has been deleted since.
    let again = kitty.post(&path, body(&here["id"])).await.expect(200).json;
    assert_eq!(again["id"], answer["id"]);
    let null = tom.post(&path, body(&Value::Null)).await.expect(201).json;
    assert_eq!(null["reply_to"], Value::Null);
    let text = "Incorrect type. Expected pk value, received str.";
    tom.post(&path, body(&json!("1"))).await.expect_fault("reply_to", text);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_not_blank_and_has_a_limit(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let path = format!("/api/chats/{chat}/messages/");
    let message = format!("/api/messages/{}/", tom.say(chat, "meow").await["id"]);
    let longest = "🐈".repeat(10_000);
    let blank = "This field may not be blank.";
    for (content, text) in [
        (json!(""), blank),
        (json!(" \n\t\u{2003}"), blank),
        (json!(null), "This field may not be null."),
        (json!(5), "Not a valid string."),
        (json!(["meow"]), "Not a valid string."),
        (json!("a\u{0}b"), "Null characters are not allowed."),
        (json!(format!("{longest}x")), "Ensure this field has no more than 10000 characters."),
    ] {
        let body = json!({"content": content});
        tom.post(&path, body.clone()).await.expect_fault("content", text);
        tom.put(&message, body.clone()).await.expect_fault("content", text);
        tom.patch(&message, body).await.expect_fault("content", text);
    }
    tom.post(&path, json!({})).await.expect_fault("content", "This field is required.");
    tom.put(&message, json!({})).await.expect_fault("content", "This field is required.");
    let unchanged = tom.patch(&message, json!({})).await.expect(200).json;
    assert_eq!((&unchanged["version"], &unchanged["edited_at"]), (&json!(2), &Value::Null));
    let body = json!({"content": " ", "reply_to": true, "client_id": 5});
    tom.post(&path, body).await.expect_body(
        400,
        json!({
            "content": [blank],
            "reply_to": ["Incorrect type. Expected pk value, received bool."],
            "client_id": ["Not a valid string."],
        }),
    );
    let body = json!({"content": "", "reply_to": 1_000_000});
    let no_such = "Invalid pk \"1000000\" - object does not exist.";
    let both = json!({"content": [blank], "reply_to": [no_such]});
    tom.post(&path, body).await.expect_body(400, both);
    let sent = tom.post(&path, json!({"content": longest})).await.expect(201);
    assert_eq!(sent.json["content"], longest);
    // A body with every character escaped fits as well.
    let escaped = format!("{{\"content\": \"{}\"}}", "\\ud83d\\udc08".repeat(10_000));
    let put = tom.raw(reqwest::Method::PUT, &message, "application/json", escaped).await;
    assert_eq!(put.expect(200).json["content"], longest);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn editing_makes_one_version_and_equal_content_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let sent = tom.say(chat, "meow").await;
    let path = format!("/api/messages/{}/", sent["id"]);
    tom.put(&path, json!({"content": "meow"})).await.expect_body(200, sent.clone());
    tom.patch(&path, json!({"content": "meow"})).await.expect_body(200, sent.clone());

    let edited = tom.put(&path, json!({"content": "miau", "seq": 7})).await.expect(200).json;
    let mut expected = sent.clone();
    (expected["content"], expected["version"]) = (json!("miau"), json!(3));
    expected["edited_at"] = edited["edited_at"].clone();
    assert_eq!(edited, expected);
    assert!(edited["edited_at"].as_str() >= sent["timestamp"].as_str());
    kitty.get(&path).await.expect_body(200, expected);
    let edited = tom.patch(&path, json!({"content": "purr"})).await.expect(200).json;
    assert_eq!((&edited["version"], &edited["seq"]), (&json!(4), &json!(1)));
    assert_eq!(tom.get(&format!("/api/chats/{chat}/")).await.json["version"], 4);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_message_stays_as_a_tombstone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let sent = tom.say(chat, "meow").await;
    let path = format!("/api/messages/{}/", sent["id"]);
    assert_eq!(tom.delete(&path).await.expect(204).text, "");
    tom.delete(&path).await.expect(204);

    let tombstone = tom.get(&path).await.expect(200).json;
    let mut expected = sent.clone();
    (expected["content"], expected["version"]) = (json!(""), json!(3));
    expected["deleted_at"] = tombstone["deleted_at"].clone();
    assert!(tombstone["deleted_at"].is_string());
    assert_eq!(tombstone, expected);
    let page = tom.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    assert_eq!(page.results(), [expected]);
    let seen = tom.get(&format!("/api/chats/{chat}/")).await.json;
    assert_eq!((&seen["version"], &seen["last_seq"]), (&json!(3), &json!(1)));
    assert_eq!(tom.say(chat, "purr").await["seq"], 2, "its number is not given again");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_is_decided_before_the_state_and_that_before_the_body(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, eve) =
        (server.user("tom").await, server.user("kitty").await, server.user("eve").await);
    let chat = tom.private_chat(&kitty).await;
    let path = format!("/api/messages/{}/", tom.say(chat, "meow").await["id"]);
    let bodies = ["{", "[]", "{}", r#"{"content": ""}"#, r#"{"content": "purr"}"#];
    let edit = async |client: &Client, method: &str, body: &'static str| {
        let method = method.parse().expect("a method");
        client.raw(method, &path, "application/json", body).await
    };
    for deleted in [false, true] {
        if deleted {
            tom.delete(&path).await.expect(204);
        }
        for (method, body) in
            ["PUT", "PATCH"].into_iter().flat_map(|method| bodies.map(|body| (method, body)))
        {
            edit(&eve, method, body).await.expect_not_found();
            edit(&kitty, method, body).await.expect_detail(403, FORBIDDEN);
            if deleted {
                let answer = edit(&tom, method, body).await;
                answer.expect_detail(409, "A deleted message cannot be edited.");
            }
        }
        eve.delete(&path).await.expect_not_found();
        kitty.delete(&path).await.expect_detail(403, FORBIDDEN);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_groups_owner_deletes_any_message_and_a_member_ones_own(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, spike) =
        (server.user("tom").await, server.user("kitty").await, server.user("spike").await);
    let group = tom.group(&[&kitty, &spike]).await;
    let said =
        async |client: &Client| format!("/api/messages/{}/", client.say(group, "meow").await["id"]);
    let (toms, kittys) = (said(&tom).await, said(&kitty).await);
    for path in [&toms, &kittys] {
        spike.delete(path).await.expect_detail(403, FORBIDDEN);
    }
    kitty.delete(&toms).await.expect_detail(403, FORBIDDEN);
    tom.put(&kittys, json!({"content": "purr"})).await.expect_detail(403, FORBIDDEN);
    tom.delete(&kittys).await.expect(204);
    let tombstone = spike.get(&kittys).await.expect(200).json;
    assert_eq!((&tombstone["content"], &tombstone["sender"]["id"]), (&json!(""), &json!(kitty.id)));
    kitty.delete(&kittys).await.expect(204);
    assert_eq!(tom.get(&format!("/api/chats/{group}/")).await.json["version"], 4);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_delivered_when_everyone_fetched_it_and_read_when_everyone_did(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, spike) =
        (server.user("tom").await, server.user("kitty").await, server.user("spike").await);
    let group = tom.group(&[&kitty, &spike]).await;
    let messages = format!("/api/chats/{group}/messages/");
    let sent = tom.say(group, "one").await;
    tom.say(group, "two").await;
    let statuses = async || {
        let page = tom.get(&format!("{messages}?after=0")).await.expect(200);
        let one = kitty.get(&format!("/api/messages/{}/", sent["id"])).await.expect(200).json;
        assert_eq!(one["status"], page.results()[0]["status"], "the same for every viewer");
        page.column("status")
    };
    kitty.get(&messages).await.expect(200);
    assert_eq!(statuses().await, ["sent", "sent"]);
    // Up to the newest message returned. A single message, the chat, and HEAD, which returns none, do
    // not count as delivery.
    spike.head(&messages).await.expect(200);
    spike.get(&format!("/api/messages/{}/", sent["id"])).await.expect(200);
    spike.get(&format!("/api/chats/{group}/")).await.expect(200);
    assert_eq!(statuses().await, ["sent", "sent"]);
    let page = spike.get(&format!("{messages}?before=2")).await.expect(200);
    assert_eq!(page.column("status"), ["delivered"]);
    assert_eq!(statuses().await, ["delivered", "sent"]);
    spike.get(&messages).await.expect(200);
    assert_eq!(statuses().await, ["delivered", "delivered"]);
    spike.get(&format!("{messages}?before=2")).await.expect(200);
    assert_eq!(statuses().await, ["delivered", "delivered"], "marks only grow");

    // Sending implies having read what came before.
    kitty.say(group, "three").await;
    assert_eq!(statuses().await, ["delivered", "delivered", "sent"]);
    spike.say(group, "four").await;
    assert_eq!(statuses().await, ["read", "read", "delivered", "sent"]);

    let alone = tom.group(&[]).await;
    tom.say(alone, "echo").await;
    let page = tom.get(&format!("/api/chats/{alone}/messages/")).await;
    assert_eq!(page.column("status"), ["sent"], "there is no other member");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_are_messages_by_others_that_are_not_deleted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let counts = async || {
        let mut counts = vec![];
        for client in [&tom, &kitty] {
            let one = client.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
            let listed = client.get("/api/chats/").await.results()[0].clone();
            assert_eq!(one["unread_count"], listed["unread_count"]);
            counts.push([one["unread_count"].clone(), one["last_read_seq"].clone()]);
        }
        serde_json::to_string(&counts).expect("JSON")
    };
    let mut said = vec![];
    for text in ["one", "two", "three"] {
        said.push(tom.say(chat, text).await["id"].clone());
    }
    assert_eq!(counts().await, "[[0,3],[3,0]]");
    kitty.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    assert_eq!(counts().await, "[[0,3],[3,0]]", "fetching is not reading");
    tom.delete(&format!("/api/messages/{}/", said[1])).await.expect(204);
    assert_eq!(counts().await, "[[0,3],[2,0]]");
    tom.put(&format!("/api/messages/{}/", said[0]), json!({"content": "1"})).await.expect(200);
    assert_eq!(counts().await, "[[0,3],[2,0]]");
    kitty.say(chat, "four").await;
    assert_eq!(counts().await, "[[1,3],[0,4]]");
    tom.delete(&format!("/api/messages/{}/", said[2])).await.expect(204);
    assert_eq!(counts().await, "[[1,3],[0,4]]");
}
