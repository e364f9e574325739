//! The epoch: what happens when it is renewed, and that nodes detect by themselves that the database has
//! lost committed changes. `tests/crash.rs` restores the file of the real program.

use std::sync::Arc;

use meowsenger::actions::{catchup, epoch};
use meowsenger::store::{Dialects, site};
use meowsenger_client::{ChatId, Event, Options, Server};
use rstest::rstest;
use tokio::time::timeout;

use crate::support::PASSWORD;
use crate::support::socket::DEADLINE;
use crate::support::{Backend, Client, Socket, TestApp};

/// Resets a chat to its first messages, as a restore does.
async fn rewind(node: &TestApp, chat: i64, messages: i64) {
    let mut tx = node.app.db.begin().await.expect("begun");
    for sql in [
        "delete from messages where chat_id = $1 and seq > $2",
        "update chats set last_seq = $2, version = $2 + 1, last_message_id = \
         (select id from messages where chat_id = $1 and seq = $2) where id = $1",
        "update members set last_read_seq = $2, last_delivered_seq = $2 \
         where chat_id = $1 and last_delivered_seq > $2",
    ] {
        tx.query(sql).bind(chat).bind(messages).execute().await.expect("done");
    }
    tx.commit().await.expect("committed");
}

async fn current(node: &TestApp) -> String {
    site::epoch(&node.app.db).await.expect("read")
}

/// Waits until the node uses another epoch.
async fn left(node: &TestApp, old: &str) {
    let mut epochs = node.app.epoch.subscribe();
    let changed = timeout(DEADLINE, epochs.wait_for(|epoch| epoch != old));
    changed.await.expect("in time").expect("it runs");
}

/// How the server ended the connection.
async fn end(socket: &mut Socket) -> u16 {
    loop {
        if let Err(end) = socket.next_or_end().await {
            return end.expect("in order").0;
        }
    }
}

fn at(node: &TestApp, user: &Client) -> Client {
    Client { base: node.base.clone(), ..user.clone() }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_were_ahead_of_a_restored_database_start_afresh(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(one) = TestApp::start(backend).await else { return };
    let two = one.second_node().await;
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let client = Server::new(&two.base).log_in(&kitty.username, PASSWORD).await.expect("in");
    let (live, mut events) = client.connect(Options::default());
    let first = timeout(DEADLINE, events.next()).await.expect("in time");
    assert!(matches!(first, Some(Event::Ready(_))), "{first:?}");
    // What was sent before its first sync, a client does not load.
    let is_known = async {
        while live.replica().chat(ChatId(chat)).is_none() {
            events.next().await.expect("it goes on");
        }
    };
    timeout(DEADLINE, is_known).await.expect("in time");
    for content in ["one", "two", "three"] {
        tom.say(chat, content).await;
    }
    let contents = || {
        let replica = live.replica();
        let known = replica.chat(ChatId(chat)).map(|known| known.messages().values());
        known.map(|messages| messages.map(|m| m.content.clone()).collect()).unwrap_or_default()
    };
    let mut wait_for = async |wanted: &[&str]| {
        let found = async {
            loop {
                let found: Vec<String> = contents();
                if found == wanted {
                    return;
                }
                let event = events.next().await.expect("it goes on");
                assert!(!matches!(event, Event::Ended(_)), "{event:?}");
            }
        };
        timeout(DEADLINE, found)
            .await
            .unwrap_or_else(|_| panic!("no {wanted:?}: {:?}", contents()));
    };
    let old = current(&one).await;
    // There is no bus.
    let sweep = async || {
        catchup::compare_versions(Arc::clone(&two.app)).await.expect("compared");
    };
    sweep().await;
    wait_for(&["one", "two", "three"]).await;

    rewind(&one, chat, 1).await;
    for node in [&one, &two] {
        left(node, &old).await;
    }
    wait_for(&["one"]).await;
    tom.say(chat, "another").await;
    sweep().await;
    wait_for(&["one", "another"]).await;

    // All nodes together renew it once.
    let renewed = current(&one).await;
    for node in [&one, &two] {
        epoch::check(Arc::clone(&node.app)).await.expect("looked");
        catchup::compare_versions(Arc::clone(&node.app)).await.expect("compared");
        assert_eq!(*node.app.epoch.borrow(), renewed);
    }
    assert_eq!(current(&one).await, renewed);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_noticed_though_what_is_sent_next_has_caught_up(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let mut socket = Socket::open(&kitty).await;
    for content in ["one", "two", "three"] {
        tom.say(chat, content).await;
    }
    let old = current(&server).await;
    assert_eq!(socket.ready["epoch"], old);
    rewind(&server, chat, 1).await;
    for content in ["another two", "another three", "four"] {
        tom.say(chat, content).await;
    }
    assert_eq!(end(&mut socket).await, 1012);
    let again = Socket::open(&kitty).await;
    assert_ne!(again.ready["epoch"], old);
    assert_eq!(again.version_of(chat), 5);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_feed_has_passed_on_tells_of_a_restore(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(one) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (one.user("tom").await, one.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    tom.say(chat, "one").await;
    tom.say(chat, "two").await;
    // This node knows of the chat only through the database.
    let two = one.second_node().await;
    drop(one);
    let mut socket = Socket::open(&at(&two, &kitty)).await;
    let old = current(&two).await;
    rewind(&two, chat, 1).await;
    catchup::compare_versions(Arc::clone(&two.app)).await.expect("compared");
    assert_ne!(current(&two).await, old);
    assert_eq!(end(&mut socket).await, 1012);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_is_gone_is_no_restore(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    tom.say(chat, "meow").await;
    let old = current(&server).await;
    let mut tx = server.app.db.begin().await.expect("begun");
    // Together with its members and messages.
    let delete = "delete from chats where id = $1";
    tx.query(delete).bind(chat).execute().await.expect("deleted");
    tx.commit().await.expect("committed");
    epoch::check(Arc::clone(&server.app)).await.expect("looked");
    catchup::compare_versions(Arc::clone(&server.app)).await.expect("compared");
    assert_eq!(current(&server).await, old);

    // A chat that was created after the copy is missing, and its id was never assigned.
    let chat = tom.group(&[&kitty]).await;
    let mut tx = server.app.db.begin().await.expect("begun");
    tx.query(delete).bind(chat).execute().await.expect("deleted");
    tx.query(Dialects {
        sqlite: "update sqlite_sequence set seq = $1 - 1 where name = 'chats'",
        postgres: "select setval(pg_get_serial_sequence('chats', 'id'), $1 - 1)",
    })
    .bind(chat)
    .execute()
    .await
    .expect("set back");
    tx.commit().await.expect("committed");
    left(&server, &old).await;
}
