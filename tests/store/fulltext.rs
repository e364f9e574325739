//! The index for searching messages: who writes it, what it is fed with, and what is found in its pages.

use std::collections::BTreeSet;
use std::time::Duration;

use meowsenger::domain::fulltext::{
    Allowed, Gaps, IndexBatch, IndexedMessage, TermLookup, Zones, find,
};
use meowsenger::domain::ids::{ChatId, MessageId, UserId};
use meowsenger::store::fulltext::segments::IndexSegment;
use meowsenger::store::fulltext::{feed, lookups, segments, state};
use rstest::rstest;

use crate::support::{Backend, NOW, Store};

fn message(id: i64, content: &str) -> IndexedMessage {
    IndexedMessage {
        id: MessageId(id),
        chat: ChatId(1),
        sender: UserId(7),
        timestamp: NOW,
        content: content.to_owned(),
        has_attachments: false,
    }
}

#[rstest]
#[tokio::test]
async fn a_node_that_was_replaced_writes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let mut tx = store.tx().await;
    assert!(state::take(&mut tx, 0, "one", NOW).await.expect("asked"));
    assert!(!state::take(&mut tx, 0, "two", NOW).await.expect("asked"));
    assert!(state::renew(&mut tx, 1, NOW.plus(Duration::from_secs(1))).await.expect("asked"));
    assert!(state::take(&mut tx, 1, "two", NOW).await.expect("asked"));
    assert!(!state::renew(&mut tx, 1, NOW).await.expect("asked"));
    state::set_indexed(&mut tx, MessageId(5)).await.expect("set");
    let ids = [state::next_segment(&mut tx).await, state::next_segment(&mut tx).await];
    assert_eq!(ids.map(|id| id.expect("a number")), [1, 2]);
    let found = state::state(&mut tx).await.expect("read");
    assert_eq!((found.holder.as_str(), found.generation, found.indexed_upto.0), ("two", 2, 5));
    state::restart(&mut tx, 9).await.expect("restarted");
    let found = state::state(&mut tx).await.expect("read");
    assert_eq!((found.rules, found.indexed_upto.0, found.has_changes), (9, 0, false));
}

