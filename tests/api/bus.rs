//! Two nodes and NATS: events of one node reach the other at once; without NATS, or if it loses them,
//! late.

use std::time::Duration;

use meowsenger::actions::epoch;
use meowsenger::store::site;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::support::services::bus_url;
use crate::support::{Backend, Client, Proxy, Socket, TestApp, eventually};

/// The deadline for an event to reach a member on another node: with the bus, and without. The first is
/// a second on an idle machine, and less than the interval of the sweep, which could beat it only by
/// luck, and not ten times in a row.
const AT_ONCE: Duration = Duration::from_secs(3);
const LATE: Duration = Duration::from_secs(10);

/// Two nodes of one site, with the bus. `None` if there are no services and none are required.
async fn two_nodes(backend: Backend, bus: &str) -> Option<[TestApp; 2]> {
    let one = TestApp::start_with(backend, &[("BUS_URL", bus)]).await?;
    let two = one.second_node().await;
    for node in [&one, &two] {
        wait_for_bus(node, "ok").await;
    }
    Some([one, two])
}

async fn wait_for_bus(node: &TestApp, state: &str) {
    let look = async || {
        let answer = node.anonymous().get("/readyz").await.expect(200);
        (answer.json["bus"] == state).then_some(())
    };
    eventually(LATE, &format!("/readyz says that the bus is {state}"), look).await;
}

/// The same user on another node.
fn at(node: &TestApp, user: &Client) -> Client {
    Client { base: node.base.clone(), ..user.clone() }
}

