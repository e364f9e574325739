//! The index of names: of users, and of groups.

use meowsenger::domain::chat::{ChatFilter, ChatType};
use meowsenger::domain::ids::UserId;
use meowsenger::domain::numbering::Seq;
use meowsenger::domain::role::Role;
use meowsenger::store::{Target, chat_lists, chats, members, search, users};
use rstest::rstest;

use crate::support::{Backend, NOW, Store};

async fn run(store: &Store, sql: &'static str) {
    let mut tx = store.tx().await;
    Target::from(&mut tx).query(sql).execute().await.expect("run");
    tx.commit().await.expect("committed");
}

#[rstest]
#[tokio::test]
async fn candidates_are_found_by_their_pieces(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let mut ids = Vec::new();
    for name in ["ivanov", "ivan", "anna", "иван", "ivana"] {
        ids.push(store.user(name).await);
    }
    run(&store, "update users set is_active = false where username = 'ivana'").await;
    let beginning = async |text: &str, limit: i64| {
        let mut found = search::beginning(&store.db, text, limit).await.unwrap();
        found.sort();
        found
    };
    // Who is not active is left out, but counts.
    let expected = [(ids[0], "ivanov".into()), (ids[1], "ivan".into())];
    assert_eq!(beginning("=ivan", 9).await, expected);
    assert_eq!(beginning("=ivan", 2).await, expected[1..]);
    assert_eq!(search::beginning(&store.db, "=и", 9).await.unwrap()[0].0, ids[3]);
    assert_eq!(search::beginning(&store.db, "=%", 9).await.unwrap(), []);

    let pieces = vec!["~ivn".to_owned(), "=anna".to_owned(), "=nobody".to_owned()];
    let mut found = search::having(&store.db, pieces.clone(), 9).await.unwrap();
    found.sort();
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids[1], ids[2]]);
    assert_eq!(search::having(&store.db, pieces, 1).await.unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn who_is_renamed_is_found_by_the_new_name_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let id = store.user("ivan").await;
    let mut user = users::by_id(&store.db, id).await.unwrap().expect("there");
    user.username = "anna".to_owned();
    user.last_name = "Petrova".to_owned();
    let mut tx = store.tx().await;
    users::update(&mut tx, &user).await.expect("updated");
    tx.commit().await.expect("committed");
    assert_eq!(search::beginning(&store.db, "=ivan", 9).await.unwrap(), []);
    let found = search::beginning(&store.db, "=petr", 9).await.unwrap();
    assert_eq!(found, [(id, "anna\npetrova".to_owned())]);
}

#[rstest]
#[tokio::test]
async fn what_was_there_before_the_rules_is_indexed_anew(
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
        let (first, last) = (&user.first_name, &user.last_name);
        search::index(&mut tx, user.id, &user.username, first, last).await.expect("indexed");
    }
    let groups = search::outdated_groups(&mut tx, 9).await.unwrap();
    assert_eq!(groups, [(chat, "Kitchen".to_owned())]);
    search::index_group(&mut tx, chat, "Kitchen").await.expect("indexed");
    assert!(search::outdated_users(&mut tx, 9).await.unwrap().is_empty());
    assert!(search::outdated_groups(&mut tx, 9).await.unwrap().is_empty());
    tx.commit().await.expect("committed");
    let mut found = search::beginning(&store.db, "@", 9).await.unwrap();
    found.sort();
    assert_eq!(found, [(ids[0], "ivan".into()), (ids[1], "anna".into())]);
}

#[rstest]
#[tokio::test]
async fn ones_chats_are_filtered(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(store) = Store::new(backend).await else { return };
    let (me, ivan) = (store.user("me").await, store.user("ivan").await);
    let (quiet, loud) = (store.group(me, &[]).await.0, store.group(me, &[ivan]).await);
    store.say(loud, ivan, "meow").await;
    let mut tx = store.tx().await;
    let private = chats::insert_private(&mut tx, me, ivan, NOW).await.unwrap().expect("made");
    let both = vec![me.0, ivan.0];
    members::insert(&mut tx, private, both, Role::Member, Seq(0), NOW).await.expect("members");
    tx.commit().await.expect("committed");
    let (loud, private) = (loud.0, private.0);

    let list = async |user: UserId, filter: ChatFilter| {
        let mut ids = chat_lists::ids_after(&store.db, user, None, &filter, 9).await.unwrap();
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
    assert_eq!(list(me, search("vA")).await, [0; 0]);
    assert_eq!(list(me, search("va")).await, [private]);
    assert_eq!(list(ivan, search("me")).await, [private]);
    assert_eq!(list(ivan, search("ivan")).await, [0; 0]);
}
