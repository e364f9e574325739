//! Order of events: however messages are sent, every subscriber receives each change once, in the order
//! of the versions.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Backend, Client, Replica, Socket, TestApp};

const SENDERS: usize = 8;
/// Messages of each sender. Every fifth one is edited, and every fifth deleted.
const MESSAGES: usize = 20;
/// The chat's version in the end: its creation, each message, each edit, each deletion.
const LAST: i64 = 1 + (SENDERS * (MESSAGES + 2 * MESSAGES / 5)) as i64;

/// Sends messages over REST or a socket, and counts the answers.
async fn speak(client: Client, by_socket: bool, chat: i64, said: watch::Sender<usize>) {
    let mut socket = match by_socket {
        true => Some(Socket::open(&client).await),
        false => None,
    };
    for n in 0..MESSAGES {
        let content = format!("{} {n}", client.username);
        let message = match &mut socket {
            Some(socket) => {
                let frame = json!({"type": "message.send", "chat": chat, "content": content});
                socket.request(frame).await["message"].clone()
            }
            None => client.say(chat, &content).await,
        };
        assert_eq!(message["content"], content);
        match n % 5 {
            1 => change(&client, socket.as_mut(), &message["id"], Some("edited")).await,
            3 => change(&client, socket.as_mut(), &message["id"], None).await,
            _ => {}
        }
        said.send_modify(|said| *said += 1);
    }
}

/// Edits a message, or deletes it.
async fn change(client: &Client, socket: Option<&mut Socket>, id: &Value, content: Option<&str>) {
    let path = format!("/api/messages/{id}/");
    match (socket, content) {
        (Some(socket), Some(content)) => {
            let frame = json!({"type": "message.edit", "message": id, "content": content});
            assert_eq!(socket.request(frame).await["type"], "ack");
        }
        (Some(socket), None) => {
            let frame = json!({"type": "message.delete", "message": id});
            assert_eq!(socket.request(frame).await["type"], "ack");
        }
        (None, Some(content)) => {
            client.patch(&path, json!({"content": content})).await.expect(200);
        }
        (None, None) => {
            client.delete(&path).await.expect(204);
        }
    }
}

