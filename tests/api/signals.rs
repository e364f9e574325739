//! Ephemeral signals over the socket: receipts and typing indicators.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, Socket, TestApp};

fn mark(kind: &str, chat: i64, seq: i64) -> Value {
    json!({"type": kind, "chat": chat, "seq": seq})
}

fn receipt(chat: i64, user: &Client, delivered: i64, read: i64) -> Value {
    json!({"type": "receipt", "chat": chat, "user": user.id,
        "last_delivered_seq": delivered, "last_read_seq": read})
}

fn typing(chat: i64, user: &Client, active: bool) -> Value {
    json!({"type": "typing", "chat": chat, "user": user.id, "active": active})
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_reach_every_member_and_only_when_a_marker_moves(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    for _ in 0..3 {
        tom.say(chat, "meow").await;
    }
    let mut sockets = [
        Socket::open(&tom).await.loud(),
        Socket::open(&kitty).await.loud(),
        Socket::open(&kitty).await.loud(),
    ];
    let ack = sockets[1].request(mark("message.delivered", chat, 2)).await;
    assert_eq!(ack["type"], "ack");
    for socket in &mut sockets {
        assert_eq!(socket.next().await, receipt(chat, &kitty, 2, 0));
    }
    // Beyond the newest message counts as the newest; never back; reading implies delivery.
    sockets[1].request(mark("message.read", chat, 99)).await;
    assert_eq!(sockets[0].next().await, receipt(chat, &kitty, 3, 3));
    for socket in &mut sockets[1..] {
        let mut own = socket.next().await;
        let version = own.as_object_mut().expect("a frame").remove("account");
        let before = socket.ready["account"].as_i64().expect("a version");
        assert_eq!((own, version), (receipt(chat, &kitty, 3, 3), Some(json!(before + 1))));
    }
    sockets[1].request(mark("message.read", chat, 1)).await;
    sockets[1].request(mark("message.delivered", chat, 3)).await;
    tom.say(chat, "purr").await;
    for socket in &mut sockets {
        assert_eq!(socket.next().await["type"], "message.created", "nothing else moved");
    }
    // The same by REST.
    kitty.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    assert_eq!(sockets[0].next().await, receipt(chat, &kitty, 4, 3));
    kitty.post(&format!("/api/chats/{chat}/read/"), json!({"seq": 4})).await.expect(200);
    assert_eq!(sockets[0].next().await, receipt(chat, &kitty, 4, 4));
    let messages = tom.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    assert_eq!(messages.results()[0]["status"], "read");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_many_markers_are_coalesced_and_the_last_one_always_arrives(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    for _ in 0..40 {
        tom.say(chat, "meow").await;
    }
    let mut listener = Socket::open(&tom).await.loud();
    let mut reader = Socket::open(&kitty).await.loud();
    for seq in 1..=40 {
        reader.send(mark("message.read", chat, seq)).await;
    }
    let mut told = Vec::new();
    while told.last() != Some(&40) {
        let frame = listener.next().await;
        assert_eq!(frame["type"], "receipt", "{frame}");
        told.push(frame["last_read_seq"].as_i64().expect("a mark"));
    }
    assert!(told.len() < 20 && told.is_sorted(), "{told:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_are_for_members_and_numbers(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (own, foreign) = (kitty.group(&[]).await, tom.group(&[]).await);
    let mut socket = Socket::open(&kitty).await.loud();
    for kind in ["message.read", "message.delivered"] {
        assert_eq!(socket.request(mark(kind, foreign, 1)).await["code"], "not_found");
        assert_eq!(
            socket.request(json!({"type": kind, "chat": foreign})).await["code"],
            "not_found"
        );
        for (frame, field) in [
            (json!({"type": kind, "seq": 1}), "chat"),
            (json!({"type": kind, "chat": own}), "seq"),
            (json!({"type": kind, "chat": own, "seq": "1"}), "seq"),
            (json!({"type": kind, "chat": own, "seq": -1}), "seq"),
            (json!({"type": "typing", "chat": own}), "active"),
            (json!({"type": "typing", "chat": own, "active": 1}), "active"),
        ] {
            let error = socket.request(frame).await;
            assert_eq!(error["code"], "invalid", "{error}");
            assert!(error["errors"][field].is_array(), "{error}");
        }
    }
    let frame = json!({"type": "typing", "chat": foreign, "active": true});
    assert_eq!(socket.request(frame).await["code"], "not_found");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_indicators_are_repeated_at_intervals_and_expire(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let mut listener = Socket::open(&tom).await.loud();
    let mut own = Socket::open(&kitty).await.loud();
    let mut writer = Socket::open(&kitty).await.loud();
    let frame = |active| json!({"type": "typing", "chat": chat, "active": active});
    for _ in 0..5 {
        assert_eq!(writer.request(frame(true)).await["type"], "ack");
    }
    assert_eq!(listener.next().await, typing(chat, &kitty, true));
    server.app.clock.advance(Duration::from_secs(3));
    writer.send(frame(true)).await;
    assert_eq!(listener.next().await, typing(chat, &kitty, true));
    writer.send(frame(false)).await;
    assert_eq!(listener.next().await, typing(chat, &kitty, false));
    // At most once in three seconds.
    writer.request(frame(true)).await;
    writer.request(frame(false)).await;
    server.app.clock.advance(Duration::from_secs(3));
    writer.request(frame(true)).await;
    assert_eq!(listener.next().await, typing(chat, &kitty, true));
    server.app.clock.advance(Duration::from_secs(7));
    assert_eq!(listener.next().await, typing(chat, &kitty, false), "it ends by itself");
    assert!(listener.drain().await.is_empty());
    assert!(own.drain().await.is_empty(), "one's own devices do not hear of it");
}
