//! Chats and their members.

use meowsenger::domain::chat::{ChatFilter, ChatType};
use meowsenger::domain::ids::{ChatId, UserId};
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::receipt::Markers;
use meowsenger::domain::role::Role;
use meowsenger::domain::time::Timestamp;
use meowsenger::store::chats;
use meowsenger::store::member_chats::ChatOfMember;
use meowsenger::store::{Target, chat_lists, least, markers, member_chats, members, messages};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later, message};

#[rstest]
#[tokio::test]
async fn two_people_have_one_private_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    let make = async |by: UserId, peer: UserId| {
        let mut tx = store.tx().await;
        let made = chats::insert_private(&mut tx, by, peer, NOW).await.expect("answered");
        if let Some(chat) = made {
            let both = [by, peer];
            members::insert(&mut tx, chat, &both, Role::Member, Seq(0), NOW)
                .await
                .expect("members");
        }
        tx.commit().await.expect("committed");
        made
    };
    let (left, right) = tokio::join!(make(a, b), make(b, a));
    assert!(left.is_some() != right.is_some(), "{left:?} {right:?}");
    let chat = left.or(right);
    assert_eq!(make(a, b).await, None);
    assert_eq!(chats::private_of(&store.db, a, b).await.unwrap(), chat);
    assert_eq!(chats::private_of(&store.db, b, a).await.unwrap(), chat);
    assert_eq!(chats::private_of(&store.db, a, c).await.unwrap(), None);

    let id = chat.expect("made");
    let seen = member_chats::of_member(&store.db, b, &[id]).await.unwrap();
    assert_eq!((seen[0].peer, seen[0].chat.kind), (Some(a), ChatType::Private));
    assert_eq!(member_chats::of_member(&store.db, a, &[id]).await.unwrap()[0].peer, Some(b));
}

#[rstest]
#[tokio::test]
async fn a_group_is_seen_by_its_members_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    let chat = store.group(a, &[b]).await;
    assert!(member_chats::of_member(&store.db, c, &[chat]).await.unwrap().is_empty());
    assert!(members::membership(&store.db, chat, c).await.unwrap().is_none());

    let mut seen = member_chats::of_member(&store.db, b, &[chat, ChatId(999)]).await.unwrap();
    assert_eq!(seen.len(), 1);
    let seen = seen.remove(0);
    assert_eq!((seen.my_role, seen.peer, seen.last_message), (Role::Member, None, None));
    assert_eq!((seen.unread_count, seen.last_read_seq.0), (0, 0));
    let group = seen.chat;
    assert_eq!((group.id, group.kind, group.name.as_str()), (chat, ChatType::Group, "Kitchen"));
    assert_eq!((group.members_count, group.version.0, group.last_seq.0), (2, 1, 0));
    assert_eq!((group.created_at, group.created_by.map(|user| user.id)), (NOW, Some(a)));

    let place = members::membership(&store.db, chat, a).await.unwrap().expect("a member");
    assert_eq!((place.role, place.last_delivered_seq.0, place.last_seq.0), (Role::Owner, 0, 0));
}

#[rstest]
#[tokio::test]
async fn unread_counts_what_others_wrote_and_did_not_delete(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (chat, other) = (store.group(a, &[b]).await, store.group(a, &[b]).await);
    let mut ids = Vec::new();
    for sender in [a, b, a, a, a] {
        ids.push(store.say(chat, sender, "meow").await);
    }
    store.say(other, a, "meow").await;
    let mut tx = store.tx().await;
    // One before b's read marker, which is at b's own message, and one after it.
    for (id, version) in [(ids[0], 7), (ids[3], 8)] {
        messages::bury(&mut tx, id, Version(version), later(1)).await.expect("buried");
    }
    let seen = member_chats::of_member(&mut tx, b, &[chat]).await.unwrap().remove(0);
    assert_eq!((seen.last_read_seq.0, seen.unread_count), (2, 2));
    assert_eq!(seen.last_message.unwrap().id, ids[4]);
    let seen = member_chats::of_member(&mut tx, a, &[chat]).await.unwrap().remove(0);
    assert_eq!((seen.last_read_seq.0, seen.unread_count), (5, 0));
}

#[rstest]
#[tokio::test]
async fn versions_are_taken_one_by_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (one, two) = (store.group(a, &[b]).await, store.group(a, &[]).await);
    let take = async || {
        let mut tx = store.tx().await;
        chats::lock(&mut tx, one).await.expect("locked");
        let version = chats::next_version(&mut tx, one).await.expect("a version").0;
        tx.commit().await.expect("committed");
        version
    };
    let (x, y, z) = tokio::join!(take(), take(), take());
    let mut taken = [x, y, z];
    taken.sort_unstable();
    assert_eq!(taken, [2, 3, 4]);

    let mut tx = store.tx().await;
    chats::lock(&mut tx, ChatId(999)).await.expect("no chat, no fault");
    assert!(chats::next_version(&mut tx, ChatId(999)).await.is_err());
    drop(tx);

    let mut asked = chats::versions(&store.db, &[two, ChatId(999), one]).await.unwrap();
    asked.sort_unstable();
    assert_eq!(asked, [(one, Version(4)), (two, Version(1))]);
    assert_eq!(
        *chats::versions_of(&store.db, a).await.unwrap(),
        [(one, Version(4)), (two, Version(1))]
    );
    assert_eq!(*chats::versions_of(&store.db, b).await.unwrap(), [(one, Version(4))]);
    assert_eq!(*chats::versions_of(&store.db, UserId(999)).await.unwrap(), []);
}

