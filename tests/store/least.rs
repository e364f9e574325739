//! The least markers of a large chat, which the store caches together with their members.

use meowsenger::domain::ids::{ChatId, UserId};
use meowsenger::domain::numbering::Seq;
use meowsenger::domain::receipt::Markers;
use meowsenger::domain::role::Role;
use meowsenger::store::least::{Laggards, least_markers};
use meowsenger::store::{markers, members};
use rstest::rstest;

use crate::support::{Backend, NOW, Store};

/// More members than the store reads each time.
const CROWD: usize = 100;

async fn group(store: &Store) -> (ChatId, Vec<UserId>) {
    let mut users = Vec::new();
    for n in 0..CROWD {
        users.push(store.user(&format!("user{n}")).await);
    }
    let chat = store.group(users[0], &users[1..]).await;
    for _ in 0..9 {
        store.say(chat, users[0], "meow").await;
    }
    (chat, users)
}

async fn mark(store: &Store, chat: ChatId, user: UserId, delivered_seq: i64, read_seq: i64) {
    let mut tx = store.tx().await;
    let wanted =
        [(chat, user, Markers { delivered_seq: Seq(delivered_seq), read_seq: Seq(read_seq) })];
    markers::advance(&mut tx, &wanted).await.expect("advanced");
    tx.commit().await.expect("committed");
}

async fn run(store: &Store, sql: &'static str) {
    let mut tx = store.tx().await;
    tx.query(sql).execute().await.expect("run");
    tx.commit().await.expect("committed");
}

#[rstest]
#[tokio::test]
async fn the_least_markers_are_right_whoever_moves_leaves_or_joins(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (chat, users) = group(&store).await;
    let (laggards, fresh) = (Laggards::default(), Laggards::default);
    let check = async |expected: (i64, i64)| {
        for hints in [&laggards, &fresh()] {
            let least = least_markers(&store.db, hints, &[chat]).await.unwrap()[&chat];
            assert_eq!((least.read_seq.0, least.delivered_seq.0), expected);
        }
    };
    check((0, 0)).await;
    // The slowest reader is not the slowest receiver.
    for user in &users[1..] {
        let (delivered, read) = if *user == users[40] { (1, 1) } else { (5, 0) };
        mark(&store, chat, *user, delivered, read).await;
    }
    check((0, 1)).await;
    for user in &users {
        mark(&store, chat, *user, 4, if *user == users[70] { 2 } else { 4 }).await;
    }
    check((2, 4)).await;
    // The result of a transaction that does not commit is not cached.
    let mut tx = store.tx().await;
    members::remove(&mut tx, chat, &[users[70]]).await.expect("removed");
    let least = least_markers(&mut tx, &laggards, &[chat]).await.unwrap()[&chat];
    assert_eq!(least.read_seq, Seq(4));
    drop(tx);
    check((2, 4)).await;
    let mut tx = store.tx().await;
    members::remove(&mut tx, chat, &[users[70]]).await.expect("removed");
    members::insert(&mut tx, chat, &[users[70]], Role::Member, Seq(9), NOW).await.expect("again");
    tx.commit().await.expect("committed");
    check((4, 4)).await;
    let mut tx = store.tx().await;
    members::remove(&mut tx, chat, &users[1..]).await.expect("removed");
    tx.commit().await.expect("committed");
    run(&store, "update chats set members_count = 1").await;
    let least = least_markers(&store.db, &laggards, &[chat]).await.unwrap()[&chat];
    assert_eq!((least.members, least.first_member, least.read_seq.0), (1, users[0], 9));
}

#[rstest]
#[tokio::test]
async fn the_members_of_a_large_chat_are_not_read_each_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (chat, users) = group(&store).await;
    let laggards = Laggards::default();
    let least = async || least_markers(&store.db, &laggards, &[chat]).await.unwrap()[&chat];
    for user in &users {
        mark(&store, chat, *user, 5, if *user == users[70] { 2 } else { 5 }).await;
    }
    assert_eq!(least().await.read_seq, Seq(2));
    // Markers never move back, so this is noticed only if all members are read.
    run(&store, "update members set last_read_seq = 0 where user_id <= 3").await;
    assert_eq!(least().await.read_seq, Seq(2));
    mark(&store, chat, users[70], 5, 3).await;
    assert_eq!(least().await.read_seq, Seq(0));
}
