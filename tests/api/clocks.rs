//! Machines with wrong clocks, or clocks that are set while a node runs. What a site promises does not
//! depend on them.

use std::time::Duration;

use meowsenger::actions::{clocks, housekeeping, nodes, presence};
use meowsenger::domain::event::Departed;
use meowsenger::domain::ids::{ChatId, UserId};
use meowsenger::domain::time::Timestamp;
use meowsenger::store::{chats, departures, members};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::socket::DEADLINE;
use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp, eventually};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// The deadline for a committed change to reach everybody.
const PROMISED: Duration = Duration::from_secs(10);

/// The same user on another node.
fn at(node: &TestApp, user: &Client) -> Client {
    Client { base: node.base.clone(), ..user.clone() }
}

fn renewed(client: &Client, answer: Answer) -> Client {
    let pair = answer.expect(200).json;
    let token = |name: &str| pair[name].as_str().expect("a token").to_owned();
    Client { access: token("access"), refresh: token("refresh"), ..client.clone() }
}

async fn status_of(by: &Client, user: &Client) -> Value {
    by.get(&format!("/api/users/{}/", user.id)).await.expect(200).json["status"].clone()
}

async fn top_chat(user: &Client) -> Value {
    user.get("/api/chats/").await.expect(200).results()[0]["id"].clone()
}

/// Compares the node's clock, as the node does every few seconds.
async fn look(node: &TestApp) {
    clocks::follow(node.app.clone(), Default::default()).await.expect("looked");
}

async fn sockets_gone(node: &TestApp, user: &Client) {
    let look = async || (!node.app.hub.people.is_connected(UserId(user.id))).then_some(());
    eventually(DEADLINE, "the user's sockets are gone", look).await;
}

/// The difference between two times, in seconds.
fn apart(one: Timestamp, other: Timestamp) -> u64 {
    one.micros().abs_diff(other.micros()) / 1_000_000
}

#[rstest]
#[case::ten_seconds_ahead(10)]
#[case::half_a_minute_behind(-30)]
#[case::an_hour_behind(-HOUR)]
#[case::a_hundred_days_ahead(100 * DAY)]
#[case::in_2038(12 * 365 * DAY)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_agree_whatever_their_machines_clocks_say(#[case] seconds: i64) {
    let Some(one) = TestApp::start(Backend::Postgres).await else { return };
    let two = one.node_off_by(seconds).await;
    assert_eq!(apart(one.app.clock.now(), two.app.clock.now()), 0);
    let ready = two.anonymous().get("/readyz").await.expect(200).json;
    let offset = ready["clock_offset_ms"].as_i64().expect("a number");
    assert!(offset.abs_diff(seconds * 1_000) < 500, "{ready}");

    let tom = one.user("tom").await;
    let there = at(&two, &tom);
    there.get("/api/auth/me/").await.expect(200);
    // The answer was lost, and the client repeats the refresh on the other node.
    let next = renewed(&tom, tom.spend(&tom.refresh).await);
    let again = renewed(&there, there.spend(&tom.refresh).await);
    assert_eq!(next.refresh, again.refresh);
    let third = renewed(&there, there.spend(&next.refresh).await);
    renewed(&next, tom.spend(&next.refresh).await);
    at(&one, &third).get("/api/auth/me/").await.expect(200);
    let ticket = at(&two, &third).post("/api/auth/ws-ticket/", json!({})).await.expect(201).json;
    let path = format!("/ws/?ticket={}", ticket["ticket"].as_str().expect("a ticket"));
    assert_eq!(Socket::dial(&tom, &path, &[]).await.expect("opened").next().await["type"], "ready");
    // And no session is too old.
    housekeeping::forget(two.app.clone()).await.expect("forgotten");
    at(&one, &third).get("/api/auth/me/").await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_off_takes_nobody_offline(#[values(40, -40)] seconds: i64) {
    let Some(one) = TestApp::start(Backend::Postgres).await else { return };
    let two = one.node_off_by(seconds).await;
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    tom.private_chat(&kitty).await;
    let mut toms = Socket::open(&tom).await.loud();
    let mut kittys = Socket::open(&at(&two, &kitty)).await.loud();
    let look = async || (status_of(&tom, &kitty).await == "online").then_some(());
    eventually(DEADLINE, "the other node's user is online", look).await;
    toms.drain().await;
    kittys.drain().await;
    for node in [&one, &two, &one, &two] {
        nodes::heartbeat(node.app.clone()).await.expect("a tick");
        assert_eq!(status_of(&tom, &kitty).await, "online");
        assert_eq!(status_of(&at(&two, &kitty), &tom).await, "online");
    }
    for socket in [&mut toms, &mut kittys] {
        let told = socket.drain().await;
        assert!(!told.iter().any(|frame| frame["status"] == "offline"), "{told:?}");
    }
}