#[rstest]
#[tokio::test]
async fn chats_are_paged_newest_activity_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(store.group(a, &[]).await);
    }
    store.group(b, &[]).await;
    // The first becomes the newest although the clock was set back; the others are in the order in which
    // they were created.
    store.send(&[message(ids[0], a, "meow")], Timestamp::MIN).await;
    let order = [ids[0], ids[3], ids[2], ids[1]];

    let all = ChatFilter::default();
    let ids_of =
        |rows: Vec<ChatOfMember>| rows.into_iter().map(|row| row.chat.id).collect::<Vec<_>>();
    let after = async |cursor, limit| {
        ids_of(chat_lists::after(&store.db, a, cursor, (&all, NOW), limit).await.unwrap())
    };
    let before = async |cursor, limit| {
        ids_of(chat_lists::before(&store.db, a, cursor, (&all, NOW), limit).await.unwrap())
    };
    assert_eq!(after(None, 9).await, order);
    assert_eq!(after(None, 2).await, order[..2]);
    let page = member_chats::of_member(&store.db, a, &ids).await.unwrap();
    assert_eq!(page.iter().map(|chat| chat.chat.id).collect::<Vec<_>>(), order);
    let cursor = |at: usize| page[at].cursor;
    assert_eq!(after(Some(cursor(1)), 9).await, order[2..]);
    assert_eq!(before(cursor(2), 9).await, [ids[0], ids[3]], "newest first");
    assert_eq!(before(cursor(2), 1).await, [ids[3]], "the nearest");

    // A chat that is created now sorts after all messages so far, and the next message after it.
    let made = store.group(a, &[]).await;
    assert_eq!(after(None, 1).await, [made]);
    store.send(&[message(ids[1], a, "meow")], Timestamp::MIN).await;
    assert_eq!(after(None, 1).await, [ids[1]]);
}

#[rstest]
#[tokio::test]
async fn members_are_listed_by_rank_then_by_when_they_came(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c, d) = (
        store.user("a").await,
        store.user("b").await,
        store.user("c").await,
        store.user("d").await,
    );
    let chat = store.group(d, &[]).await;
    let mut tx = store.tx().await;
    members::insert(&mut tx, chat, &[a], Role::Member, Seq(0), later(2)).await.expect("added");
    members::insert(&mut tx, chat, &[b], Role::Member, Seq(0), later(1)).await.expect("added");
    members::insert(&mut tx, chat, &[c], Role::Admin, Seq(0), later(3)).await.expect("added");
    members::insert(&mut tx, chat, &[], Role::Member, Seq(0), later(3)).await.expect("nobody");
    let list = members::after(&mut tx, chat, members::MemberCursor::START, 9).await.unwrap();
    let ids: Vec<_> = list.iter().map(|member| member.user.id).collect();
    assert_eq!(ids, [d, c, b, a]);
    let admin = &list[1];
    assert_eq!((admin.role, admin.joined_at), (Role::Admin, later(3)));
    assert_eq!((admin.last_delivered_seq.0, admin.last_read_seq.0), (0, 0));
    assert_eq!(
        members::after(&mut tx, chat, members::MemberCursor::START, 2).await.unwrap().len(),
        2
    );
}

#[rstest]
#[tokio::test]
async fn marks_only_grow_and_the_least_of_them_are_found(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    let (chat, alone) = (store.group(b, &[a, c]).await, store.group(c, &[]).await);
    for sender in [a, b, c] {
        store.say(chat, sender, "meow").await;
    }
    let mut tx = store.tx().await;
    for seq in [2, 1] {
        let delivered = Markers { delivered_seq: Seq(seq), read_seq: Seq(0) };
        markers::advance(&mut tx, &[(chat, a, delivered)]).await.expect("marked");
        let place = members::membership(&mut tx, chat, a).await.unwrap().expect("a member");
        assert_eq!((place.last_delivered_seq.0, place.last_seq.0), (2, 3));
    }
    let laggards = least::Laggards::default();
    let least =
        least::least_markers(&mut tx, &laggards, &[chat, alone, ChatId(999)]).await.unwrap();
    assert_eq!(least.len(), 2);
    let of = |id: ChatId| {
        let markers = least[&id];
        (markers.members, markers.first_member, markers.read_seq.0, markers.delivered_seq.0)
    };
    assert_eq!(of(chat), (3, a, 1, 2));
    assert_eq!(of(alone), (1, c, 0, 0));
}

#[rstest]
#[tokio::test]
async fn what_is_not_committed_did_not_happen(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let a = store.user("a").await;
    let chat = store.group(a, &[]).await;
    let mut tx = store.tx().await;
    assert_eq!(chats::next_version(&mut tx, chat).await.unwrap(), Version(2));
    drop(tx);
    let mut tx = store.tx().await;
    assert_eq!(chats::next_version(&mut tx, chat).await.unwrap(), Version(2));
    tx.commit().await.expect("committed");
    assert_eq!(chats::versions(&store.db, &[chat]).await.unwrap(), [(chat, Version(2))]);
}

#[rstest]
#[tokio::test]
async fn readers_of_sqlite_cannot_write() {
    let store = Store::new(Backend::Sqlite).await.expect("needs no server");
    store.user("a").await;
    let returning = Target::from(&store.db).query("delete from users returning id");
    assert!(returning.all::<(i64,)>().await.is_err());
    let left: Vec<(i64,)> =
        Target::from(&store.db).query("select id from users").all().await.unwrap();
    assert_eq!(left.len(), 1);
}