/// The next frame of a type, at once.
async fn heard(socket: &mut Socket, kind: &str) -> Value {
    timeout(AT_ONCE, socket.next_of(kind)).await.unwrap_or_else(|_| panic!("{kind} at once"))
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_an_account_reach_its_devices_on_the_other_node_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let Some([one, two]) = two_nodes(backend, &bus).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    for _ in 0..6 {
        tom.say(chat, "meow").await;
    }
    let mut socket = Socket::open(&at(&two, &kitty)).await.loud();
    let mut version = socket.ready["account"].as_i64().expect("a version");
    for seq in 1..=6 {
        // In turn, so that each node has every other version from the bus.
        let device = if seq % 2 == 0 { kitty.clone() } else { at(&two, &kitty) };
        device.post(&format!("/api/chats/{chat}/read/"), json!({"seq": seq})).await.expect(200);
        version += 1;
        let receipt = heard(&mut socket, "receipt").await;
        assert_eq!(
            (&receipt["account"], &receipt["last_read_seq"]),
            (&json!(version), &json!(seq))
        );
    }
    kitty.patch("/api/auth/me/", json!({"email": "kitty@cat.example"})).await.expect(200);
    assert_eq!(heard(&mut socket, "user.updated").await["account"], version + 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_blocks_reach_the_user_s_devices_on_the_other_node_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let Some([one, two]) = two_nodes(backend, &bus).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let (mut socket, mut toms) =
        (Socket::open(&at(&two, &kitty)).await, Socket::open(&at(&two, &tom)).await);
    let mut version = socket.ready["account"].as_i64().expect("a version");
    // So often that the sweep cannot have delivered them.
    for n in 0..6 {
        let settings = match n % 3 {
            0 => json!({"muted_until": "forever"}),
            1 => json!({"pinned": n == 1}),
            _ => json!({"muted_until": null, "archived": n == 2}),
        };
        let path = format!("/api/chats/{chat}/settings/");
        let mut frame = kitty.patch(&path, settings).await.expect(200).json;
        version += 1;
        (frame["type"], frame["chat"]) = (json!("chat.settings"), json!(chat));
        frame["account"] = json!(version);
        assert_eq!(heard(&mut socket, "chat.settings").await, frame);
    }
    for blocked in [true, false] {
        let path = format!("/api/blocks/{}/", tom.id);
        match blocked {
            true => kitty.put(&path, json!({})).await.expect(204),
            false => kitty.delete(&path).await.expect(204),
        };
        version += 1;
        let frame = json!({"type": "block.updated", "user": tom.id, "blocked": blocked,
                           "account": version});
        assert_eq!(heard(&mut socket, "block.updated").await, frame);
    }
    // Nobody else learns of them.
    kitty.say(chat, "meow").await;
    let others = async {
        loop {
            let frame = toms.next().await;
            assert!(frame["account"].is_null(), "{frame}");
            if frame["type"] == "message.created" {
                return;
            }
        }
    };
    timeout(AT_ONCE, others).await.expect("at once");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_node_reach_the_other_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let Some([one, two]) = two_nodes(backend, &bus).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let mut socket = Socket::open(&at(&two, &kitty)).await.loud();
    let mut toms = Socket::open(&tom).await;

    // Joining, and all events of a chat. So often that the sweep cannot have delivered them.
    let chat = tom.group(&[&kitty]).await;
    assert_eq!(heard(&mut socket, "chat.created").await["chat"]["id"], chat);
    for n in 0..10 {
        let message = tom.say(chat, &format!("meow {n}")).await;
        let event = heard(&mut socket, "message.created").await;
        assert_eq!((&event["message"]["id"], &event["version"]), (&message["id"], &json!(n + 2)));
    }
    tom.patch(&format!("/api/chats/{chat}/"), json!({"name": "Den"})).await.expect(200);
    assert_eq!(heard(&mut socket, "chat.updated").await["name"], "Den");

    // Ephemeral signals.
    toms.send(json!({"type": "typing", "chat": chat, "active": true})).await;
    assert_eq!(heard(&mut socket, "typing").await["user"], tom.id);
    tom.post(&format!("/api/chats/{chat}/read/"), json!({"seq": 10})).await.expect(200);
    socket.send(json!({"type": "message.read", "chat": chat, "seq": 9})).await;
    let mut toms = toms.loud();
    let receipt = heard(&mut toms, "receipt").await;
    assert_eq!((&receipt["user"], &receipt["last_read_seq"]), (&json!(kitty.id), &json!(9)));
    tom.private_chat(&kitty).await;
    heard(&mut socket, "chat.created").await;
    tom.patch("/api/auth/me/", json!({"status_text": "hunting"})).await.expect(200);
    assert_eq!(heard(&mut socket, "status").await["status_text"], "hunting");
    tom.patch("/api/auth/me/", json!({"first_name": "Thomas"})).await.expect(200);
    assert_eq!(heard(&mut socket, "user.updated").await["user"]["first_name"], "Thomas");

    // Leaving, and deletion.
    let member = format!("/api/chats/{chat}/members/{}/", kitty.id);
    tom.delete(&member).await.expect(204);
    tom.say(chat, "not for kitty").await;
    assert_eq!(heard(&mut socket, "chat.deleted").await["chat"], chat);
    kitty.post("/api/auth/logout/", json!({})).await.expect(204);
    let end = timeout(AT_ONCE, async {
        loop {
            match socket.next_or_end().await {
                Ok(frame) => assert_ne!(frame["chat"], chat, "{frame}"),
                Err(end) => break end,
            }
        }
    });
    assert_eq!(end.await.expect("at once").expect("in order").0, 4001);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_bus_messages_are_late_and_with_it_again_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let bus = bus.replace("nats://", "http://");
    let wire = Proxy::start(&[&bus]).await;
    let url = wire.base.replace("http://", "nats://");
    let Some([one, two]) = two_nodes(backend, &url).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let mut socket = Socket::open(&at(&two, &kitty)).await;
    tom.say(chat, "with").await;
    heard(&mut socket, "message.created").await;

    wire.lead_to(&[]);
    wire.cut();
    for node in [&one, &two] {
        wait_for_bus(node, "away").await;
    }
    let since = Instant::now();
    tom.say(chat, "without").await;
    let event = socket.next_of("message.created").await;
    assert_eq!(event["message"]["content"], "without");
    assert!(since.elapsed() < LATE, "{:?}", since.elapsed());
    let made = tom.group(&[&kitty]).await;
    assert_eq!(socket.next_of("chat.created").await["chat"]["id"], made);
    assert!(since.elapsed() < 2 * LATE, "{:?}", since.elapsed());

    wire.lead_to(&[&bus]);
    for node in [&one, &two] {
        wait_for_bus(node, "ok").await;
    }
    for content in ["once", "more"] {
        tom.say(chat, content).await;
        assert_eq!(heard(&mut socket, "message.created").await["message"]["content"], content);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_leaves_a_chat_that_their_node_never_knew_gets_chat_deleted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let wire = Proxy::start(&[&bus.replace("nats://", "http://")]).await;
    let url = wire.base.replace("http://", "nats://");
    let Some([one, two]) = two_nodes(backend, &url).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let kitty = at(&two, &kitty);
    let member = |chat| format!("/api/chats/{chat}/members/{}/", kitty.id);
    let later = [tom.group(&[&kitty]).await, tom.group(&[&kitty]).await];
    let (mut first, mut second) = (Socket::open(&kitty).await, Socket::open(&kitty).await);
    wire.lead_to(&[]);
    wire.cut();
    wait_for_bus(&two, "away").await;

    // A sync brings the chat, so her devices have it though nothing was published to them.
    let chat = tom.group(&[&kitty]).await;
    let synced = kitty.post("/api/sync/", json!({"versions": {}})).await.expect(200).json;
    assert!(synced["changes"].as_array().expect("changes").iter().any(|c| c["chat"]["id"] == chat));
    tom.delete(&member(chat)).await.expect(204);
    for socket in [&mut first, &mut second] {
        assert_eq!(socket.next_of("chat.deleted").await["chat"], chat);
    }

    // Each connection gets it once, and one that is opened later not at all.
    let mut third = Socket::open(&kitty).await;
    for chat in later {
        tom.delete(&member(chat)).await.expect(204);
        for socket in [&mut first, &mut second, &mut third] {
            assert_eq!(socket.next_of("chat.deleted").await["chat"], chat);
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_epoch_is_renewed_nodes_go_on_together_and_clients_start_afresh(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let Some([one, two]) = two_nodes(backend, &bus).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let sockets = [Socket::open(&tom).await, Socket::open(&at(&two, &kitty)).await];
    // As the command `epoch --renew` does.
    let renewed = epoch::renew(&one.app.db).await.expect("renewed");
    for mut socket in sockets {
        assert_ne!(socket.ready["epoch"], renewed);
        let end = async { while socket.next_or_end().await.is_ok() {} };
        timeout(LATE, end).await.expect("sent away");
    }
    let mut socket = Socket::open(&at(&two, &kitty)).await;
    assert_eq!(socket.ready["epoch"], renewed);
    // Until both nodes have reconnected, this may be late.
    tom.say(chat, "meow").await;
    assert_eq!(socket.next_of("message.created").await["message"]["content"], "meow");
    // So often that the sweep cannot have delivered it.
    for n in 0..10 {
        let message = tom.say(chat, &format!("meow {n}")).await;
        assert_eq!(heard(&mut socket, "message.created").await["message"], message);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stranger_publishes_reaches_nobody(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let Some([one, two]) = two_nodes(backend, &bus).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let mut socket = Socket::open(&at(&two, &kitty)).await.loud();
    let epoch = site::epoch(&one.app.db).await.expect("read");
    let stranger = async_nats::connect(&bus).await.expect("connected");
    let forge = async |subject: String, what: Value, frame: &str| {
        let payload = format!("{what}\n{frame}");
        // A message of an earlier version, which does not sign, and one with a wrong signature.
        for payload in [payload.clone(), format!("{}{payload}", "\0".repeat(32))] {
            stranger.publish(subject.clone(), payload.into()).await.expect("published");
        }
    };
    let change = json!({"change": {"chat": chat, "version": 2}});
    forge(format!("meow.{epoch}.chat.{chat}"), change, r#"{"type":"forged"}"#).await;
    let typing = json!({"typing": {"user": tom.id, "chat": chat, "active": true}});
    forge(format!("meow.{epoch}.chat.{chat}"), typing, r#"{"type":"forged"}"#).await;
    // Sessions are numbered from 1.
    let sessions: Vec<_> = (1..=10).collect();
    let ended = json!({"sessions_ended": {"user": kitty.id, "sessions": sessions}});
    forge(format!("meow.{epoch}.user.{}", kitty.id), ended, "").await;
    stranger.flush().await.expect("taken");

    let message = tom.say(chat, "meow").await;
    let frame = socket.next().await;
    assert_eq!(frame["message"], message, "{frame}");
    socket.send(json!({"type": "ping", "id": 1})).await;
    assert_eq!(heard(&mut socket, "pong").await["id"], 1);
}

#[tokio::test]
async fn a_bus_that_was_never_there_keeps_nobody_from_starting() {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("nats://{}", unused.local_addr().expect("an address"));
    drop(unused);
    let server = TestApp::start_with(Backend::Sqlite, &[("BUS_URL", &url)]).await.expect("started");
    assert_eq!(server.anonymous().get("/readyz").await.expect(200).json["bus"], "away");
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut socket = Socket::open(&kitty).await;
    let chat = tom.private_chat(&kitty).await;
    assert_eq!(heard(&mut socket, "chat.created").await["chat"]["id"], chat);
}
