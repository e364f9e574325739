//! The database fails while presence is written, published or checked: nothing of it is lost.

use std::time::Duration;

use meowsenger::actions::{nodes, presence};
use meowsenger::domain::ids::UserId;
use meowsenger::domain::presence::Activity;
use meowsenger::store::Target;
use rstest::rstest;
use serde_json::json;

use crate::support::{Backend, Client, Socket, TestApp};

/// Renames a table, so that statements on it fail until it is renamed back.
async fn rename(server: &TestApp, from: &str, to: &str) {
    server.script(&format!("alter table {from} rename to {to}")).await;
}

/// The number of a user's only connection.
fn number_of(server: &TestApp, user: &Client) -> u64 {
    let connections = server.app.hub.people.all();
    let own = connections.iter().find(|connection| connection.user() == UserId(user.id));
    own.expect("a connection").number()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_could_not_be_published_is_published_later(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    tom.private_chat(&kitty).await;
    let mut subscriber = Socket::open(&tom).await.loud();
    let _device = Socket::open(&kitty).await;
    assert_eq!(subscriber.next_status_of(&kitty).await["status"], "online");

    // Writing needs only the table of presence, publishing the users' as well.
    rename(&server, "users", "lost").await;
    let (user, device) = (UserId(kitty.id), number_of(&server, &kitty));
    server.app.hub.presence.local.set_activity(user, device, Activity::Idle);
    // It fails here, or did so in the background.
    presence::flush(server.app.clone()).await.err();
    rename(&server, "lost", "users").await;
    assert_eq!(subscriber.next_status_of(&kitty).await["status"], "away");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_could_not_be_checked_is_checked_later(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    tom.group(&[&kitty]).await;
    let mut subscriber = Socket::open(&tom).await;
    let users = json!({"type": "status.watch", "users": [kitty.id]});
    assert_eq!(subscriber.request(users).await["type"], "ack");
    let subscribed = || server.app.hub.presence.subscriptions.users();
    assert!(subscribed().contains(&UserId(kitty.id)));

    rename(&server, "members", "lost").await;
    server.script(&format!("delete from lost where user_id = {}", kitty.id)).await;
    server.app.hub.presence.recheck.add([UserId(kitty.id)]);
    presence::recheck(server.app.clone()).await.err();
    rename(&server, "lost", "members").await;
    presence::recheck(server.app.clone()).await.expect("checked");
    assert!(!subscribed().contains(&UserId(kitty.id)), "a stranger's presence");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_given_up_writes_its_users_again_whatever_else_fails(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let kitty = server.user("kitty").await;
    let _device = Socket::open(&kitty).await;
    presence::flush(server.app.clone()).await.expect("written");
    server.script("delete from presence; delete from nodes").await;
    rename(&server, "users", "lost").await;
    // "Last seen" is due, and cannot be stored.
    server.app.clock.advance(Duration::from_secs(61));
    nodes::heartbeat(server.app.clone()).await.expect_err("no users");
    rename(&server, "lost", "users").await;
    let written = async || -> i64 {
        let rows: Vec<(i64,)> = Target::from(&server.app.db)
            .query("select connections from presence where user_id = $1")
            .bind(kitty.id)
            .all()
            .await
            .expect("read");
        rows.len().try_into().expect("few")
    };
    let flushed = async {
        while written().await == 0 {
            presence::flush(server.app.clone()).await.expect("written");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), flushed).await.expect("written again");
}
