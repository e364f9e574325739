//! The account's version: what takes one, and what is found by it. On PostgreSQL also that moving read markers
//! waits for nobody.

use std::time::Duration;

use meowsenger::domain::account_version::ChatState;
use meowsenger::domain::chat_settings::ChatSettings;
use meowsenger::domain::ids::{ChatId, UserId};
use meowsenger::domain::numbering::{AccountVersion, Seq, Version};
use meowsenger::domain::receipt::Markers;
use meowsenger::domain::role::Role;
use meowsenger::store::{
    Target, account_version, chat_settings, markers, members, messages, users,
};
use meowsenger_testing::eventually;
use rstest::rstest;
use tokio::time::timeout;

use crate::support::{Backend, NOW, Store};

async fn version(store: &Store, user: UserId) -> i64 {
    account_version::position(&store.db, user).await.expect("read").account_version.0
}

fn read(chat: ChatId, user: UserId, seq: i64) -> (ChatId, UserId, Markers) {
    (chat, user, Markers { delivered_seq: Seq(seq), read_seq: Seq(seq) })
}

/// Moves markers and commits; the account versions that this took.
async fn advance(store: &Store, wanted: &[(ChatId, UserId, Markers)]) -> Vec<Option<i64>> {
    let mut tx = store.tx().await;
    let mut moved = markers::advance(&mut tx, wanted).await.expect("advanced");
    tx.commit().await.expect("committed");
    moved.sort_by_key(|one| (one.to.chat, one.to.user));
    moved.iter().map(|one| one.account.map(|version| version.0)).collect()
}

#[rstest]
#[tokio::test]
async fn a_read_marker_takes_one_version_and_sending_and_delivery_take_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (one, two) = (store.group(a, &[b]).await, store.group(a, &[b]).await);
    for chat in [one, one, one, two] {
        store.say(chat, a, "meow").await;
    }
    assert_eq!((version(&store, a).await, version(&store, b).await), (0, 0), "sending");
    let delivered = Markers { delivered_seq: Seq(2), read_seq: Seq(0) };
    assert_eq!(advance(&store, &[(one, b, delivered)]).await, [None]);
    assert_eq!(version(&store, b).await, 0, "delivery");

    // Two chats and two users in one batch: one version a user. What does not move takes none.
    let batch = [read(one, b, 1), read(two, b, 9), read(one, a, 3)];
    assert_eq!(advance(&store, &batch).await, [Some(1), Some(1)]);
    assert_eq!((version(&store, a).await, version(&store, b).await), (0, 1));
    assert_eq!(advance(&store, &batch).await, []);
    assert_eq!(version(&store, b).await, 1, "nothing moved");
    assert_eq!(advance(&store, &[read(one, b, 2), (two, b, delivered)]).await, [Some(2)]);

    let since = async |after: i64, limit| {
        let after = AccountVersion(after);
        account_version::chats_since(&store.db, b, after, limit).await.expect("read")
    };
    let state = |chat, version, last_read_seq, unread_count| {
        let account_version = AccountVersion(version);
        let last_delivered_seq = Seq(if chat == one { 2 } else { 1 });
        let last_read_seq = Seq(last_read_seq);
        ChatState {
            chat,
            changed: account_version,
            account_version,
            settings_version: AccountVersion(0),
            last_delivered_seq,
            last_read_seq,
            unread_count,
            unread_mentions: 0,
            settings: ChatSettings::default(),
        }
    };
    assert_eq!(since(0, 9).await, [state(two, 1, 1, 0), state(one, 2, 2, 1)]);
    assert_eq!(since(1, 9).await, [state(one, 2, 2, 1)]);
    assert_eq!(since(0, 1).await, [state(two, 1, 1, 0)]);
    assert!(since(2, 9).await.is_empty());

    // The count is of now: with a new message, and without a deleted one.
    store.say(two, a, "meow").await;
    let third = store.messages(one, a).await[2].id;
    let mut tx = store.tx().await;
    messages::bury(&mut tx, third, Version(5), NOW).await.expect("buried");
    tx.commit().await.expect("committed");
    assert_eq!(since(0, 9).await, [state(two, 1, 1, 1), state(one, 2, 2, 0)]);

    // Who leaves and comes back starts anew.
    let mut tx = store.tx().await;
    members::remove(&mut tx, one, &[b]).await.expect("removed");
    tx.commit().await.expect("committed");
    assert_eq!(since(0, 9).await, [state(two, 1, 1, 1)]);
}

