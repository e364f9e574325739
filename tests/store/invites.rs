//! Invites and reports: what is listed, counted and removed.

use meowsenger::domain::page::PageRequest;
use meowsenger::domain::reports::{MessageCopy, Reason, ReportFilter, ReportStatus};
use meowsenger::store::invites::InviteRow;
use meowsenger::store::reports::ReportRow;
use meowsenger::store::{chats, invites, reports};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

#[rstest]
#[tokio::test]
async fn invites_end_by_time_by_hand_and_with_the_group(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let a = store.user("a").await;
    let (chat, other) = (store.group(a, &[]).await, store.group(a, &[]).await);
    let mut tx = store.tx().await;
    for (code, chat, lifetime) in [("one", chat, 1), ("two", chat, 9), ("three", other, 9)] {
        let expires_at = later(lifetime);
        let max_uses = Some(3).filter(|_| code == "two");
        let row = InviteRow { code, chat, created_by: a, expires_at, max_uses };
        invites::insert(&mut tx, &row, NOW).await.expect("inserted");
    }
    invites::count_use(&mut tx, "two").await.expect("counted");
    let two = invites::by_code(&mut tx, "two").await.expect("read").expect("there");
    assert_eq!((two.chat, two.uses, two.max_uses, two.created_by.id), (chat, 1, Some(3), a));
    assert_eq!((two.created_at, two.expires_at), (NOW, later(9)));
    let codes = |page: Vec<meowsenger::domain::invites::Invite>| {
        page.into_iter().map(|one| one.code).collect::<Vec<_>>()
    };
    let page = invites::page(&mut tx, chat, &PageRequest::First, 9, NOW).await.expect("read");
    assert_eq!(codes(page), ["two", "one"]);
    let before = PageRequest::Before(0);
    let page = invites::page(&mut tx, chat, &before, 9, later(1)).await.expect("read");
    assert_eq!(codes(page), ["two"]);
    assert_eq!(invites::count(&mut tx, chat, NOW).await.expect("counted"), 2);
    assert_eq!(invites::count(&mut tx, chat, later(1)).await.expect("counted"), 1);

    assert!(!invites::remove(&mut tx, chat, "three").await.expect("another group's"));
    assert!(invites::remove(&mut tx, other, "three").await.expect("removed"));
    invites::forget(&mut tx, later(2)).await.expect("forgotten");
    assert!(invites::by_code(&mut tx, "one").await.expect("read").is_none());
    chats::end(&mut tx, chat, NOW).await.expect("ended");
    assert!(invites::by_code(&mut tx, "two").await.expect("read").is_none());
}

#[rstest]
#[tokio::test]
async fn reports_are_listed_by_status_and_handled_ones_are_removed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let chat = store.group(b, &[a]).await;
    let message = store.say(chat, b, "hiss").await;
    let copy = MessageCopy::of(&store.messages(chat, a).await[0]);
    let mut tx = store.tx().await;
    let mut ids = Vec::new();
    for message in [Some((message, copy.clone())), None] {
        let row = ReportRow { reporter: a, user: b, message, reason: Reason::Abuse, text: "again" };
        ids.push(reports::insert(&mut tx, &row, NOW).await.expect("inserted"));
    }
    let mut first = reports::lock(&mut tx, ids[0]).await.expect("read").expect("there");
    assert_eq!((first.copy.clone(), first.message), (Some(copy), Some(message)));
    assert_eq!((first.reporter.id, first.user.id, first.reason), (a, b, Reason::Abuse));
    (first.status, first.note) = (ReportStatus::Dismissed, "no".to_owned());
    (first.handled_by, first.handled_at) = (Some(b), Some(NOW));
    reports::update(&mut tx, &first).await.expect("updated");
    let first = reports::by_id(&mut tx, ids[0]).await.expect("read").expect("there");
    assert_eq!(
        (first.note.as_str(), first.handled_by, first.handled_at),
        ("no", Some(b), Some(NOW))
    );
    for (status, request, expected) in [
        (None, PageRequest::First, vec![ids[1], ids[0]]),
        (None, PageRequest::Before(ids[0]), vec![ids[1]]),
        (Some(ReportStatus::Open), PageRequest::First, vec![ids[1]]),
        (Some(ReportStatus::Dismissed), PageRequest::Before(0), vec![ids[0]]),
        (Some(ReportStatus::Dismissed), PageRequest::After(ids[0]), vec![]),
    ] {
        let filter = ReportFilter { status, ..ReportFilter::default() };
        let page = reports::page(&mut tx, filter, &request, 9).await.expect("read");
        assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), expected);
    }
    for (request, expected) in [
        (PageRequest::First, &ids[..]),
        (PageRequest::After(ids[0]), &ids[1..]),
        (PageRequest::Before(ids[1]), &ids[..1]),
    ] {
        let filter = ReportFilter { oldest_first: true, ..ReportFilter::default() };
        let page = reports::page(&mut tx, filter, &request, 9).await.expect("read");
        assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), expected);
    }
    assert_eq!(reports::purge(&mut tx, NOW, 9).await.expect("purged"), 0);
    assert_eq!(reports::purge(&mut tx, later(1), 9).await.expect("purged"), 1);
    assert!(reports::by_id(&mut tx, ids[0]).await.expect("read").is_none());
}
