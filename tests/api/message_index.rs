//! The index for searching messages: how soon it has them, which node writes it, and what retention takes out of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use meowsenger::actions::retention;
use meowsenger::domain::fulltext::{Allowed, TermLookup, find};
use meowsenger::store::fulltext::segments;
use meowsenger::store::fulltext::state::{IndexState, state};
use rstest::rstest;
use serde_json::json;
use tokio::time::Instant;

use crate::message_search::{SEARCHABLE, check_up, found, indexed};
use crate::support::{Backend, Client, TestApp, eventually};

/// Within which a message, or an edit, has to be found.
const FRESH: Duration = Duration::from_secs(1);
/// Messages of which the time is measured.
const SAMPLES: usize = 7;
/// How often it is measured again: machines that run tests are busy.
const ROUNDS: usize = 5;

async fn index_state(server: &TestApp) -> IndexState {
    state(&server.app.db).await.expect("the state")
}

/// How long it takes until a user finds a word.
async fn time_until_found(user: &Client, word: &str) -> Duration {
    let start = Instant::now();
    eventually(SEARCHABLE, "the message is found", async || {
        (found(user, word, &[]).await == [word]).then_some(start.elapsed())
    })
    .await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_edits_are_found_within_a_second_on_any_node(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let other = server.second_node().await;
    let there = other.anonymous().with_access(&kitty.access);
    let mut medians = Vec::new();
    for round in 0..ROUNDS {
        let mut times = Vec::new();
        for number in 0..SAMPLES {
            let (sender, word) =
                (if number % 2 == 0 { &tom } else { &there }, format!("meow{round}x{number}"));
            let message = sender.say(chat, &word).await;
            times.push(time_until_found(&there, &word).await);
            let word = format!("purr{round}x{number}");
            let path = format!("/api/messages/{}/", message["id"]);
            sender.put(&path, json!({"content": word})).await.expect(200);
            times.push(time_until_found(&tom, &word).await);
        }
        times.sort();
        let median = times[SAMPLES];
        if median <= FRESH {
            return;
        }
        medians.push(median);
    }
    panic!("half of the messages are found after {medians:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_takes_over_the_indexing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let mut nodes = vec![server.second_node().await, server];
    for round in 0..3 {
        let word = format!("meow{round}");
        let from = |node: &TestApp| node.anonymous().with_access(&tom.access);
        from(&nodes[0]).say(chat, &word).await;
        indexed(&nodes[0]).await;
        let before = index_state(&nodes[0]).await;
        let writer = nodes.iter().position(|node| node.app.nodes.name == before.holder);
        let writer = nodes.remove(writer.expect("one of the two"));
        // What it was sent last, another node has to index.
        let last = format!("purr{round}");
        from(&writer).say(chat, &last).await;
        let survivor = &nodes[0];
        writer.app.stopping.cancel();
        writer.app.stopped.cancel();
        let user = survivor.anonymous().with_access(&kitty.access);
        let next = format!("hiss{round}");
        from(survivor).say(chat, &next).await;
        for word in [&word, &last, &next] {
            time_until_found(&user, word).await;
        }
        let after = index_state(survivor).await;
        assert_eq!(after.holder, survivor.app.nodes.name);
        assert!(after.generation > before.generation, "{before:?} {after:?}");
        let another = survivor.second_node().await;
        nodes.push(another);
    }
    assert_eq!(check_up(&nodes[0], false).await, [] as [&str; 0]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_removed_is_not_found(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("RETENTION_MESSAGES", "60s")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    for number in 0..5 {
        tom.say(chat, &format!("meow old{number}")).await;
    }
    let edited = tom.say(chat, "meow").await;
    let path = format!("/api/messages/{}/", edited["id"]);
    tom.put(&path, json!({"content": "meow edited"})).await.expect(200);
    indexed(&server).await;
    assert_eq!(found(&kitty, "meow", &[]).await.len(), 6);
    server.app.clock.advance(Duration::from_secs(65));
    tom.say(chat, "meow new").await;
    indexed(&server).await;
    retention::sweep(Arc::clone(&server.app), Arc::default()).await.expect("swept");
    let (chat, tom_id) = (chat.to_string(), tom.id.to_string());
    for filters in [
        &[][..],
        &[("page_size", "1")],
        &[("chat", chat.as_str())],
        &[("sender", tom_id.as_str()), ("before", "2999-01-01T00:00:00Z")],
    ] {
        for user in [&tom, &kitty] {
            assert_eq!(found(user, "meow", filters).await, ["meow new"], "{filters:?}");
            assert_eq!(found(user, "old", filters).await, [""; 0], "{filters:?}");
            assert_eq!(found(user, "edited", filters).await, [""; 0], "{filters:?}");
        }
    }
    // Nor once their rows are gone, and on a server that has started again.
    meowsenger::actions::housekeeping::purge(server.app.clone()).await.expect("purged");
    let server = server.restart(65).await;
    let kitty = server.anonymous().with_access(&kitty.access);
    assert_eq!(found(&kitty, "meow", &[]).await, ["meow new"]);
    assert_eq!(check_up(&server, false).await, [] as [&str; 0]);
}

/// The messages that the index has, deleted ones included, and how many segments it has.
async fn in_index(server: &TestApp) -> (BTreeSet<i64>, usize) {
    let (mut found, db) = (Vec::new(), &server.app.db);
    let current = segments::current(db).await.expect("read");
    for segment in &current {
        for page in segments::pages(db, segment.id).await.expect("read") {
            find(&page.data, &TermLookup::all_senders(), Allowed::All, &mut found);
        }
    }
    (found.into_iter().map(|posting| posting.message.0).collect(), current.len())
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_messages_leave_the_index_after_a_day_however_often_it_is_merged(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const HALF_A_DAY: Duration = Duration::from_secs(43_260);
    let settings = [("ACCESS_TOKEN_LIFETIME", "30d"), ("THROTTLE", "off")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let chat = tom.group(&[]).await;
    let say = async |text: &str| {
        let message = tom.say(chat, text).await;
        indexed(&server).await;
        message["id"].as_i64().expect("an id")
    };
    let deleted = say("meow").await;
    tom.delete(&format!("/api/messages/{deleted}/")).await.expect(204);
    indexed(&server).await;
    server.app.clock.advance(HALF_A_DAY);
    // Enough segments for a merge, which does not look for what was deleted.
    let mut kept = BTreeSet::new();
    for number in 0..8 {
        kept.insert(say(&format!("purr {number}")).await);
    }
    eventually(SEARCHABLE, "small segments are merged", async || {
        let (messages, count) = in_index(&server).await;
        (messages.is_superset(&kept) && count < 8).then_some(())
    })
    .await;
    assert!(in_index(&server).await.0.contains(&deleted));
    server.app.clock.advance(HALF_A_DAY);
    eventually(SEARCHABLE, "the deleted message leaves the index", async || {
        (in_index(&server).await.0 == kept).then_some(())
    })
    .await;
    assert_eq!(found(&tom, "purr", &[]).await.len(), kept.len());
}
