//! A slow consumer harms nobody else, and gets `resync` for what was dropped.

use std::time::Duration;

use futures_util::SinkExt;
use meowsenger::domain::ids::UserId;
use rstest::rstest;
use serde_json::json;
use tokio::time::{self, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Backend, Replica, Socket, TestApp};

/// More than the capacity of the system's buffers and a connection's queue, in messages of 30 KB.
const MESSAGES: i64 = 250;

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_receive_everything_at_once_and_the_slow_consumer_gets_resync_or_is_closed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let slow = server.user("slow").await;
    let chat = alice.group(&[&bob, &slow]).await;
    let mut sender = Socket::open(&alice).await;
    let mut reader = Socket::open(&bob).await;
    // The same user's other connection reads, and is not affected.
    let mut same_user = Socket::open(&slow).await;
    let mut slow = Socket::narrow(&slow).await;
    let mut replica = Replica::default();
    replica.begin(&slow.ready);

    let content = "🐈".repeat(7_500);
    for n in 0..MESSAGES {
        sender.send(json!({"type": "message.send", "chat": chat, "content": content})).await;
        for socket in [&mut sender, &mut reader, &mut same_user] {
            let event = socket.next().await;
            assert_eq!(
                (&event["type"], &event["version"]),
                (&json!("message.created"), &json!(n + 2))
            );
        }
    }

    // What it received is complete and in order, up to the `resync`.
    let end = loop {
        match slow.next_or_end().await {
            Ok(frame) if frame["type"] == "resync" => {
                assert_eq!(frame["chats"], json!([chat]));
                break None;
            }
            Ok(frame) => replica.hear(&frame),
            Err(end) => break Some(end),
        }
    };
    assert!(replica.version(chat) < MESSAGES + 1, "all of it fitted somewhere");
    if let Some(Some((code, _))) = end {
        // Without a code: it did not even read the close frame in time.
        assert_eq!(code, 4008);
    }
    drop(slow);

    let again = Socket::open(&bob).await;
    assert_eq!(again.version_of(chat), MESSAGES + 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_reads_again_is_forgotten(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, slow) = (server.user("alice").await, server.user("slow").await);
    let chat = alice.private_chat(&slow).await;
    let mut sender = Socket::open(&alice).await;
    let silent = Socket::narrow(&slow).await;
    let content = "🐈".repeat(7_500);
    let mut sent = 0;
    while server.app.hub.people.is_connected(UserId(slow.id)) {
        sent += 1;
        assert!(sent < 2 * MESSAGES, "it is not given up");
        sender.send(json!({"type": "message.send", "chat": chat, "content": content})).await;
        sender.next_of("message.created").await;
    }
    drop(silent);
}

#[rstest]
#[tokio::test]
async fn who_was_given_up_learns_why_when_reading_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, slow) = (server.user("alice").await, server.user("slow").await);
    let chat = alice.private_chat(&slow).await;
    let mut sender = Socket::open(&alice).await;
    let mut silent = Socket::narrow(&slow).await;
    let content = "🐈".repeat(7_500);
    let mut sent = 0;
    while server.app.hub.people.is_connected(UserId(slow.id)) {
        sent += 1;
        assert!(sent < 2 * MESSAGES, "it is not given up");
        sender.send(json!({"type": "message.send", "chat": chat, "content": content})).await;
        sender.next_of("message.created").await;
    }
    // Longer than an ordinary close handshake may take.
    time::pause();
    time::advance(Duration::from_secs(5)).await;
    time::resume();
    let end = loop {
        if let Err(end) = silent.next_or_end().await {
            break end;
        }
    };
    assert_eq!(end.map(|(code, _)| code), Some(4008));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_again_in_time_is_told_to_sync_and_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, slow) = (server.user("alice").await, server.user("slow").await);
    let (chat, quiet) = (alice.private_chat(&slow).await, alice.group(&[&slow]).await);
    let mut sender = Socket::open(&alice).await;
    let content = "🐈".repeat(7_500);
    // The capacity of the system's buffers is unknown. With too few messages nothing is dropped, with too
    // many the socket is closed; eight messages are in between.
    let (mut least, mut most) = (0, 2 * MESSAGES);
    let (mut socket, replica) = loop {
        let mut socket = Socket::narrow(&slow).await;
        let mut replica = Replica::default();
        replica.begin(&socket.ready);
        let messages = if most == 2 * MESSAGES && least == 0 { 104 } else { (least + most) / 2 };
        assert!(most - least > 1, "it was never told: {least} to {most}");
        for _ in 0..messages {
            sender.send(json!({"type": "message.send", "chat": chat, "content": content})).await;
            sender.next_of("message.created").await;
        }
        alice.say(quiet, "the last").await;
        let end = loop {
            match socket.next_or_end().await {
                Ok(frame) if frame["type"] == "resync" => break Some(frame),
                Ok(frame) if frame["chat"] == quiet => {
                    replica.hear(&frame);
                    break None;
                }
                Ok(frame) => replica.hear(&frame),
                Err(_) => break Some(json!(null)),
            }
        };
        match end {
            None => least = messages,
            Some(frame) if frame.is_null() => most = messages,
            Some(frame) => {
                let chats = frame["chats"].as_array().expect("chats");
                assert!(chats.contains(&json!(chat)), "{frame}");
                break (socket, replica);
            }
        }
    };
    // There is no gap before the `resync`, and none after it.
    let sent = alice.say(chat, "after it").await;
    let mut next = replica.version(chat);
    loop {
        let event = socket.next_of("message.created").await;
        if event["chat"] == chat {
            let version = event["version"].as_i64().expect("a version");
            assert!(version == next + 1 || next == replica.version(chat), "{next}, then {version}");
            next = version;
            if event["message"] == sent {
                break;
            }
        }
    }
    assert!(socket.drain().await.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_pings_and_does_not_read_is_held_up_instead_of_filling_the_memory(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    /// Far more than the system's buffers can hold, in pings and pongs.
    const PINGS: usize = 400_000;
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let mut flood = Socket::narrow(&alice).await;
    let mut sent = 0;
    while sent < PINGS {
        let ping = Message::Ping(vec![b'm'; 120].into());
        match timeout(Duration::from_secs(2), flood.stream.send(ping)).await {
            Ok(Ok(())) => sent += 1,
            // Blocked, or already closed.
            Err(_) | Ok(Err(_)) => break,
        }
    }
    assert!(sent < PINGS, "nothing held it up");
}