#[rstest]
#[tokio::test]
async fn a_change_of_the_profile_takes_a_version(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let mut tx = store.tx().await;
    let mut user = users::by_id(&mut tx, a).await.expect("read").expect("there");
    user.status_text = "asleep".to_owned();
    assert_eq!(users::update(&mut tx, &user).await.expect("updated"), AccountVersion(1));
    tx.commit().await.expect("committed");
    let at = account_version::position(&store.db, a).await.expect("read");
    assert_eq!((at.account_version.0, at.profile_version.0), (1, 1));
    let user = users::by_id(&store.db, a).await.expect("read").expect("there");
    assert_eq!(user.account_version, AccountVersion(1));

    let chat = store.group(b, &[a]).await;
    store.say(chat, b, "meow").await;
    assert_eq!(advance(&store, &[read(chat, a, 1)]).await, [Some(2)]);
    let mut tx = store.tx().await;
    users::end(&mut tx, a, "deleted_1", NOW).await.expect("ended");
    tx.commit().await.expect("committed");
    let at = account_version::position(&store.db, a).await.expect("read");
    assert_eq!((at.account_version.0, at.profile_version.0), (3, 3));
    assert_eq!(version(&store, b).await, 0, "of that user alone");
}

#[rstest]
#[tokio::test]
async fn settings_take_a_version_and_end_with_the_membership(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (one, two) = (store.group(a, &[b]).await, store.group(a, &[b]).await);
    let set = async |chat, settings| {
        let mut tx = store.tx().await;
        let version = account_version::next(&mut tx, b).await.expect("taken");
        let written = chat_settings::update(&mut tx, chat, b, settings, version).await;
        tx.commit().await.expect("committed");
        assert!(written.expect("written"));
        version.0
    };
    let muted = ChatSettings { muted_until: Some(NOW), pinned: true, archived: true };
    assert_eq!((set(one, muted).await, set(two, ChatSettings::default()).await), (1, 2));
    store.say(one, a, "meow").await;
    assert_eq!(advance(&store, &[read(one, b, 1)]).await, [Some(3)]);
    let since = async |after: i64| {
        let found = account_version::chats_since(&store.db, b, AccountVersion(after), 9).await;
        let found = found.expect("read").into_iter();
        found.map(|one| (one.chat, one.changed.0, one.settings)).collect::<Vec<_>>()
    };
    // The first change that is missing, with the latest state.
    let none = ChatSettings::default();
    assert_eq!(since(0).await, [(one, 1, muted), (two, 2, none)]);
    assert_eq!(since(1).await, [(two, 2, none), (one, 3, muted)]);
    assert_eq!(since(2).await, [(one, 3, muted)]);
    assert_eq!(set(one, none).await, 4);
    assert_eq!(since(2).await, [(one, 3, none)]);
    assert_eq!(since(3).await, [(one, 4, none)]);
    assert_eq!(chat_settings::of(&store.db, one, a).await.expect("read"), Some(none), "a's own");

    set(one, muted).await;
    let mut tx = store.tx().await;
    members::remove(&mut tx, one, &[b]).await.expect("removed");
    assert_eq!(chat_settings::of(&mut tx, one, b).await.expect("read"), None);
    let gone = chat_settings::update(&mut tx, one, b, muted, AccountVersion(6)).await;
    assert!(!gone.expect("nothing written"));
    members::insert(&mut tx, one, &[b], Role::Member, Seq(1), NOW).await.expect("inserted");
    assert_eq!(chat_settings::of(&mut tx, one, b).await.expect("read"), Some(none));
}

/// A request that adds people to a group locks their rows and waits for the chat's; a committer locks that one and
/// waits for its senders' rows as members. If moving markers waited too, these three could deadlock.
#[tokio::test]
async fn markers_wait_for_nobody_on_postgres() {
    let Some(store) = Store::new(Backend::Postgres).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let chat = store.group(a, &[b]).await;
    store.say(chat, a, "meow").await;
    for held in [
        "select id from users where id = $1 for share",
        "select user_id from members where user_id = $1 for no key update",
    ] {
        let mut holder = store.tx().await;
        let _: Vec<(i64,)> =
            Target::from(&mut holder).query(held).bind(b).all().await.expect("held");
        let moved = timeout(Duration::from_secs(5), advance(&store, &[read(chat, b, 1)])).await;
        let moved = moved.expect("without waiting");
        assert!(moved.iter().all(Option::is_none), "at most the delivery marker: {held}");
        assert_eq!(version(&store, b).await, 0, "{held}");
        drop(holder);
    }
    // The rollback of the holder is not waited for either.
    let look =
        async || Some(advance(&store, &[read(chat, b, 1)]).await).filter(|moved| !moved.is_empty());
    let moved = eventually(Duration::from_secs(5), "the lock is released", look).await;
    assert_eq!(moved, [Some(1)]);
}
