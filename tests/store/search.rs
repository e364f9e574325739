//! The search index of users' and groups' names.

use meowsenger::domain::chat::{ChatFilter, ChatType};
use meowsenger::domain::ids::UserId;
use meowsenger::domain::numbering::Seq;
use meowsenger::domain::role::Role;
use meowsenger::domain::search::{IndexEntry, Query};
use meowsenger::store::search::{Among, IndexRow, Start};
use meowsenger::store::{chat_lists, chats, members, search};
use rstest::rstest;

use crate::support::{Backend, NOW, Store};

async fn run(store: &Store, sql: &'static str) {
    let mut tx = store.tx().await;
    tx.query(sql).execute().await.expect("run");
    tx.commit().await.expect("committed");
}

#[rstest]
#[tokio::test]
async fn a_range_is_walked_in_its_order_both_ways(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let mut ids = Vec::new();
    for name in ["ivanov", "ivan", "anna", "иван", "ivana", "ivan_"] {
        ids.push(store.user(name).await);
    }
    run(&store, "update users set is_active = false where username = 'ivana'").await;
    let range = Query::parse("ivan").word_range(0);
    let row = |piece: &str, at: usize, names: &str| IndexRow {
        piece: piece.into(),
        user: ids[at],
        names: names.into(),
    };
    // The names of those who are not active are left out.
    let all = [
        row("=ivan", 1, "ivan"),
        row("=ivan", 5, "ivan_"),
        row("=ivana", 4, ""),
        row("=ivanov", 0, "ivanov"),
    ];
    let walk = async |start: Start, limit: i64| {
        search::walk(&store.db, Among::Active, &range, &start, limit).await.unwrap()
    };
    assert_eq!(walk(Start::After("=ivan".into(), UserId(0)), 9).await, all);
    assert_eq!(walk(Start::After("=ivan".into(), ids[1]), 2).await, all[1..3]);
    let mut backwards = walk(Start::Before(range.end.clone(), UserId(0)), 9).await;
    backwards.reverse();
    assert_eq!(backwards, all);
    assert_eq!(walk(Start::Before("=ivana".into(), ids[4]), 1).await, all[1..2]);
    let range = Query::parse("%").word_range(0);
    let start = Start::After(range.start.clone(), UserId(0));
    assert_eq!(search::walk(&store.db, Among::Active, &range, &start, 9).await.unwrap(), []);

    let named = search::by_username(&store.db, Among::Active, "ivan_").await.unwrap();
    assert_eq!(named, Some((ids[5], "ivan_".into())));
    assert_eq!(search::by_username(&store.db, Among::Active, "ivana").await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn pieces_are_looked_up_and_counted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let ids = [store.user("ivan").await, store.user("anna").await, store.user("ivan2").await];
    let pieces = vec!["~ivn".to_owned(), "=anna".to_owned(), "=nobody".to_owned()];
    let having = async |limit: i64| {
        let mut found =
            search::having(&store.db, Among::Active, pieces.clone(), limit).await.unwrap();
        found.sort();
        found.iter().map(|row| row.user).collect::<Vec<_>>()
    };
    assert_eq!(having(9).await, [ids[1], ids[0]]);
    assert!(having(0).await.is_empty());
    let query = Query::parse("iv n");
    let sets = [(query.word_range(0), pieces.clone()), (query.word_range(1), Vec::new())];
    assert_eq!(search::counts(&store.db, &sets, 9).await.unwrap(), [(2, 2), (0, 0)]);
    assert_eq!(search::counts(&store.db, &sets, 1).await.unwrap(), [(1, 1), (0, 0)]);
}

#[rstest]
#[tokio::test]
async fn users_indexed_by_earlier_rules_are_indexed_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let ids = [store.user("ivan").await, store.user("anna").await];
    let chat = store.group(ids[0], &[]).await;
    let mut tx = store.tx().await;
    assert!(search::outdated_users(&mut tx, 9).await.unwrap().is_empty());
    assert!(search::outdated_groups(&mut tx, 9).await.unwrap().is_empty());
    drop(tx);
    run(&store, "update users set search_text = 'old', search_rules = 0").await;
    run(&store, "update chats set search_text = ''").await;

    let mut tx = store.tx().await;
    assert_eq!(search::outdated_users(&mut tx, 1).await.unwrap().len(), 1);
    for user in search::outdated_users(&mut tx, 9).await.unwrap() {
        let entry = IndexEntry::of(&user.username, &user.first_name, &user.last_name);
        search::index(&mut tx, user.id, &entry).await.expect("indexed");
    }
    let groups = search::outdated_groups(&mut tx, 9).await.unwrap();
    assert_eq!(groups, [(chat, "Kitchen".to_owned())]);
    search::index_group(&mut tx, chat, "Kitchen").await.expect("indexed");
    assert!(search::outdated_users(&mut tx, 9).await.unwrap().is_empty());
    assert!(search::outdated_groups(&mut tx, 9).await.unwrap().is_empty());
    // Nothing is left of the entry before.
    search::index(&mut tx, ids[0], &IndexEntry::of("olga", "", "")).await.expect("indexed");
    tx.commit().await.expect("committed");
    let pieces = vec!["@ivan".to_owned(), "@anna".to_owned(), "@olga".to_owned()];
    let found = search::having(&store.db, Among::Active, pieces, 9).await.unwrap();
    let found: Vec<_> = found.iter().map(|row| (row.user, row.names.as_str())).collect();
    assert_eq!(found, [(ids[1], "anna"), (ids[0], "olga")]);
}

#[rstest]
#[tokio::test]
async fn chat_lists_are_filtered(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(store) = Store::new(backend).await else { return };
    let (me, ivan) = (store.user("me").await, store.user("ivan").await);
    let (quiet, loud) = (store.group(me, &[]).await, store.group(me, &[ivan]).await);
    store.say(loud, ivan, "meow").await;
    let mut tx = store.tx().await;
    let private = chats::insert_private(&mut tx, me, ivan, NOW).await.unwrap().expect("made");
    members::insert(&mut tx, private, &[me, ivan], Role::Member, Seq(0), NOW)
        .await
        .expect("members");
    tx.commit().await.expect("committed");

    let list = async |user: UserId, filter: ChatFilter| {
        let found = chat_lists::after(&store.db, user, None, (&filter, NOW), 9).await.unwrap();
        let mut ids: Vec<_> = found.into_iter().map(|row| row.chat.id).collect();
        ids.sort_unstable();
        ids
    };
    let all = ChatFilter::default();
    let search = |text: &str| ChatFilter { search: Some(text.to_owned()), ..all.clone() };
    assert_eq!(list(me, all.clone()).await, [quiet, loud, private]);
    let groups = ChatFilter { kind: Some(ChatType::Group), ..all.clone() };
    assert_eq!(list(me, groups.clone()).await, [quiet, loud]);
    assert_eq!(list(me, ChatFilter { unread: Some(true), ..all.clone() }).await, [loud]);
    let read = ChatFilter { unread: Some(false), ..groups };
    assert_eq!(list(me, read).await, [quiet]);
    assert_eq!(list(me, search("tchen")).await, [quiet, loud]);
    assert_eq!(list(me, search("vA")).await, []);
    assert_eq!(list(me, search("va")).await, [private]);
    assert_eq!(list(ivan, search("me")).await, [private]);
    assert_eq!(list(ivan, search("ivan")).await, []);
}
