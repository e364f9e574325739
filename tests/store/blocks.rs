//! Blocks: which users block which others, and the copies that sends read.

use meowsenger::domain::blocks::BlockState;
use meowsenger::domain::ids::UserId;
use meowsenger::domain::numbering::AccountVersion;
use meowsenger::domain::page::PageRequest;
use meowsenger::store::{blocks, members, users};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

async fn set(store: &Store, user: UserId, target: UserId, active: bool, version: i64) {
    let block = BlockState { target, active, account_version: AccountVersion(version) };
    let mut tx = store.tx().await;
    blocks::set(&mut tx, user, block, NOW).await.expect("set");
    tx.commit().await.expect("committed");
}

#[rstest]
#[tokio::test]
async fn a_block_is_copied_to_the_two_users_and_their_private_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    let (chat, other) = (store.private(a, b).await, store.private(b, c).await);
    let is_blocked = async |chat, user| {
        let member = members::membership(&store.db, chat, user).await.expect("read");
        let is_blocked = blocks::is_blocked(&store.db, chat).await.expect("read");
        assert_eq!(member.expect("a member").blocked, is_blocked);
        is_blocked
    };
    set(&store, b, a, true, 1).await;
    set(&store, a, b, true, 1).await;
    set(&store, a, c, true, 2).await;
    set(&store, b, a, false, 2).await;
    assert!(is_blocked(chat, a).await && is_blocked(chat, b).await, "a blocks b");
    assert!(!is_blocked(other, b).await);
    let in_blocks =
        async |user| users::by_id(&store.db, user).await.expect("read").expect("there").in_blocks;
    assert!(in_blocks(a).await && in_blocks(b).await && in_blocks(c).await);

    assert_eq!(blocks::state(&store.db, b, a).await.expect("read"), Some(false));
    assert_eq!(blocks::state(&store.db, c, a).await.expect("read"), None);
    assert_eq!(blocks::count(&store.db, a, 1).await.expect("counted"), 1);
    assert_eq!(blocks::blockers(&store.db, c).await.expect("read"), [a]);
    assert_eq!(blocks::blockers_among(&store.db, c, &[b, c]).await.expect("read"), []);
    assert_eq!(blocks::between(&store.db, c, &[a, b]).await.expect("read"), [a]);
    assert_eq!(blocks::between(&store.db, a, &[c]).await.expect("read"), [c]);
    let any = async |user| blocks::any_by(&store.db, user).await.expect("read");
    assert_eq!((any(a).await, any(b).await), (true, false));
    let page = blocks::page(&store.db, a, &PageRequest::First, 9).await.expect("read");
    assert_eq!(page.iter().map(|one| one.user.id).collect::<Vec<_>>(), [c, b]);
    let before = PageRequest::Before(AccountVersion(1));
    let page = blocks::page(&store.db, a, &before, 9).await.expect("read");
    assert_eq!(page.iter().map(|one| one.user.id).collect::<Vec<_>>(), [c]);
    let since = blocks::since(&store.db, a, AccountVersion(1), 9).await.expect("read");
    assert_eq!(since.iter().map(|one| one.target).collect::<Vec<_>>(), [c]);
    let changed = blocks::changed_since(&store.db, NOW).await.expect("read");
    assert_eq!(changed.len(), 3);
    assert_eq!(blocks::changed_since(&store.db, later(1)).await.expect("read"), []);

    set(&store, b, a, true, 3).await;
    let mut tx = store.tx().await;
    blocks::forget(&mut tx, a).await.expect("forgotten");
    tx.commit().await.expect("committed");
    assert!(is_blocked(chat, a).await, "b blocks a");
    set(&store, b, a, false, 4).await;
    assert!(!is_blocked(chat, a).await);
}
