//! Requests over the socket, their answers, and the events for others.

use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Backend, Socket, TestApp};

fn send(chat: i64, content: &str) -> Value {
    json!({"type": "message.send", "chat": chat, "content": content})
}

#[track_caller]
fn assert_error(frame: &Value, code: &str) {
    assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!(code)), "{frame}");
    assert!(frame["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{frame}");
}

#[rstest]
#[tokio::test]
async fn a_ping_is_answered_with_its_id_if_any(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut socket = Socket::open(&server.user("alice").await).await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await, json!({"type": "pong"}));
    for id in
        [json!("a"), json!(""), json!(7), json!(-1), json!(1.5), json!(9_007_199_254_740_991_i64)]
    {
        socket.send(json!({"type": "ping", "id": id})).await;
        assert_eq!(socket.next().await, json!({"type": "pong", "id": id}));
    }
    socket.send(json!({"type": "ping", "id": null})).await;
    assert_eq!(socket.next().await, json!({"type": "pong"}));
    for id in [json!([]), json!({}), json!(true)] {
        socket.send(json!({"type": "ping", "id": id})).await;
        assert_error(&socket.next().await, "invalid");
    }
}

#[rstest]
#[tokio::test]
async fn a_second_authentication_is_a_conflict_and_the_socket_stays_open(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut socket = Socket::open_by_frame(&alice).await;
    for token in [&alice.access, &bob.access, "rubbish"] {
        let error = socket.request(json!({"type": "auth", "token": token})).await;
        assert_error(&error, "conflict");
    }
    let error = socket.request(json!({"type": "auth"})).await;
    assert_error(&error, "conflict");
    assert!(socket.drain().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn an_ack_comes_only_with_an_id_and_an_error_always(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut socket = Socket::open(&alice).await;

    socket.send(send(chat, "no id")).await;
    let event = socket.next().await;
    assert_eq!(event["type"], "message.created", "{event}");
    assert!(socket.drain().await.is_empty());

    let ack = socket.request(send(chat, "an id")).await;
    assert_eq!(ack["type"], "ack");
    let event = socket.next_of("message.created").await;
    assert_eq!(event["message"], ack["message"]);
    let id = ack["message"]["id"].as_i64().expect("an id");
    let stored = alice.get(&format!("/api/messages/{id}/")).await.expect(200).json;
    assert_eq!(stored, ack["message"], "as REST has it");

    socket.send(send(0, "no id")).await;
    let error = socket.next().await;
    assert_error(&error, "not_found");
    assert!(error.get("id").is_none(), "{error}");
}

#[rstest]
#[tokio::test]
async fn sending_editing_and_deleting_are_seen_by_every_connection_of_every_member(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let stranger = server.user("eve").await;
    let chat = alice.private_chat(&bob).await;
    let mut own = Socket::open(&alice).await;
    let mut others =
        [Socket::open(&alice).await, Socket::open(&bob).await, Socket::open(&bob).await];
    let mut strangers = Socket::open(&stranger).await;

    let sent = own.request(send(chat, " meow\r\n\u{202e}🐈 ")).await["message"].clone();
    assert_eq!(sent["content"], " meow\r\n\u{202e}🐈 ");
    let id = &sent["id"];
    let edit = json!({"type": "message.edit", "message": id, "content": "miau"});
    let edited = own.request(edit.clone()).await["message"].clone();
    let unchanged = own.request(edit).await["message"].clone();
    assert_eq!(unchanged, edited, "no version, no event");
    let delete = json!({"type": "message.delete", "message": id});
    let deleted = own.request(delete.clone()).await["message"].clone();
    assert_eq!(own.request(delete).await["message"], deleted, "no version, no event");
    assert_eq!((&deleted["content"], &deleted["version"]), (&json!(""), &json!(4)));

    let event = |kind: &str, version: i64, message: &Value| json!({"type": kind, "chat": chat, "version": version, "message": message});
    let expected = [
        event("message.created", 2, &sent),
        event("message.updated", 3, &edited),
        event("message.deleted", 4, &deleted),
    ];
    for socket in others.iter_mut().chain([&mut own]) {
        for expected in &expected {
            assert_eq!(&socket.next().await, expected);
        }
        assert!(socket.drain().await.is_empty());
    }
    assert!(strangers.drain().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn each_member_receives_a_new_chat_as_they_see_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (carol, eve) = (server.user("carol").await, server.user("eve").await);
    let people = [&alice, &bob, &carol, &eve];
    let mut sockets = Vec::new();
    for person in people {
        sockets.push([Socket::open(person).await, Socket::open(person).await]);
    }
    let private = alice.private_chat(&bob).await;
    let group = carol.group(&[&alice, &bob]).await;
    // An existing private chat is not created again.
    assert_eq!(bob.private_chat(&alice).await, private);

    let expected = [vec![private, group], vec![private, group], vec![group], vec![]];
    for ((person, sockets), chats) in people.iter().zip(&mut sockets).zip(expected) {
        for socket in sockets {
            for chat in &chats {
                let event = socket.next().await;
                assert_eq!(event["type"], "chat.created", "{event}");
                let mut seen = person.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
                seen.as_object_mut().expect("an object").remove("members");
                // Presence changes by itself.
                let mut told = event["chat"].clone();
                for chat in [&mut seen, &mut told] {
                    if chat["peer"].is_object() {
                        chat["peer"]["status"] = Value::Null;
                    }
                }
                assert_eq!(told, seen, "{}", person.username);
            }
            assert!(socket.drain().await.is_empty());
        }
    }

    // Its messages are delivered from then on.
    alice.say(group, "hello").await;
    for socket in sockets[..3].iter_mut().flatten() {
        assert_eq!(socket.next().await["version"], 2);
    }
}

#[rstest]
#[tokio::test]
async fn a_refusal_has_a_code_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let eve = server.user("eve").await;
    let (chat, foreign) = (alice.private_chat(&bob).await, alice.group(&[&eve]).await);
    let theirs = alice.say(chat, "mine").await["id"].clone();
    let unknown = alice.say(foreign, "secret").await["id"].clone();
    let mut socket = Socket::open(&bob).await;
    let own = socket.request(send(chat, "own")).await["message"]["id"].clone();
    let dead = socket.request(send(chat, "dead")).await["message"]["id"].clone();
    socket.request(json!({"type": "message.delete", "message": dead})).await;
    let before = bob.messages(chat).await;
    socket.drain().await;

    let edit = |id: &Value, content: &str| json!({"type": "message.edit", "message": id, "content": content});
    let delete = |id: &Value| json!({"type": "message.delete", "message": id});
    let long = "x".repeat(10_001);
    let cases = [
        ("invalid", json!({"type": "message.send"})),
        ("invalid", send(chat, "")),
        ("invalid", send(chat, " \n\u{2003}")),
        ("invalid", send(chat, &long)),
        ("invalid", send(chat, "nul \0")),
        ("invalid", json!({"type": "message.send", "chat": chat, "content": 5})),
        ("invalid", json!({"type": "message.send", "chat": "1", "content": "x"})),
        (
            "invalid",
            json!({"type": "message.send", "chat": chat, "content": "x", "reply_to": unknown}),
        ),
        (
            "invalid",
            json!({"type": "message.send", "chat": chat, "content": "x", "reply_to": dead}),
        ),
        ("invalid", json!({"type": "message.send", "chat": chat, "content": "x", "client_id": ""})),
        (
            "invalid",
            json!({"type": "message.send", "chat": chat, "content": "x", "client_id": "c".repeat(65)}),
        ),
        ("invalid", edit(&own, "")),
        ("invalid", json!({"type": "message.edit", "content": "x"})),
        ("invalid", json!({"type": "message.delete"})),
        ("invalid", json!({"type": "message.vanish"})),
        ("invalid", json!({"type": 5})),
        ("invalid", json!({})),
        ("not_found", send(foreign, "x")),
        ("not_found", send(foreign, "")),
        ("not_found", send(i64::MAX, "x")),
        ("not_found", send(-1, "x")),
        ("not_found", edit(&unknown, "x")),
        ("not_found", edit(&unknown, "")),
        ("not_found", delete(&unknown)),
        ("not_found", delete(&json!(i64::MAX))),
        ("permission_denied", edit(&theirs, "x")),
        ("permission_denied", edit(&theirs, "")),
        ("permission_denied", delete(&theirs)),
        ("conflict", edit(&dead, "x")),
    ];
    for (code, frame) in cases {
        let error = socket.request(frame.clone()).await;
        assert_error(&error, code);
        assert!(error.get("errors").is_none() || code == "invalid", "{error}");
    }
    // Validation errors are the same as over REST.
    let error = socket.request(send(chat, "")).await;
    assert_eq!(error["errors"], json!({"content": ["This field may not be blank."]}));

    let named = json!({"type": "message.send", "chat": chat, "content": "one", "client_id": "n"});
    let first = socket.request(named.clone()).await["message"]["id"].clone();
    let mut other = named;
    other["content"] = json!("two");
    assert_error(&socket.request(other).await, "conflict");
    assert_eq!(socket.next_of("message.created").await["message"]["id"], first);

    assert!(socket.drain().await.is_empty());
    let after = bob.messages(chat).await;
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.len(), before.len() + 1);
}

#[rstest]
#[tokio::test]
async fn an_internal_error_is_reported_and_the_socket_stays_open(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut socket = Socket::open(&alice).await;

    let rename = async |from: &str, to: &str| {
        server.script(&format!("alter table {from} rename to {to}")).await;
    };
    rename("messages", "lost").await;
    for frame in [send(chat, "meow"), json!({"type": "message.delete", "message": 1})] {
        let error = socket.request(frame).await;
        assert_error(&error, "server_error");
        assert_eq!(error["detail"], "A server error occurred.", "nothing of the inside");
    }
    rename("lost", "messages").await;
    let ack = socket.request(send(chat, "meow")).await;
    assert_eq!((&ack["type"], &ack["message"]["seq"]), (&json!("ack"), &json!(1)), "{ack}");

    server.app.db.close().await;
    for frame in [send(chat, "meow"), json!({"type": "message.delete", "message": 1})] {
        let error = socket.request(frame).await;
        assert_error(&error, "unavailable");
        assert_eq!(error["detail"], "Service temporarily unavailable, try again later.");
    }
    assert_eq!(socket.request(json!({"type": "ping"})).await["type"], "pong");
}

#[rstest]
#[tokio::test]
async fn text_that_is_no_request_is_answered_and_harms_nobody(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let (mut socket, mut bobs) = (Socket::open(&alice).await, Socket::open(&bob).await);

    let texts = [
        String::new(),
        " ".to_owned(),
        "rubbish".to_owned(),
        "\0".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "5".to_owned(),
        "1e400".to_owned(),
        "\"ping\"".to_owned(),
        "[]".to_owned(),
        r#"[{"type": "ping"}]"#.to_owned(),
        r#"{"type": "ping""#.to_owned(),
        r#"{"type": "ping"} {"type": "ping"}"#.to_owned(),
        r#"{"type": "ping", "id": 1e400}"#.to_owned(),
        r#"{"type": "\ud800"}"#.to_owned(),
        r#"{"type": "message.send", "chat": 1e400, "content": "x"}"#.to_owned(),
        r#"{"type": "message.send", "chat": 1.5, "content": "x"}"#.to_owned(),
        format!(r#"{{"type": "message.send", "chat": {chat}, "content": "\udc00"}}"#),
        format!(r#"{{"type": "message.send", "chat": {chat}, "content": {{"a": 1}}}}"#),
        r#"{"type": "__proto__", "constructor": {}}"#.to_owned(),
        r#"{"type": "Ping"}"#.to_owned(),
        r#"{"type": "'; drop table messages; --"}"#.to_owned(),
        r#"{"__proto__": {"type": "ping"}}"#.to_owned(),
        "[".repeat(100_000),
        format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000)),
        "9".repeat(100_000),
        "\u{feff}{\"type\": \"ping\"}".to_owned(),
        "x".repeat(128 * 1024),
    ];
    for text in &texts {
        socket.send_text(text).await;
        let error = socket.next().await;
        assert_error(&error, "invalid");
    }
    // Unknown fields are ignored; the last duplicate key wins.
    socket.send_text(r#"{"type": "rubbish", "type": "ping", "extra": [[[]]]}"#).await;
    assert_eq!(socket.next().await, json!({"type": "pong"}));
    // Pings of the WebSocket protocol are not our frames.
    socket.send_message(Message::Ping("meow".into())).await;
    socket.send_message(Message::Pong("meow".into())).await;

    assert!(socket.drain().await.is_empty());
    assert!(bobs.drain().await.is_empty());
    alice.say(chat, "meow").await;
    assert_eq!(bobs.next().await["type"], "message.created");
    assert!(bob.messages(chat).await.len() == 1);
}

#[rstest]
#[tokio::test]
async fn what_comes_over_a_socket_sets_nothing_that_is_the_server_s_to_set(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut socket = Socket::open(&alice).await;
    let ack = socket
        .request(json!({
            "type": "message.send", "chat": chat, "content": "meow", "message": 77, "user": bob.id,
            "sender": bob.id, "seq": 9, "version": 9, "timestamp": "2000-01-01T00:00:00Z",
            "status": "read", "edited_at": "2000-01-01T00:00:00Z", "deleted_at": null,
        }))
        .await;
    let message = &ack["message"];
    assert_eq!(message["sender"]["id"], alice.id);
    assert_eq!((&message["seq"], &message["version"]), (&json!(1), &json!(2)));
    assert_eq!((&message["status"], &message["edited_at"]), (&json!("sent"), &Value::Null));
    assert!(message["timestamp"].as_str().expect("a time") > "2026");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_answers_as_the_call_of_rest_does(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    for content in ["one", "two", "three"] {
        tom.say(chat, content).await;
    }
    let mut socket = Socket::open(&kitty).await;
    let body = json!({"versions": {chat.to_string(): 2, "999": 1}});
    let expected = kitty.post("/api/sync/", body.clone()).await.expect(200).json;
    let versions = expected["changes"][0]["messages"].as_array().expect("messages");
    let versions: Vec<_> = versions.iter().map(|m| m["version"].as_i64()).collect();
    assert_eq!(versions, [Some(3), Some(4)]);

    let mut frame = body;
    frame["type"] = json!("sync");
    let mut ack = socket.request(frame).await;
    assert_eq!(ack["type"], "ack");
    ack.as_object_mut().expect("an object").retain(|name, _| name != "type" && name != "id");
    assert_eq!(ack, expected);

    let error = socket.request(json!({"type": "sync", "versions": {}, "limit": 0})).await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("invalid")));
    assert!(error["errors"]["limit"].is_array(), "{error}");
}
