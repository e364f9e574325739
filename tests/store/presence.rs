//! Presence as nodes share it, and which users share a chat.

use std::time::Duration;

use meowsenger::domain::ids::UserId;
use meowsenger::domain::numbering::Seq;
use meowsenger::domain::presence::Activity;
use meowsenger::domain::role::Role;
use meowsenger::store::presence::{self, NodePresence};
use meowsenger::store::{chats, members, users};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

#[rstest]
#[tokio::test]
async fn nodes_tell_who_is_connected_and_are_given_up_when_silent(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let place = |user, connections, activity| NodePresence { user, connections, activity };
    let mut tx = store.tx().await;
    assert!(!presence::heartbeat(&mut tx, "one", NOW).await.unwrap(), "it is new");
    assert!(presence::heartbeat(&mut tx, "one", later(1)).await.unwrap());
    presence::heartbeat(&mut tx, "two", later(9)).await.expect("a heartbeat");
    let first = [place(a, 2, Activity::Active), place(b, 1, Activity::Active)];
    presence::write(&mut tx, "one", &first).await.expect("written");
    let again = [place(a, 1, Activity::Idle)];
    presence::write(&mut tx, "one", &again).await.expect("written again");
    presence::write(&mut tx, "one", &[]).await.expect("nothing to write");

    let both = [a, b];
    let mut seen = presence::elsewhere(&mut tx, "two", later(1), &both).await.unwrap();
    seen.sort_by_key(|place| place.user);
    assert_eq!(seen, [place(a, 1, Activity::Idle), place(b, 1, Activity::Active)]);
    assert!(presence::elsewhere(&mut tx, "one", NOW, &both).await.unwrap().is_empty());
    assert!(presence::elsewhere(&mut tx, "two", later(2), &both).await.unwrap().is_empty());
    assert!(presence::has_company(&mut tx, "two", later(1)).await.unwrap());
    assert!(!presence::has_company(&mut tx, "two", later(2)).await.unwrap());

    presence::remove(&mut tx, "one", &[b]).await.expect("removed");
    assert!(
        presence::bury(&mut tx, later(1), later(60)).await.unwrap().is_empty(),
        "all are alive"
    );
    assert_eq!(presence::bury(&mut tx, later(2), later(60)).await.unwrap(), [a]);
    assert!(!presence::heartbeat(&mut tx, "one", later(3)).await.unwrap(), "it was given up");
    presence::write(&mut tx, "two", &first).await.expect("written");
    let mut gone = presence::leave(&mut tx, "two", later(1)).await.unwrap();
    gone.sort();
    assert_eq!(gone, [a, b]);
    let places = presence::elsewhere(&mut tx, "one", later(1), &[a, b]).await.unwrap();
    assert_eq!(places.iter().map(|place| place.connections).collect::<Vec<_>>(), [0, 0]);
    let mut gone = presence::bury(&mut tx, later(2), later(60)).await.unwrap();
    gone.sort();
    assert_eq!(gone, [a, b]);

    // A node with a heartbeat in the future would be alive until then.
    presence::heartbeat(&mut tx, "three", later(61)).await.expect("a heartbeat");
    presence::write(&mut tx, "three", &first).await.expect("written");
    assert_eq!(presence::bury(&mut tx, NOW, later(60)).await.unwrap().len(), 2);
}

#[rstest]
#[tokio::test]
async fn that_somebody_was_seen_is_noted_once_a_minute_unless_they_hide(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, hidden) = (store.user("a").await, store.user("b").await);
    let mut tx = store.tx().await;
    let mut row = users::by_id(&mut tx, hidden).await.unwrap().expect("a user");
    row.availability = meowsenger::domain::presence::Availability::Invisible;
    users::update(&mut tx, &row).await.expect("updated");
    let minute = Duration::from_secs(60);
    for (seconds, expected) in [(0, 0), (59, 0), (60, 60), (90, 60)] {
        let now = later(seconds);
        presence::seen(&mut tx, &[a, hidden], now, minute).await.expect("noted");
        let seen = users::by_id(&mut tx, a).await.unwrap().expect("a user").last_seen;
        assert_eq!(seen, Some(later(expected)), "{seconds}");
    }
    assert_eq!(users::by_id(&mut tx, hidden).await.unwrap().expect("a user").last_seen, None);

    // A date in the past is kept; one in the future is corrected.
    for (seconds, expected) in [(50, 60), (86_400, 86_400), (90, 90)] {
        presence::seen(&mut tx, &[a], later(seconds), minute).await.expect("noted");
        let seen = users::by_id(&mut tx, a).await.unwrap().expect("a user").last_seen;
        assert_eq!(seen, Some(later(expected)), "{seconds}");
    }
}

#[rstest]
#[tokio::test]
async fn people_know_those_with_whom_they_share_a_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    store.group(b, &[a]).await;
    let mut tx = store.tx().await;
    let chat = chats::insert_private(&mut tx, c, a, NOW).await.unwrap().expect("made");
    members::insert(&mut tx, chat, &[a, c], Role::Member, Seq(0), NOW).await.expect("members");
    let asked = [a, b, c, UserId(999)];
    let mut known = members::acquainted(&mut tx, a, &asked).await.unwrap();
    known.sort_unstable();
    assert_eq!(known, [b, c]);
    assert_eq!(members::acquainted(&mut tx, b, &asked).await.unwrap(), [a]);
    let left: Vec<(i64,)> = tx.query("select id from chats").all().await.unwrap();
    assert_eq!(left.len(), 2);
}
