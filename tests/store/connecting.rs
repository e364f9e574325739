//! What a new connection reads, for many users at once.

use meowsenger::domain::event::Departed;
use meowsenger::domain::ids::UserId;
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::role::Role;
use meowsenger::store::{chats, connecting, departures, members, site};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

#[rstest]
#[tokio::test]
async fn each_user_gets_their_own_chats_peers_versions_and_departures(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    let group = store.group(b, &[a]).await;
    let mut tx = store.tx().await;
    let private = chats::insert_private(&mut tx, c, a, NOW).await.unwrap().expect("made");
    members::insert(&mut tx, private, &[a, c], Role::Member, Seq(0), NOW).await.expect("members");
    for (version, at) in [(7, later(1)), (5, NOW)] {
        let out = [Departed { user: b, version: Version(version) }];
        departures::insert(&mut tx, group, &out, at).await.expect("noted");
    }
    let out = [Departed { user: c, version: Departed::ENDED }];
    departures::insert(&mut tx, group, &out, NOW).await.expect("noted");
    tx.commit().await.expect("committed");
    let asked = [a, b, c, UserId(999), b];

    let entries = connecting::entries(&store.db, &asked).await.expect("read");
    assert_eq!(entries.len(), 3);
    let epoch = site::epoch(&store.db).await.expect("an epoch");
    for (user, chats, peers) in [
        (a, vec![group, private], vec![(private, c)]),
        (b, vec![group], vec![]),
        (c, vec![private], vec![(private, a)]),
    ] {
        let mut found = entries[&user].clone();
        found.chats.sort_unstable();
        assert_eq!((found.epoch, found.chats, found.peers), (epoch.clone(), chats, peers));
    }

    let standings = connecting::standings(&store.db, &asked, NOW).await.expect("read");
    assert_eq!(standings.len(), 3);
    for (user, name, versions, left) in [
        (a, "a", vec![(group, Version(1)), (private, Version(1))], vec![]),
        (b, "b", vec![(group, Version(1))], vec![(group, Version(7))]),
        (c, "c", vec![(private, Version(1))], vec![(group, Departed::ENDED)]),
    ] {
        let mut found = standings[&user].clone();
        found.versions.sort_unstable();
        assert_eq!(found.user.username.as_str(), name);
        assert_eq!((found.versions, found.left), (versions, left));
    }
    let later_on = connecting::standings(&store.db, &[b, c], later(1)).await.expect("read");
    assert_eq!(later_on[&b].left, [(group, Version(7))]);
    assert_eq!(later_on[&c].left, []);
}
