//! Silent peers, and peers that do not read: heartbeats and timeouts. Time is paused once everybody is
//! connected, so half a minute passes as soon as there is nothing else to do.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{self, Instant, timeout};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;

use futures_util::{SinkExt, StreamExt};
use meowsenger::domain::ids::UserId;

use crate::support::{Backend, Client, Socket, TestApp};

/// Timeouts that paused time does not reach while the node waits for the database.
const PATIENT: [(&str, &str); 2] =
    [("DATABASE_CONNECT_TIMEOUT", "1h"), ("DATABASE_STATEMENT_TIMEOUT", "1h")];

/// Asserts how much paused time has passed since.
#[track_caller]
fn assert_passed(since: Instant, from: u64, to: u64) {
    let passed = since.elapsed().as_secs_f64();
    assert!((from as f64..=to as f64).contains(&passed), "{passed} s");
}

#[rstest]
#[tokio::test]
async fn who_does_not_authenticate_within_10_s_is_closed_with_4002(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start_with(backend, &PATIENT).await else { return };
    let alice = server.anonymous();
    let mut silent = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
    let mut pinging = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
    time::pause();
    let since = Instant::now();
    assert_eq!(silent.closed().await.0, 4002);
    assert_passed(since, 9, 11);

    // The protocol's own pings do not extend it either.
    pinging.stream.send(Message::Ping("meow".into())).await.ok();
    assert_eq!(pinging.closed().await.0, 4002);
    assert_passed(since, 9, 14);
}

#[rstest]
#[tokio::test]
async fn a_silent_peer_is_pinged_after_30_s_and_dropped_after_75(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start_with(backend, &PATIENT).await else { return };
    let alice = server.user("alice").await;
    let MaybeTlsStream::Plain(mut silent) = Socket::open(&alice).await.stream.into_inner() else {
        panic!("no TLS here");
    };
    time::pause();
    let since = Instant::now();
    let mut ping = [0; 2];
    silent.read_exact(&mut ping).await.expect("a ping");
    assert_eq!(ping, [0x89, 0]);
    assert_passed(since, 29, 31);
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.expect("the end");
    // Three seconds for the close handshake.
    assert_passed(since, 74, 79);
    assert!(!server.app.hub.people.is_connected(UserId(alice.id)));
}

#[rstest]
#[tokio::test]
async fn a_protocol_error_is_answered_with_a_close_code_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start_with(backend, &PATIENT).await else { return };
    let alice = server.user("alice").await;
    let MaybeTlsStream::Plain(mut tcp) = Socket::open(&alice).await.stream.into_inner() else {
        panic!("no TLS here");
    };
    time::pause();
    let since = Instant::now();
    // A text frame with a reserved bit set, and more data after it that nobody will read.
    tcp.write_all(&[0xc1, 0x80, 0, 0, 0, 0]).await.expect("written");
    tcp.write_all(&[0x81; 4_096]).await.expect("written");
    let mut rest = Vec::new();
    tcp.read_to_end(&mut rest).await.expect("the end, and no reset");
    assert_eq!(rest[..2], [0x88, 16]);
    assert_eq!(rest[2..4], 1002_u16.to_be_bytes());
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[rstest]
#[tokio::test]
async fn a_peer_that_answers_pings_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start_with(backend, &PATIENT).await else { return };
    let mut socket = Socket::open(&server.user("alice").await).await;
    time::pause();
    let since = Instant::now();
    for _ in 0..10 {
        // The library answers the ping when the next frame is read.
        let ping = socket.stream.next().await.expect("open").expect("a ping");
        assert!(ping.is_ping(), "{ping:?}");
    }
    assert_passed(since, 290, 310);
    assert!(socket.drain().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped_though_nothing_else_happens(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start_with(backend, &PATIENT).await else { return };
    let alice = server.user("alice").await;
    let group = alice.group(&[]).await;
    let content = "🐈".repeat(10_000);
    let message = alice.say(group, &content).await["id"].clone();
    let mut socket = Socket::open(&alice).await;
    // Each reply is as long as its request. In the end the server waits for the peer to read, and reads
    // nothing itself, so the peer cannot write any more.
    let edit = json!({"type": "message.edit", "message": message, "content": content, "id": 1});
    let edit = Message::text(edit.to_string());
    while timeout(Duration::from_secs(2), socket.stream.send(edit.clone())).await.is_ok() {}
    assert!(connected(&server, &alice));

    time::pause();
    let since = Instant::now();
    while connected(&server, &alice) && since.elapsed() < Duration::from_secs(600) {
        time::sleep(Duration::from_secs(1)).await;
    }
    assert_passed(since, 0, 76);
}

fn connected(server: &TestApp, client: &Client) -> bool {
    server.app.hub.people.is_connected(UserId(client.id))
}