/// Receives all events. Panics at the first one out of order.
async fn listen(mut socket: Socket, chat: i64) -> Replica {
    let mut replica = Replica::default();
    replica.begin(&socket.ready);
    while replica.version(chat) < LAST {
        replica.hear(&socket.next().await);
    }
    assert!(socket.drain().await.is_empty());
    assert!(replica.resyncs.is_empty());
    replica
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_receive_the_same_order_without_a_gap_whenever_they_connect(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let speakers = join_all((0..SENDERS).map(|_| server.user("speaker"))).await;
    let listeners = join_all((0..4).map(|_| server.user("listener"))).await;
    let early = join_all(listeners.iter().map(Socket::open)).await;
    let chat = alice.group(&speakers.iter().chain(&listeners).collect::<Vec<_>>()).await;

    let (said, mut progress) = watch::channel(0);
    let speaking = speakers
        .iter()
        .enumerate()
        .map(|(n, speaker)| speak(speaker.clone(), n % 2 == 0, chat, said.clone()));
    let early = early.into_iter().map(|socket| listen(socket, chat));
    let late = async {
        let mut heard = Vec::new();
        for part in 1..=6 {
            let reached = |said: &usize| *said >= part * SENDERS * MESSAGES / 7;
            progress.wait_for(reached).await.expect("they speak");
            let client = &listeners[part % listeners.len()];
            let socket = match part % 2 {
                0 => Socket::open(client).await,
                _ => Socket::open_by_frame(client).await,
            };
            heard.push((socket.version_of(chat), listen(socket, chat)));
        }
        let from: Vec<_> = heard.iter().map(|(from, _)| *from).collect();
        assert!(from.iter().any(|from| (2..LAST).contains(from)), "in the middle: {from:?}");
        join_all(heard.into_iter().map(|(_, listening)| listening)).await
    };
    let (_, early, mut late) = tokio::join!(join_all(speaking), join_all(early), late);

    let stored = alice.messages(chat).await;
    let seqs: Vec<_> = stored.iter().filter_map(|message| message["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=(SENDERS * MESSAGES) as i64).collect::<Vec<_>>());
    let mut fresh = Replica::default();
    fresh.fetch(&alice, chat).await;
    for replica in &early {
        assert_eq!(replica.chats[&chat].contents(), fresh.chats[&chat].contents());
    }
    for replica in &mut late {
        for (id, message) in &replica.chats[&chat].messages {
            assert_eq!(message["content"], fresh.chats[&chat].messages[id]["content"]);
        }
    }
    // Each sender's messages are in the order in which they were sent.
    for speaker in &speakers {
        let own = stored.iter().filter(|message| message["sender"]["id"] == speaker.id);
        let stamps: Vec<_> = own.map(|message| message["id"].as_i64()).collect();
        assert_eq!(stamps.len(), MESSAGES);
        assert!(stamps.is_sorted());
    }
}

#[rstest]
#[tokio::test]
async fn pipelined_sends_are_committed_in_the_order_of_the_frames_and_a_repeat_makes_no_second(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const FRAMES: i64 = 150;
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chats = [alice.private_chat(&bob).await, alice.group(&[&bob]).await];
    let mut socket = Socket::open(&alice).await;
    let mut bobs = Socket::open(&bob).await;

    // Each twice in a row, to two chats alternately; nothing is read meanwhile.
    for n in 0..FRAMES {
        for copy in 0..2 {
            for (at, chat) in chats.iter().enumerate() {
                socket
                    .send(json!({
                        "type": "message.send", "id": format!("{n}-{copy}-{at}"), "chat": chat,
                        "content": n.to_string(), "client_id": n.to_string(),
                    }))
                    .await;
            }
        }
    }
    let mut acks = Vec::new();
    while acks.len() < FRAMES as usize * 4 {
        acks.push(socket.next_of("ack").await);
    }
    for (at, chat) in chats.iter().enumerate() {
        for n in 0..FRAMES {
            let acked = |copy: i64| {
                let id = format!("{n}-{copy}-{at}");
                acks.iter().find(|ack| ack["id"] == id).expect("an ack")["message"].clone()
            };
            let (first, second) = (acked(0), acked(1));
            assert_eq!(first["seq"], n + 1);
            assert_eq!(first["chat"], *chat);
            assert_eq!((&first["id"], &first["content"]), (&second["id"], &second["content"]));
        }
        assert_eq!(bob.messages(*chat).await.len() as i64, FRAMES);
    }
    // Repeated after all are done: the same messages.
    for (at, chat) in chats.iter().enumerate() {
        let again = json!({"type": "message.send", "chat": chat, "content": "7", "client_id": "7"});
        let ack = socket.request(again).await;
        assert_eq!(ack["message"]["seq"], 8, "{at}: {ack}");
    }
    let mut replica = Replica::default();
    replica.begin(&bobs.ready);
    while chats.iter().any(|chat| replica.version(*chat) < FRAMES + 1) {
        replica.hear(&bobs.next().await);
    }
    assert!(bobs.drain().await.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_id_sent_by_many_at_once_makes_one_message(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let other = server.second_node().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let elsewhere = Client { base: other.base.clone(), ..alice.clone() };
    let mut sockets = join_all([&alice, &elsewhere, &alice, &elsewhere].map(Socket::open)).await;
    for round in 0..5 {
        let body = json!({"content": "meow", "client_id": format!("same {round}")});
        let path = format!("/api/chats/{chat}/messages/");
        let over_rest = (0..6).map(|n| {
            let client = if n % 2 == 0 { &alice } else { &elsewhere };
            client.post(&path, body.clone())
        });
        let mut frame = body.clone();
        (frame["type"], frame["chat"]) = (json!("message.send"), json!(chat));
        let over_sockets = sockets.iter_mut().map(|socket| socket.request(frame.clone()));
        let (answers, acks) = tokio::join!(join_all(over_rest), join_all(over_sockets));

        let mut ids: Vec<_> = answers.iter().map(|answer| answer.json["id"].clone()).collect();
        ids.extend(acks.iter().map(|ack| ack["message"]["id"].clone()));
        assert!(ids[0].is_i64() && ids.iter().all(|id| *id == ids[0]), "{answers:?} {acks:?}");
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        assert!(created <= 1, "{answers:?}");
        assert_eq!(bob.messages(chat).await.len(), round + 1);
    }
}
