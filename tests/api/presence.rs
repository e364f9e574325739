//! Presence: devices, subscriptions, invisibility, and the grace period.

use std::time::Duration;

use meowsenger::actions::{nodes, presence};
use meowsenger::domain::ids::UserId;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::socket::DEADLINE;
use crate::support::{Backend, Client, Socket, TestApp, eventually};

async fn status_of(by: &Client, user: &Client) -> String {
    let user = by.get(&format!("/api/users/{}/", user.id)).await.expect(200).json;
    user["status"].as_str().expect("a status").to_owned()
}

async fn say(socket: &mut Socket, status: &str) {
    let ack = socket.request(json!({"type": "status", "status": status})).await;
    assert_eq!(ack["type"], "ack", "{ack}");
}

async fn until_disconnected(server: &TestApp, user: &Client) {
    let look = async || (!server.app.hub.people.is_connected(UserId(user.id))).then_some(());
    eventually(DEADLINE, "the user is disconnected", look).await;
}

async fn until_seen_as(viewer: &Client, user: &Client, status: &str) {
    let look = async || (status_of(viewer, user).await == status).then_some(());
    eventually(DEADLINE, &format!("the user's status is {status}"), look).await;
}

/// The next frame about this user. (A user who connects just after another may receive the other's
/// status once more.)
async fn next_of(socket: &mut Socket, user: &Client) -> Value {
    loop {
        let frame = socket.next().await;
        if frame["user"] == user.id {
            return frame;
        }
    }
}

