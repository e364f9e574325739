//! A socket whose peer reads nothing, or sends much, holds nothing that others need: no database
//! connection, no permit, no lock.

use std::time::Duration;

use futures_util::SinkExt;
use futures_util::future::join_all;
use meowsenger::domain::ids::UserId;
use meowsenger::shares::Holder;
use rstest::rstest;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{Backend, Socket, TestApp};

/// Far less than the timeout for a database connection.
const SOON: Duration = Duration::from_secs(5);

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_do_not_read_their_replies_hold_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (mallory, bob) = (server.user("mallory").await, server.user("bob").await);
    let group = mallory.group(&[]).await;
    let content = "🐈".repeat(10_000);
    let message = mallory.say(group, &content).await["id"].clone();
    join_all((0..30).map(|_| mallory.say(group, &content))).await;
    let sync = json!({"type": "sync", "versions": {group.to_string(): 1}, "id": 1});
    let edit = json!({"type": "message.edit", "message": message, "content": "meow", "id": 2});
    let mut silent = Vec::new();
    for _ in 0..12 {
        let mut socket = Socket::narrow(&mallory).await;
        for _ in 0..8 {
            socket.stream.feed(Message::text(sync.to_string())).await.expect("sent");
            socket.stream.feed(Message::text(edit.to_string())).await.expect("sent");
        }
        socket.stream.flush().await.expect("sent");
        silent.push(socket);
    }
    for socket in &mut silent {
        // The first reply has begun to be written.
        let MaybeTlsStream::Plain(tcp) = socket.stream.get_mut() else { panic!("no TLS here") };
        timeout(4 * SOON, tcp.read_exact(&mut [0; 100])).await.expect("in time").expect("read");
    }
    for _ in 0..10 {
        for path in ["/api/auth/me/", "/readyz"] {
            timeout(SOON, bob.get(path)).await.expect("at once").expect(200);
        }
        // A write needs SQLite's only writing connection, and rows that others lock.
        timeout(SOON, bob.group(&[])).await.expect("at once");
        timeout(SOON, mallory.say(group, "purr")).await.expect("at once");
    }
    let free = server.app.heavy_requests.acquire(Holder::User(UserId(mallory.id)));
    timeout(SOON, free).await.expect("nothing is held").expect("free");
    drop(silent);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_before_the_socket_was_closed_is_done(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let message = alice.say(chat, "meow").await["id"].clone();
    let mut listener = Socket::open(&bob).await;
    let mut socket = Socket::open(&alice).await;
    let edit = json!({"type": "message.edit", "message": message, "content": "purr"});
    socket.send(edit).await;
    socket.send_message(Message::Close(None)).await;
    let event = listener.next_of("message.updated").await;
    assert_eq!(event["message"]["content"], "purr");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_take_their_turn_in_the_order_of_their_frames(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut socket = Socket::open(&alice).await;
    for n in 0..20 {
        let send = json!({"type": "message.send", "chat": chat, "content": n.to_string(), "id": n});
        socket.stream.feed(Message::text(send.to_string())).await.expect("sent");
    }
    // Both are heavy: the second has to wait, and later frames are not read.
    for users in [json!([bob.id]), json!([])] {
        let watch = json!({"type": "status.watch", "users": users, "id": "watch"});
        socket.stream.feed(Message::text(watch.to_string())).await.expect("sent");
    }
    socket.send(json!({"type": "ping", "id": "last"})).await;
    let mut acks = Vec::new();
    let mut watched = Vec::new();
    loop {
        let frame = socket.next().await;
        match (frame["type"].as_str().expect("a type"), &frame["id"]) {
            ("ack", id) if *id == "watch" => watched.push(frame["users"].clone()),
            ("ack", id) => acks.push((id.clone(), frame["message"]["seq"].clone())),
            ("pong", _) => break,
            _ => {}
        }
    }
    while acks.len() < 20 || watched.len() < 2 {
        let frame = socket.next_of("ack").await;
        match &frame["id"] {
            id if *id == "watch" => watched.push(frame["users"].clone()),
            id => acks.push((id.clone(), frame["message"]["seq"].clone())),
        }
    }
    acks.sort_by_key(|(id, _)| id.as_i64());
    let seqs: Vec<_> = acks.iter().map(|(_, seq)| seq.as_i64().expect("a seq")).collect();
    assert_eq!(seqs, (1..=20).collect::<Vec<_>>());
    assert_eq!((watched[0][0]["user"].as_i64(), &watched[1]), (Some(bob.id), &json!([])));
}

/// A fragment of a text message.
fn part(text: &str, opcode: Data, is_last: bool) -> Message {
    Message::Frame(Frame::message(text.to_owned(), OpCode::Data(opcode), is_last))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_messages_and_pings_count_as_frames() {
    let server = TestApp::start_with(Backend::Sqlite, &[("THROTTLE", "on")]).await;
    let server = server.expect("always there");
    let alice = server.user("alice").await;
    let mut parts = Socket::open(&alice).await;
    for (text, opcode, is_last) in [
        ("{\"type\": \"ping\"", Data::Text, false),
        (", \"id\": 5", Data::Continue, false),
        ("", Data::Continue, false),
        ("}", Data::Continue, true),
    ] {
        parts.send_message(part(text, opcode, is_last)).await;
    }
    assert_eq!(parts.next().await, json!({"type": "pong", "id": 5}));

    let before = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
    for (mut socket, first, next) in [
        (parts, part("{", Data::Text, false), part("", Data::Continue, false)),
        (Socket::open(&alice).await, Message::Ping("".into()), Message::Ping("".into())),
        (before, Message::Ping("".into()), Message::Ping("".into())),
    ] {
        socket.send_message(first).await;
        for _ in 0..2_000 {
            // The socket may already be closed.
            if socket.stream.feed(next.clone()).await.is_err() {
                break;
            }
        }
        socket.stream.flush().await.ok();
        assert_eq!(socket.closed().await.0, 4029);
    }
}
