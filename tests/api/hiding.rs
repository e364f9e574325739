//! A blocked user sees the blocker as offline, wherever a user is shown, and learns nothing else.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::blocks::{block, unblock};
use crate::support::services::bus_url;
use crate::support::{Backend, Client, Socket, TestApp, eventually};

const AT_ONCE: Duration = Duration::from_secs(3);
const LATE: Duration = Duration::from_secs(10);

/// The status and the last time of a user in everything that a viewer can read.
async fn shown(viewer: &Client, user: &Client, socket: &mut Socket) -> Vec<Value> {
    let id = user.id;
    let lists = [
        format!("/api/users/?ids={id}"),
        format!("/api/users/?search={}", user.username),
        format!("/api/users/search/?q={}", user.username),
        "/api/users/?page_size=100".to_owned(),
    ];
    let mut found = vec![viewer.get(&format!("/api/users/{id}/")).await.expect(200).json];
    for list in lists {
        let rows = viewer.get(&list).await.expect(200);
        found.extend(rows.results().iter().filter(|one| one["id"] == id).cloned());
    }
    let chats = viewer.get("/api/chats/?type=private").await.expect(200);
    let peer = |chat: &Value| chat["peer"].clone();
    found.push(peer(&chats.results()[0]));
    let chat = format!("/api/chats/{}/", chats.results()[0]["id"]);
    found.push(peer(&viewer.get(&chat).await.expect(200).json));
    let sync = viewer.post("/api/sync/", json!({"versions": {}})).await.expect(200).json;
    let changes = sync["changes"].as_array().expect("changes");
    found.extend(changes.iter().map(|change| peer(&change["chat"])).filter(|peer| !peer.is_null()));
    let watched = socket.request(json!({"type": "status.watch", "users": [id]})).await;
    found.extend(watched["users"].as_array().expect("users").clone());
    assert_eq!(found.len(), 9, "{found:?}");
    found.into_iter().map(|one| json!([one["status"], one["last_seen"]])).collect()
}