/// The next `status` frame: the user and the status.
async fn heard(socket: &mut Socket) -> (i64, String) {
    let frame = socket.next().await;
    assert_eq!(frame["type"], "status", "{frame}");
    (frame["user"].as_i64().expect("an id"), frame["status"].as_str().expect("one").to_owned())
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_of_private_chat_peers_is_subscribed_to_automatically(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, stranger) =
        (server.user("tom").await, server.user("kitty").await, server.user("stranger").await);
    tom.private_chat(&kitty).await;
    let mut watcher = Socket::open(&tom).await.loud();
    assert_eq!(watcher.ready["user"]["status"], "online");
    assert_eq!(status_of(&tom, &kitty).await, "offline");
    let mut other = Socket::open(&stranger).await.loud();
    let mut kitten = Socket::open(&kitty).await.loud();
    assert_eq!(heard(&mut watcher).await, (kitty.id, "online".into()));
    assert_eq!(status_of(&tom, &kitty).await, "online");
    // Connecting and disconnecting a second device makes no difference.
    let second = Socket::open(&kitty).await.loud();
    say(&mut kitten, "away").await;
    drop(second);
    assert_eq!(heard(&mut watcher).await, (kitty.id, "away".into()));
    say(&mut kitten, "online").await;
    assert_eq!(heard(&mut watcher).await, (kitty.id, "online".into()));

    // Offline only after ten seconds.
    drop(kitten);
    until_disconnected(&server, &kitty).await;
    assert_eq!(status_of(&tom, &kitty).await, "online");
    server.app.clock.advance(Duration::from_secs(11));
    let frame = watcher.next().await;
    assert_eq!((&frame["type"], &frame["status"]), (&json!("status"), &json!("offline")));
    assert!(frame["last_seen"].is_string(), "{frame}");
    assert_eq!(status_of(&tom, &kitty).await, "offline");
    assert!(other.drain().await.is_empty(), "it is no business of a stranger's");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_and_invisible_are_the_users_own_and_online_ends_them(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    tom.private_chat(&kitty).await;
    let mut watcher = Socket::open(&tom).await.loud();
    let mut device = Socket::open(&kitty).await.loud();
    assert_eq!(heard(&mut watcher).await, (kitty.id, "online".into()));
    let mut other = Socket::open(&kitty).await.loud();
    for (status, seen, chosen) in [
        ("busy", "busy", "busy"),
        ("invisible", "offline", "invisible"),
        ("online", "online", "online"),
    ] {
        say(&mut device, status).await;
        assert_eq!(heard(&mut watcher).await, (kitty.id, seen.into()), "{status}");
        assert_eq!(next_of(&mut other, &kitty).await["status"], seen, "one's other devices hear");
        let me = kitty.get("/api/auth/me/").await.expect(200).json;
        assert_eq!((&me["availability"], &me["status"]), (&json!(chosen), &json!(seen)));
    }
    // The same by PUT, together with the status text.
    let change = json!({"availability": "busy", "status_text": "hunting"});
    kitty.patch("/api/auth/me/", change).await.expect(200);
    let frame = watcher.next().await;
    assert_eq!((&frame["status"], &frame["status_text"]), (&json!("busy"), &json!("hunting")));
    for socket in [&mut device, &mut other] {
        assert_eq!(next_of(socket, &kitty).await["status_text"], "hunting");
    }
    let text = json!({"type": "status", "status": "busy", "text": "sleeping"});
    assert_eq!(device.request(text).await["type"], "ack");
    assert_eq!(watcher.next().await["status_text"], "sleeping");
    let long = json!({"type": "status", "status": "online", "text": "x".repeat(141)});
    assert_eq!(device.request(long).await["errors"]["text"].as_array().expect("texts").len(), 1);
    let wrong = json!({"type": "status", "status": "asleep"});
    let wrong = device.request(wrong).await;
    assert_eq!(
        (&wrong["code"], &wrong["errors"]["status"][0]),
        (&json!("invalid"), &json!("\"asleep\" is not a valid choice."))
    );
    let mut told = device.drain().await;
    told.retain(|frame| frame["user"] == kitty.id);
    assert!(told.is_empty(), "the device that says it knows");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_share_a_chat_may_subscribe_to_each_others_presence(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, felix, stranger) = (
        server.user("tom").await,
        server.user("kitty").await,
        server.user("felix").await,
        server.user("stranger").await,
    );
    tom.group(&[&kitty, &felix]).await;
    let mut watcher = Socket::open(&tom).await.loud();
    let watch = |ids: Value| json!({"type": "status.watch", "users": ids});
    let ids = json!([kitty.id, felix.id, stranger.id, tom.id, 999_999]);
    let ack = watcher.request(watch(ids)).await;
    let mut seen = ack["users"].as_array().expect("users").clone();
    seen.sort_by_key(|user| user["user"].as_i64());
    let as_offline =
        |id| json!({"user": id, "status": "offline", "status_text": "", "last_seen": null});
    assert_eq!(seen, [as_offline(kitty.id), as_offline(felix.id)]);
    let _kitten = Socket::open(&kitty).await.loud();
    assert_eq!(heard(&mut watcher).await, (kitty.id, "online".into()));
    // A new list replaces the old one.
    let ack = watcher.request(watch(json!([felix.id]))).await;
    assert_eq!(ack["users"].as_array().expect("users").len(), 1);
    kitty.patch("/api/auth/me/", json!({"availability": "busy"})).await.expect(200);
    let _lion = Socket::open(&felix).await.loud();
    assert_eq!(heard(&mut watcher).await, (felix.id, "online".into()));
    felix.patch("/api/auth/me/", json!({"first_name": "Felix"})).await.expect(200);
    let updated = watcher.next().await;
    assert_eq!(
        (&updated["type"], &updated["user"]["first_name"]),
        (&json!("user.updated"), &json!("Felix"))
    );

    let many: Vec<i64> = (1..=1_001).collect();
    assert_eq!(watcher.request(watch(json!(many))).await["code"], "invalid");
    assert_eq!(watcher.request(watch(json!("all"))).await["code"], "invalid");
    assert_eq!(watcher.request(watch(json!([]))).await["users"], json!([]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_of_those_on_another_node_is_the_same(
    #[values(Backend::Postgres)] backend: Backend,
) {
    let settings = [("MAX_SOCKETS_PER_USER", "2")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let other = server.second_node().await;
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let there = Client { base: other.base.clone(), ..kitty.clone() };
    let mut sockets = vec![Socket::open(&there).await.loud(), Socket::open(&there).await.loud()];
    until_seen_as(&tom, &kitty, "online").await;
    // The status is aggregated over all nodes.
    let mut third = Socket::dial(&kitty, "/ws/", &[]).await.expect("upgraded");
    third.send(json!({"type": "auth", "token": kitty.access})).await;
    assert_eq!(third.closed().await.0, 4003);
    for socket in &mut sockets {
        say(socket, "away").await;
    }
    until_seen_as(&tom, &kitty, "away").await;
    // The users of a dead node go offline within moments.
    drop(other);
    server.app.clock.advance(Duration::from_secs(40));
    nodes::heartbeat(server.app.clone()).await.expect("a tick");
    assert_eq!(status_of(&tom, &kitty).await, "offline");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_reveals_when_invisible_users_connect(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let felix = server.user("felix").await;
    tom.private_chat(&kitty).await;
    let flush = async || presence::flush(server.app.clone()).await.expect("a tick");
    let seen = async || {
        let kitty = tom.get(&format!("/api/users/{}/", kitty.id)).await.expect(200).json;
        (kitty["status"].clone(), kitty["last_seen"].clone())
    };

    let mut watcher = Socket::open(&tom).await.loud();
    let mut later = Socket::open(&felix).await.loud();
    kitty.patch("/api/auth/me/", json!({"availability": "invisible"})).await.expect(200);
    let before = seen().await;
    let mut kitten = Socket::open(&kitty).await;
    assert_eq!(kitten.ready["user"]["availability"], "invisible");
    say(&mut kitten, "away").await;
    flush().await;
    // A user who joins a chat with her meanwhile learns no more.
    kitty.private_chat(&felix).await;
    let told = later.next_of("chat.created").await;
    assert_eq!(told["chat"]["peer"]["status"], "offline");
    kitten.request(json!({"type": "ping"})).await;
    nodes::heartbeat(server.app.clone()).await.expect("a tick");
    drop(kitten);
    until_disconnected(&server, &kitty).await;
    server.app.clock.advance(Duration::from_secs(11));
    flush().await;
    for socket in [&mut watcher, &mut later] {
        let mut told = socket.drain().await;
        told.retain(|frame| frame["user"] == kitty.id);
        assert!(told.is_empty(), "{told:?}");
    }
    assert_eq!(seen().await, before);

    // A change is published.
    kitty.patch("/api/auth/me/", json!({"status_text": "gone hunting"})).await.expect(200);
    let frame = next_of(&mut watcher, &kitty).await;
    assert_eq!(
        (&frame["status"], &frame["status_text"]),
        (&json!("offline"), &json!("gone hunting"))
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shares_no_chat_any_more_is_watched_no_more(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (felix, rex) = (server.user("felix").await, server.user("rex").await);
    let chat = tom.group(&[&kitty, &felix, &rex]).await;
    let watch = json!({"type": "status.watch", "users": [tom.id, rex.id]});
    let mut leaves = Socket::open(&kitty).await.loud();
    let mut stays = Socket::open(&felix).await.loud();
    for socket in [&mut leaves, &mut stays] {
        assert_eq!(socket.request(watch.clone()).await["users"].as_array().map(Vec::len), Some(2));
    }
    let out = async |user: &Client| {
        let path = format!("/api/chats/{chat}/members/{}/", user.id);
        user.delete(&path).await.expect(204);
    };
    out(&kitty).await;
    out(&rex).await;
    presence::recheck(server.app.clone()).await.expect("a tick");
    for user in [&tom, &rex] {
        user.patch("/api/auth/me/", json!({"status_text": "secret"})).await.expect(200);
    }
    assert_eq!(next_of(&mut stays, &tom).await["status_text"], "secret");
    for (socket, strangers) in [(&mut leaves, vec![tom.id, rex.id]), (&mut stays, vec![rex.id])] {
        let mut told = socket.drain().await;
        told.retain(|frame| strangers.iter().any(|id| frame["user"] == *id));
        assert!(told.is_empty(), "{told:?}");
    }
}