#[rstest]
#[tokio::test]
async fn pages_are_found_by_what_their_terms_may_be(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let words = ["meow", "mew", "Zoë", "東京都", "мяу", "🐈", "a_b", "É", "\u{10ffff}"];
    let mut batch = IndexBatch::default();
    for id in 1..=900 {
        let word = words[usize::try_from(id).expect("small") % words.len()];
        batch.add(&message(id, &format!("{word} w{id}")));
    }
    let (pages, zones) = batch.finish();
    assert!(pages.len() > 5, "{}", pages.len());
    let mut tx = store.tx().await;
    segments::write(&mut tx, 1, &pages).await.expect("written");
    segments::write(&mut tx, 2, &pages[..1]).await.expect("written");
    let segment = IndexSegment { id: 1, age: 1, newest_id: MessageId(900), bytes: 9, made_at: NOW };
    segments::insert(&mut tx, &segment, &zones).await.expect("inserted");
    assert_eq!(segments::pages(&mut tx, 1).await.expect("read"), pages);
    assert_eq!(segments::current(&mut tx).await.expect("read"), [segment]);
    assert_eq!(segments::zones(&mut tx, &[1]).await.expect("read"), [(1, zones)]);
    assert_eq!(segments::unfinished(&mut tx).await.expect("read"), [2]);
    let lookup = |text: &str| TermLookup::Exact(text.to_owned());
    for (lookup, expected) in [
        (lookup("meow"), 100),
        (lookup("me"), 0),
        (TermLookup::Prefix("me".to_owned()), 200),
        (lookup("zoe"), 100),
        (lookup("東京"), 100),
        (TermLookup::Prefix("都".to_owned()), 100),
        (TermLookup::Prefix("w".to_owned()), 900),
        (lookup("w77"), 1),
        (lookup("🐈"), 100),
        (lookup("zzz"), 0),
        (TermLookup::sender(UserId(7)), 900),
        (TermLookup::sender(UserId(70)), 0),
        (TermLookup::all_senders(), 900),
    ] {
        let read = lookups::pages(&mut tx, &[1], &lookup).await.expect("read");
        let mut found = Vec::new();
        for (segment, data) in &read {
            assert_eq!(*segment, 1);
            find(data, &lookup, Allowed::Chats(&[ChatId(1)]), &mut found);
        }
        let found: BTreeSet<_> = found.into_iter().collect();
        assert_eq!(found.len(), expected, "{lookup:?}");
        assert!(read.len() < 3 || matches!(lookup, TermLookup::Prefix(_)), "{lookup:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_retired_segment_is_deleted_in_steps(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let mut batch = IndexBatch::default();
    (1..=900).for_each(|id| batch.add(&message(id, &format!("w{id}"))));
    let (pages, _) = batch.finish();
    let count = i64::try_from(pages.len()).expect("small");
    let mut tx = store.tx().await;
    for id in [1, 2] {
        segments::write(&mut tx, id, &pages).await.expect("written");
        let segment = IndexSegment { id, age: id, newest_id: MessageId(9), bytes: 9, made_at: NOW };
        segments::insert(&mut tx, &segment, &Zones::default()).await.expect("inserted");
    }
    assert_eq!(segments::retire(&mut tx, Some(&[1, 5]), NOW).await.expect("retired"), 1);
    assert_eq!(segments::retire(&mut tx, None, NOW).await.expect("retired"), 1);
    let later = NOW.plus(Duration::from_secs(1));
    assert_eq!(segments::retired(&mut tx, NOW).await.expect("read"), [0; 0]);
    assert_eq!(segments::retired(&mut tx, later).await.expect("read").len(), 2);
    assert_eq!(segments::delete(&mut tx, 1, 2).await.expect("deleted"), 2);
    assert_eq!(segments::retired(&mut tx, later).await.expect("read").len(), 2);
    let left = segments::delete(&mut tx, 1, count).await.expect("deleted");
    assert_eq!(left.cast_signed(), count - 2);
    assert_eq!(segments::retired(&mut tx, later).await.expect("read"), [2]);
    assert_eq!(segments::pages(&mut tx, 2).await.expect("read").len(), pages.len());
}

#[rstest]
#[tokio::test]
async fn messages_are_fed_in_order_and_edited_ones_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let tom = store.user("tom").await;
    let chat = store.group(tom, &[]).await;
    let mut ids = Vec::new();
    for content in ["one", "two", "three"] {
        ids.push(store.say(chat, tom, content).await);
    }
    let mut gaps = Gaps::after(MessageId(0));
    let (fed, horizon) = feed::next(&store.db, &gaps, 2, 1_000).await.expect("fed");
    let texts: Vec<_> = fed.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert_eq!((fed[0].id, fed[0].chat, fed[0].sender), (ids[0], chat, tom));
    gaps.found(&ids[..2], horizon);
    let (fed, _) = feed::next(&store.db, &gaps, 2, 1_000).await.expect("fed");
    assert_eq!(fed.iter().map(|message| message.id).collect::<Vec<_>>(), ids[2..]);
    // No more than so many bytes, but always one.
    let (fed, _) = feed::next(&store.db, &Gaps::after(MessageId(0)), 9, 1).await.expect("fed");
    assert_eq!(fed.len(), 1);

    let mut tx = store.tx().await;
    for sql in [
        "update messages set content = 'uno' where content = 'one'",
        "update messages set content = 'two', edited_at = timestamp where content = 'two'",
        "update messages set content = '', deleted_at = timestamp where content = 'three'",
    ] {
        tx.query(sql).execute().await.expect("changed");
    }
    let (changes, fed) = feed::changed(&mut tx, 9).await.expect("fed");
    let texts: Vec<_> = fed.iter().map(|message| message.content.as_str()).collect();
    assert_eq!((changes.len(), texts), (1, vec!["uno"]));
    feed::forget(&mut tx, &changes).await.expect("forgotten");
    assert_eq!(feed::changed(&mut tx, 9).await.expect("fed"), (vec![], vec![]));
    let living = feed::living(&mut tx, &ids).await.expect("read");
    assert_eq!(living.into_iter().collect::<BTreeSet<_>>(), ids[..2].iter().copied().collect());
    assert_eq!(lookups::chats(&mut tx, tom, None).await.expect("read"), [chat]);
    assert_eq!(lookups::chats(&mut tx, tom, Some(ChatId(99))).await.expect("read"), []);
}
