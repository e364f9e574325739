//! Leaving chats, and what remains of deleted chats and accounts.

use meowsenger::domain::chat::ChatType;
use meowsenger::domain::event::Departed;
use meowsenger::domain::ids::UserId;
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::role::Role;
use meowsenger::store::members::MemberCursor;
use meowsenger::store::{Tx, chats, departures, member_chats, members, messages, users};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

#[rstest]
#[tokio::test]
async fn members_are_found_changed_and_removed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    let chat = store.group(a, &[c]).await;
    let mut tx = store.tx().await;
    members::insert(&mut tx, chat, &[b], Role::Member, Seq(7), later(1)).await.expect("added");
    let late = members::one(&mut tx, chat, b).await.unwrap().expect("a member");
    assert_eq!((late.last_delivered_seq.0, late.last_read_seq.0, late.joined_at), (7, 7, later(1)));
    assert!(members::one(&mut tx, chat, UserId(999)).await.unwrap().is_none());
    let roles = members::roles(&mut tx, chat).await.unwrap();
    assert_eq!(roles, [(a, Role::Owner), (b, Role::Member), (c, Role::Member)]);
    let among = members::among(&mut tx, chat, &[b, UserId(999)]).await.unwrap();
    assert_eq!(among.iter().map(|one| one.user.id).collect::<Vec<_>>(), [b]);

    let successor = members::successor(&mut tx, chat, a).await.unwrap();
    assert_eq!(successor.expect("a member").user.id, c, "the senior one");
    members::set_role(&mut tx, chat, b, Role::Admin).await.expect("changed");
    let successor = members::successor(&mut tx, chat, a).await.unwrap();
    assert_eq!(successor.expect("an admin").user.id, b);
    users::end(&mut tx, b, "deleted_2", NOW).await.expect("ended");
    let successor = members::successor(&mut tx, chat, a).await.unwrap();
    assert_eq!(successor.expect("an active one").user.id, c);

    let all = members::after(&mut tx, chat, MemberCursor::START, 9).await.unwrap();
    let ids = |rows: &[_]| rows.iter().map(|one: &_| member_id(one)).collect::<Vec<_>>();
    assert_eq!(ids(&all), [a, b, c]);
    let after = members::after(&mut tx, chat, MemberCursor::of(&all[0]), 9).await.unwrap();
    assert_eq!(ids(&after), [b, c]);
    let before = members::before(&mut tx, chat, MemberCursor::of(&all[2]), 1).await.unwrap();
    assert_eq!(ids(&before), [b]);

    members::remove(&mut tx, chat, &[b, c, UserId(999)]).await.expect("removed");
    assert!(members::successor(&mut tx, chat, a).await.unwrap().is_none());
    assert_eq!(members::roles(&mut tx, chat).await.unwrap(), [(a, Role::Owner)]);
}

fn member_id(member: &meowsenger::domain::chat::Member) -> UserId {
    member.user.id
}

#[rstest]
#[tokio::test]
async fn a_groups_changes_take_versions(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let a = store.user("a").await;
    let chat = store.group(a, &[]).await;
    let mut tx = store.tx().await;
    assert_eq!(chats::advance(&mut tx, chat, 3, 2).await.unwrap(), Version(4));
    let mut row = member_chats::of_member(&mut tx, a, &[chat]).await.unwrap().remove(0).chat;
    assert_eq!((row.version.0, row.members_count), (4, 3));
    row.name = "Garden".to_owned();
    row.description = "Green".to_owned();
    chats::update(&mut tx, &row).await.expect("updated");
    let row = member_chats::of_member(&mut tx, a, &[chat]).await.unwrap().remove(0).chat;
    assert_eq!((row.name.as_str(), row.description.as_str()), ("Garden", "Green"));
}

#[rstest]
#[tokio::test]
async fn what_a_chat_leaves_behind_is_removed_little_by_little(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (chat, other) = (store.group(a, &[b]).await, store.group(a, &[]).await);
    let said = store.say(chat, a, "one").await;
    store.say(chat, b, "two").await;
    store.say(other, a, "three").await;
    assert_eq!(chats::groups_of(&store.db, a).await.unwrap(), [chat, other]);
    let mut tx = store.tx().await;
    assert!(chats::purge(&mut tx, 9).await.unwrap().is_none(), "nothing was ended");
    let mut out = chats::end(&mut tx, chat, NOW).await.unwrap();
    out.sort();
    assert_eq!(out, [a, b]);
    assert!(!chats::is_there(&mut tx, chat).await.unwrap());
    assert!(chats::is_there(&mut tx, other).await.unwrap());
    assert!(member_chats::of_member(&mut tx, a, &[chat]).await.unwrap().is_empty());

    assert!(chats::purge(&mut tx, 1).await.unwrap().is_some());
    assert!(messages::by_ids(&mut tx, &[said]).await.unwrap().is_empty(), "the oldest first");
    assert!(chats::purge(&mut tx, 9).await.unwrap().is_some());
    assert!(chats::purge(&mut tx, 9).await.unwrap().is_some());
    assert!(chats::purge(&mut tx, 9).await.unwrap().is_none());
    let left: Vec<(i64,)> = tx.query("select id from chats").all().await.unwrap();
    assert_eq!(left, [(other.0,)]);
    let left: Vec<(i64,)> = tx.query("select id from messages").all().await.unwrap();
    assert_eq!(left.len(), 1);
}