/// Only on SQLite: the test cannot set PostgreSQL's clock.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_takes_nobody_offline_before_their_node_can_follow() {
    let Some(one) = TestApp::start(Backend::Sqlite).await else { return };
    let two = one.second_node().await;
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let _socket = Socket::open(&at(&two, &kitty)).await;
    presence::flush(two.app.clone()).await.expect("a tick");
    nodes::heartbeat(one.app.clone()).await.expect("a tick");
    assert_eq!(status_of(&tom, &kitty).await, "online");
    for node in [&one, &two] {
        // Tokens remain valid.
        node.system.set_ahead(300 * 1_000_000);
    }
    for node in [&one, &two, &one] {
        nodes::heartbeat(node.app.clone()).await.expect("a tick");
        assert_eq!(status_of(&tom, &kitty).await, "online");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bus_a_node_whose_clock_is_off_hears_of_chats_removals_and_logouts(
    #[values(60, -60)] seconds: i64,
) {
    let Some(one) = TestApp::start(Backend::Postgres).await else { return };
    let two = one.node_off_by(seconds).await;
    let tell = async |here: &TestApp, there: &TestApp| {
        let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
        let (tom, kitty) = (at(here, &tom), at(here, &kitty));
        let mut socket = Socket::open(&at(there, &kitty)).await;
        let heard = async |socket: &mut Socket, kind: &str| {
            let next = timeout(PROMISED, socket.next_of(kind)).await;
            next.unwrap_or_else(|_| panic!("{kind} in time"))
        };
        let chat = tom.group(&[&kitty]).await;
        assert_eq!(heard(&mut socket, "chat.created").await["chat"]["id"], chat);
        let path = format!("/api/chats/{chat}/members/{}/", kitty.id);
        tom.delete(&path).await.expect(204);
        assert_eq!(heard(&mut socket, "chat.deleted").await["chat"], chat);
        kitty.post("/api/auth/logout/", json!({})).await.expect(204);
        assert_eq!(timeout(PROMISED, socket.closed()).await.expect("closed in time").0, 4001);
    };
    tokio::join!(tell(&one, &two), tell(&two, &one));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_hears_nothing_more_whenever_that_is_said_to_have_been(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let mut socket = Socket::open(&kitty).await;

    // Like a node that dies before it publishes, and whose clock is a year behind.
    let (id, user) = (ChatId(chat), UserId(kitty.id));
    let mut tx = server.app.db.begin().await.expect("a transaction");
    members::remove(&mut tx, id, &[UserId(kitty.id)]).await.expect("removed");
    let version = chats::advance(&mut tx, id, 1, -1).await.expect("a version");
    let then = server.app.clock.now().minus(Duration::from_secs(365 * 86_400));
    departures::insert(&mut tx, id, &[Departed { user, version }], then).await.expect("noted");
    tx.commit().await.expect("committed");
    tom.say(chat, "a secret").await;

    let frame = timeout(PROMISED, socket.next()).await.expect("told in time");
    assert_eq!((&frame["type"], &frame["chat"]), (&json!("chat.deleted"), &json!(chat)));
    tom.say(chat, "another").await;
    assert!(socket.drain().await.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_while_the_node_runs_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (first, second) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    tom.say(first, "before").await;
    let before = tom.say(second, "before").await;
    let other = tom.login(&tom.username, PASSWORD).await.expect(200);
    let other = tom.with_session(&other.json);
    renewed(&other, other.spend(&other.refresh).await);
    let mut listener = Socket::open(&tom).await.loud();
    let mut writer = Socket::open(&kitty).await.loud();
    let typing = json!({"type": "typing", "chat": first, "active": true});
    writer.request(typing.clone()).await;
    assert_eq!(listener.next_of("typing").await["active"], true);

    let now = server.app.clock.now();
    server.system.set_ahead(-HOUR * 1_000_000);
    look(&server).await;
    assert!(server.app.clock.now() >= now);

    // Typing expires, and is published again; a user who disconnects goes offline.
    server.app.clock.advance(Duration::from_secs(7));
    assert_eq!(listener.next_of("typing").await["active"], false);
    writer.request(typing).await;
    assert_eq!(listener.next_of("typing").await["active"], true);
    drop(writer);
    sockets_gone(&server, &kitty).await;
    server.app.clock.advance(Duration::from_secs(11));
    while listener.next_of("status").await["status"] != "offline" {}
    // A chat with a new message is first in the list, and its timestamps increase.
    assert_eq!(top_chat(&tom).await, second);
    let after = tom.say(first, "after").await;
    assert_eq!(top_chat(&tom).await, first);
    assert!(after["timestamp"].as_str() >= before["timestamp"].as_str(), "{after}");
    // A used token remains used, and its reuse revokes the session.
    other.spend(&other.refresh).await.expect_bad_token();
    other.get("/api/auth/me/").await.expect_bad_token();
}

/// Only on SQLite, which has no other clock than the machine's.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_a_clock_set_back_undoes_nothing() {
    let Some(server) = TestApp::start(Backend::Sqlite).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (first, second) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    tom.say(first, "before").await;
    let before = tom.say(second, "before").await;
    let other = tom.login(&tom.username, PASSWORD).await.expect(200);
    let other = tom.with_session(&other.json);
    let next = renewed(&other, other.spend(&other.refresh).await);
    let ticket = tom.post("/api/auth/ws-ticket/", json!({})).await.expect(201).json;
    let _socket = Socket::open(&kitty).await;
    presence::flush(server.app.clone()).await.expect("a tick");

    let server = server.restart(-HOUR).await;
    let (tom, other, next) = (at(&server, &tom), at(&server, &other), at(&server, &next));
    other.spend(&other.refresh).await.expect_bad_token();
    next.get("/api/auth/me/").await.expect_bad_token();
    let path = format!("/ws/?ticket={}", ticket["ticket"].as_str().expect("a ticket"));
    assert!(Socket::dial(&tom, &path, &[]).await.is_err(), "it would be good for an hour");
    // A dead node keeps nobody online.
    nodes::heartbeat(server.app.clone()).await.expect("a tick");
    assert_eq!(status_of(&tom, &kitty).await, "offline");

    assert_eq!(top_chat(&tom).await, second);
    let after = tom.say(second, "after").await;
    assert_eq!(after["timestamp"], before["timestamp"], "it does not go back in a chat");
    tom.say(first, "after").await;
    assert_eq!(top_chat(&tom).await, first);
    tom.post("/api/chats/", json!({"type": "group", "name": "new", "members": []}))
        .await
        .expect(201);
    let made = top_chat(&tom).await;
    assert!(made != first && made != second);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_survives_a_while_with_a_clock_far_ahead() {
    let Some(server) = TestApp::start(Backend::Sqlite).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (first, second) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    tom.say(first, "before").await;

    let server = server.restart(100 * DAY).await;
    housekeeping::forget(server.app.clone()).await.expect("forgotten");
    at(&server, &tom).get("/api/auth/me/").await.expect_bad_token();
    let later = at(&server, &tom).login(&tom.username, PASSWORD).await.expect(200);
    let later = at(&server, &tom).with_session(&later.json);
    later.say(second, "from the future").await;

    let server = server.restart(0).await;
    let tom = at(&server, &tom);
    tom.get("/api/auth/me/").await.expect(200);
    let tom = renewed(&tom, tom.spend(&tom.refresh).await);
    let now = tom.say(first, "now").await;
    assert_eq!(top_chat(&tom).await, first);
    let today = server.app.clock.now().to_string();
    let date = |text: &str| text[..10].to_owned();
    assert_eq!(date(now["timestamp"].as_str().expect("a time")), date(&today));
    let next = tom.say(second, "now").await;
    assert_eq!(date(next["timestamp"].as_str().expect("a time")), date(&today));
}