/// The next status of a user.
async fn status(socket: &mut Socket, user: &Client, within: Duration) -> Value {
    timeout(within, socket.next_status_of(user)).await.expect("in time")
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocked_user_sees_the_blocker_as_offline_everywhere(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (blocker, blocked, other) =
        (server.user("blocker").await, server.user("blocked").await, server.user("other").await);
    blocker.private_chat(&blocked).await;
    let group = blocker.group(&[&blocked, &other]).await;
    server
        .script(&format!("update users set last_seen = date_joined where id = {}", blocker.id))
        .await;
    let mut device = Socket::open(&blocker).await;
    let mut viewer = Socket::open(&blocked).await.loud();
    let mut witness = Socket::open(&other).await.loud();
    let watch = json!({"type": "status.watch", "users": [blocker.id]});
    witness.request(watch.clone()).await;
    let look = async || {
        let seen = shown(&blocked, &blocker, &mut viewer).await;
        seen.iter().all(|one| one[0] == "online" && !one[1].is_null()).then_some(())
    };
    eventually(LATE, "the user is online", look).await;
    viewer.drain().await;
    witness.drain().await;

    block(&blocker, &blocked).await;
    let frame = status(&mut viewer, &blocker, AT_ONCE).await;
    let expected = json!({
        "type": "status", "user": blocker.id, "status": "offline", "status_text": "",
        "last_seen": null,
    });
    assert_eq!(frame, expected);
    let hidden = vec![json!(["offline", null]); 9];
    assert_eq!(shown(&blocked, &blocker, &mut viewer).await, hidden);
    // Later changes are not shown, neither to this connection nor to a new one.
    device.request(json!({"type": "status", "status": "busy"})).await;
    assert_eq!(status(&mut witness, &blocker, AT_ONCE).await["status"], "busy");
    let mut new = Socket::open(&blocked).await.loud();
    assert_eq!(shown(&blocked, &blocker, &mut new).await, hidden);
    device.request(json!({"type": "status", "status": "online"})).await;
    assert_eq!(status(&mut witness, &blocker, AT_ONCE).await["status"], "online");
    for socket in [&mut viewer, &mut new] {
        let about = socket.drain().await.into_iter().filter(|frame| frame["user"] == blocker.id);
        assert_eq!(about.collect::<Vec<_>>(), [json!(null); 0]);
    }
    // Names are shown, and what is said in a shared group; the blocker sees the blocked user.
    blocker.patch("/api/auth/me/", json!({"first_name": "Bea"})).await.expect(200);
    assert_eq!(viewer.next_of("user.updated").await["user"]["first_name"], "Bea");
    blocker.say(group, "meow").await;
    viewer.next_of("message.created").await;
    let own = blocker.get(&format!("/api/users/{}/", blocked.id)).await.expect(200).json;
    assert_eq!(own["status"], "online");
    let seen = other.get(&format!("/api/users/{}/", blocker.id)).await.expect(200).json;
    assert_eq!(seen["status"], "online");

    unblock(&blocker, &blocked).await;
    assert_eq!(status(&mut viewer, &blocker, AT_ONCE).await["status"], "online");
    let seen = shown(&blocked, &blocker, &mut viewer).await;
    assert!(seen.iter().all(|one| one[0] == "online"), "{seen:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_by_a_user_who_looks_offline_is_no_frame(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (blocker, blocked) = (server.user("blocker").await, server.user("blocked").await);
    blocker.private_chat(&blocked).await;
    blocker.patch("/api/auth/me/", json!({"availability": "invisible"})).await.expect(200);
    let mut own = Socket::open(&blocker).await;
    let mut viewer = Socket::open(&blocked).await.loud();
    viewer.drain().await;
    block(&blocker, &blocked).await;
    own.next_of("block.updated").await;
    let is_hidden = async || {
        let hidden = &server.app.hub.presence.hidden;
        hidden.hides(id(&blocker), id(&blocked)).then_some(())
    };
    eventually(LATE, "the block is known to the hub", is_hidden).await;
    assert_eq!(viewer.drain().await, [json!(null); 0]);
}

fn id(user: &Client) -> meowsenger::domain::ids::UserId {
    meowsenger::domain::ids::UserId(user.id)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_hides_presence_on_other_nodes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(true, false)] has_bus: bool,
) {
    let bus = bus_url();
    if has_bus && bus.is_none() {
        return;
    }
    let url = bus.filter(|_| has_bus);
    let settings: Vec<_> = url.iter().map(|url| ("BUS_URL", url.as_str())).collect();
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let elsewhere = server.second_node().await;
    let (blocker, blocked) = (server.user("blocker").await, server.user("blocked").await);
    let chat = blocker.private_chat(&blocked).await;
    let there = Client { base: elsewhere.base.clone(), ..blocked.clone() };
    let mut own = Socket::open(&blocker).await;
    let mut viewer = Socket::open(&there).await.loud();
    let path = format!("/api/users/{}/", blocker.id);
    let seen = async || (there.get(&path).await.json["status"] == "online").then_some(());
    eventually(LATE, "the user is online", seen).await;
    block(&blocker, &blocked).await;
    while status(&mut viewer, &blocker, LATE).await["status"] != "offline" {}
    assert_eq!(there.get(&path).await.expect(200).json["last_seen"], json!(null));
    // Both nodes refuse typing indicators of both.
    for socket in [&mut own, &mut viewer] {
        let refused = async || {
            let typing = json!({"type": "typing", "chat": chat, "active": true});
            (socket.request(typing).await["code"] == "permission_denied").then_some(())
        };
        eventually(LATE, "typing is refused", refused).await;
    }
    unblock(&blocker, &blocked).await;
    while status(&mut viewer, &blocker, LATE).await["status"] != "online" {}
}