#[rstest]
#[tokio::test]
async fn two_people_may_have_another_private_chat_when_theirs_was_ended(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let mut tx = store.tx().await;
    let first = chats::insert_private(&mut tx, a, b, NOW).await.unwrap().expect("made");
    members::insert(&mut tx, first, &[a, b], Role::Member, Seq(0), NOW).await.expect("members");
    assert!(!chats::is_left_alone(&mut tx, first).await.unwrap());
    chats::end(&mut tx, first, NOW).await.expect("ended");
    let second = chats::insert_private(&mut tx, a, b, NOW).await.unwrap().expect("made");
    assert_ne!(first, second);
    members::insert(&mut tx, second, &[a, b], Role::Member, Seq(0), NOW).await.expect("members");
    users::end(&mut tx, b, "deleted_2", NOW).await.expect("ended");
    assert!(chats::is_left_alone(&mut tx, second).await.unwrap());
    let row = member_chats::of_member(&mut tx, a, &[second]).await.unwrap().remove(0);
    assert_eq!((row.chat.kind, row.peer), (ChatType::Private, Some(b)));
}

#[rstest]
#[tokio::test]
async fn an_ended_account_is_a_shell_and_its_name_is_free(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let a = store.user("whiskers").await;
    // An older account with the name that an anonymised account would get does not prevent it.
    let squatter = store.user("squatter").await;
    let mut squatting = users::by_id(&store.db, squatter).await.unwrap().expect("a user");
    squatting.username = format!("deleted_{a}");
    let mut tx = store.tx().await;
    users::update(&mut tx, &squatting).await.expect("renamed");
    users::end(&mut tx, a, &format!("deleted_{a}"), later(3)).await.expect("ended");
    tx.commit().await.expect("committed");
    let shell = users::by_id(&store.db, a).await.unwrap().expect("a shell");
    assert_eq!(shell.username, format!("deleted_{a}"));
    assert_eq!((shell.is_active, shell.deleted_at), (false, Some(later(3))));
    assert!(users::by_login(&store.db, "whiskers").await.unwrap().is_none());
    assert_ne!(store.user("whiskers").await, a);
    let listed = users::after(&store.db, "", 9).await.unwrap();
    assert!(listed.iter().any(|user| user.id == squatter));
    assert!(!listed.iter().any(|user| user.id == a));
}

#[rstest]
#[tokio::test]
async fn departures_are_listed_until_the_user_joins_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("b").await, store.user("c").await);
    let chat = store.group(a, &[b]).await;
    let mut tx = store.tx().await;
    let out =
        [Departed { user: b, version: Version(5) }, Departed { user: c, version: Departed::ENDED }];
    departures::insert(&mut tx, chat, &out, NOW).await.expect("noted");
    departures::insert(&mut tx, chat, &[], NOW).await.expect("nobody");
    let told = departures::since(&mut tx, NOW).await.unwrap();
    assert_eq!(told, [(chat, c, Departed::ENDED)], "b is in it");
    departures::forget(&mut tx, later(2)).await.expect("forgotten");
    departures::insert(&mut tx, chat, &out, NOW).await.expect("noted");
    members::remove(&mut tx, chat, &[b]).await.expect("removed");
    assert_eq!(departures::since(&mut tx, NOW).await.unwrap().len(), 2);
    assert!(departures::since(&mut tx, later(1)).await.unwrap().is_empty());
    let between = async |tx: &mut Tx, after, upto| {
        departures::between(tx, chat, after, upto).await.expect("read")
    };
    assert_eq!(
        between(&mut tx, Version(4), Version(5)).await,
        [Departed { user: b, version: Version(5) }]
    );
    for (after, upto) in [(3, 4), (5, 9)] {
        assert!(between(&mut tx, Version(after), Version(upto)).await.is_empty());
    }
    members::insert(&mut tx, chat, &[b], Role::Member, Seq(0), NOW).await.expect("in again");
    assert!(between(&mut tx, Version(4), Version(5)).await.is_empty());
    departures::forget(&mut tx, later(1)).await.expect("forgotten");
    assert!(departures::since(&mut tx, NOW).await.unwrap().is_empty());
}
