//! Closing of sockets: with which code, and when.

use std::time::Duration;

use futures_util::SinkExt;
use meowsenger::lifecycle;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::PASSWORD;
use crate::support::{Backend, Client, Socket, TestApp};

/// The maximum size of a message, in bytes.
const MESSAGE_MAX: usize = 128 * 1024;

/// A `ping` with exactly this many bytes.
fn ping_of(bytes: usize) -> Message {
    let empty = json!({"type": "ping", "padding": ""}).to_string();
    let padding = "x".repeat(bytes - empty.len());
    Message::text(json!({"type": "ping", "padding": padding}).to_string())
}

#[rstest]
#[tokio::test]
async fn binary_frames_are_refused_with_1003(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut socket = Socket::open(&server.user("alice").await).await;
    socket.send_message(Message::binary(r#"{"type": "ping"}"#)).await;
    assert_eq!(socket.closed().await.0, 1003);
}

#[rstest]
#[tokio::test]
async fn a_message_has_128_kib_at_most(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let mut socket = Socket::open(&alice).await;
    socket.send_message(ping_of(MESSAGE_MAX)).await;
    assert_eq!(socket.next().await, json!({"type": "pong"}));
    socket.send_message(ping_of(MESSAGE_MAX + 1)).await;
    assert_eq!(socket.closed().await.0, 1009);

    // Also in fragments, each of which is small enough.
    let mut socket = Socket::open(&alice).await;
    let piece = |kind, last| {
        Message::Frame(Frame::message(vec![b' '; MESSAGE_MAX / 2 + 1], OpCode::Data(kind), last))
    };
    socket.send_message(piece(Data::Text, false)).await;
    socket.send_message(piece(Data::Continue, true)).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[rstest]
#[tokio::test]
async fn text_that_is_not_utf8_is_refused_with_1007(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut socket = Socket::open(&server.user("alice").await).await;
    let text = Frame::message(b"{\"type\": \"\xff\"}".to_vec(), OpCode::Data(Data::Text), true);
    socket.send_message(Message::Frame(text)).await;
    assert_eq!(socket.closed().await.0, 1007);
}

#[rstest]
#[tokio::test]
async fn logging_out_closes_the_session_s_sockets_and_no_others_on_every_node(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let other = server.second_node().await;
    let alice = server.user("alice").await;
    let login = json!({"username": alice.username, "password": PASSWORD});
    let login = server.anonymous().post("/api/auth/login/", login).await.expect(200);
    let phone = server.anonymous().with_session(&login.json);
    let elsewhere = Client { base: other.base.clone(), ..alice.clone() };

    let mut closed = [
        Socket::open(&alice).await,
        Socket::open_by_frame(&alice).await,
        Socket::open(&elsewhere).await,
    ];
    let mut stays = Socket::open(&phone).await;
    alice.post("/api/auth/logout/", json!({})).await.expect(204);
    let since = Instant::now();
    for socket in &mut closed {
        assert_eq!(socket.closed().await.0, 4001);
    }
    // One second is promised; the rest is for a busy machine.
    assert!(since.elapsed() < Duration::from_millis(2_500), "{:?}", since.elapsed());
    assert_eq!(stays.request(json!({"type": "ping"})).await["type"], "pong");
}

#[rstest]
#[tokio::test]
async fn a_socket_outlives_its_access_token_but_not_its_session(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("ACCESS_TOKEN_LIFETIME", "60"), ("REFRESH_TOKEN_LIFETIME", "1h")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut socket = Socket::open(&alice).await;

    server.app.clock.advance(Duration::from_secs(61));
    let body =
        json!({"detail": "Given token not valid for any token type", "code": "token_not_valid"});
    alice.get("/api/auth/me/").await.expect_body(401, body);
    let ack =
        socket.request(json!({"type": "message.send", "chat": chat, "content": "still"})).await;
    assert_eq!(ack["type"], "ack", "{ack}");

    server.app.clock.advance(Duration::from_secs(60 * 60 - 60));
    assert_eq!(socket.closed().await.0, 4001);
}

#[rstest]
#[tokio::test]
async fn a_user_s_newest_socket_is_closed_with_4003_where_there_are_too_many(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("MAX_SOCKETS_PER_USER", "2")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut one, mut two) = (Socket::open(&alice).await, Socket::open(&alice).await);
    for _ in 0..2 {
        let mut third = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
        third.send(json!({"type": "auth", "token": alice.access})).await;
        assert_eq!(third.closed().await.0, 4003);
    }
    assert!(one.drain().await.is_empty() && two.drain().await.is_empty());
    Socket::open(&bob).await;

    // Closing one makes room; the server completes the close handshake after it has removed the socket.
    one.stream.send(Message::Close(None)).await.expect("sent");
    while one.next_or_end().await.is_ok() {}
    let mut third = Socket::open(&alice).await;
    assert_eq!(third.request(json!({"type": "ping"})).await["type"], "pong");
}

#[rstest]
#[tokio::test]
async fn a_node_that_stops_sends_its_sockets_away_spread_out_with_nothing_lost(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut sockets = vec![
        Socket::open(&alice).await,
        Socket::open(&alice).await,
        Socket::open(&bob).await,
        Socket::open(&bob).await,
    ];
    let mut unknown = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
    let sent = alice.say(chat, "before the end").await;
    for socket in &mut sockets {
        assert_eq!(socket.next().await["message"], sent);
    }

    let stopping = async {
        let since = Instant::now();
        lifecycle::drain(&server.app, Duration::ZERO).await;
        since.elapsed()
    };
    let farewells = async {
        let mut delays = Vec::new();
        for socket in &mut sockets {
            let (code, reason) = socket.closed().await;
            assert_eq!(code, 1012);
            delays.push(retry_after(&reason));
        }
        assert_eq!(unknown.closed().await.0, 1012);
        delays
    };
    let (took, mut delays) = tokio::join!(stopping, farewells);
    assert!(took < Duration::from_secs(10), "{took:?}");
    delays.sort_unstable();
    delays.dedup();
    assert_eq!(delays.len(), 4, "{delays:?}");
    assert!(delays.iter().all(|delay| *delay <= 5_000), "{delays:?}");

    let after = server.second_node().await;
    let again = Client { base: after.base.clone(), ..bob.clone() };
    let page = again.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    assert_eq!(page.results()[0]["id"], sent["id"]);
}

fn retry_after(reason: &str) -> u64 {
    let reason: Value = serde_json::from_str(reason).expect("JSON");
    reason["retry_after_ms"].as_u64().expect("milliseconds")
}
