//! The queries of profiles, sessions, receipts and sync.

use std::net::Ipv6Addr;

use meowsenger::domain::ids::{ChatId, SessionId, UserId};
use meowsenger::domain::message::Content;
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::presence::Availability;
use meowsenger::domain::receipt::Markers;
use meowsenger::domain::session::{Device, SessionInfo};
use meowsenger::domain::time::Timestamp;
use meowsenger::store::error::StoreError;
use meowsenger::store::members::Receipt;
use meowsenger::store::{Target, audit, markers, members, messages, sessions, users};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

async fn session(store: &Store, user: UserId, jti: &str, until: Timestamp) -> SessionId {
    let device = Device { ip: Ipv6Addr::LOCALHOST.into(), user_agent: format!("Cat/{jti}") };
    let mut tx = store.tx().await;
    let id = sessions::insert(&mut tx, user, jti, &device, NOW, until).await.expect("a session");
    tx.commit().await.expect("committed");
    id
}

#[rstest]
#[tokio::test]
async fn a_user_s_row_is_written_and_no_other(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (user, other) = (store.user("Tom").await, store.user("kitty").await);
    let mut tx = store.tx().await;
    users::lock(&mut tx, UserId(999)).await.expect("nobody to lock");
    users::lock(&mut tx, user).await.expect("locked");
    let mut changed = users::by_id(&mut tx, user).await.unwrap().expect("there");
    changed.username = "Ünder".to_owned();
    changed.email = "A@b.cat".to_owned();
    changed.first_name = "Mi\u{2028}".to_owned();
    changed.last_name = "O'Chat \\".to_owned();
    changed.avatar = Some("avatars/0.png".to_owned());
    changed.status_text = "🐈".to_owned();
    changed.availability = Availability::Invisible;
    changed.is_active = false;
    changed.is_staff = true;
    // `update` does not write this column.
    changed.is_superuser = true;
    changed.account_version = users::update(&mut tx, &changed).await.expect("updated");
    changed.profile_version = changed.account_version;
    tx.commit().await.expect("committed");

    let found = users::by_id(&store.db, user).await.unwrap().expect("there");
    changed.is_superuser = false;
    assert_eq!(format!("{found:?}"), format!("{changed:?}"));
    let untouched = users::by_id(&store.db, other).await.unwrap().expect("there");
    assert_eq!((untouched.username.as_str(), untouched.is_active), ("kitty", true));
    let keys: Vec<(String,)> = Target::from(&store.db)
        .query("select username_key from users order by id")
        .all()
        .await
        .expect("read");
    assert_eq!(keys, [("ünder".to_owned(),), ("kitty".to_owned(),)]);

    assert_eq!(users::password(&store.db, user).await.unwrap().as_deref(), Some("hash"));
    assert_eq!(users::password(&store.db, UserId(999)).await.unwrap(), None);
    let mut tx = store.tx().await;
    users::set_password(&mut tx, user, "new").await.expect("set");
    assert_eq!(users::password(&mut tx, user).await.unwrap().as_deref(), Some("new"));
}

#[rstest]
#[tokio::test]
async fn names_are_given_up_and_claimed_by_one_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (user, other) = (store.user("tom").await, store.user("kitty").await);
    let keys = |names: &[&str]| -> Vec<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    let mut tx = store.tx().await;
    users::claim_names(&mut tx, user, &keys(&["tom", "t@cat.example"])).await.expect("claimed");
    users::claim_names(&mut tx, user, &keys(&["thomas"])).await.expect("claimed");
    tx.commit().await.expect("committed");
    let all = keys(&["tom", "t@cat.example", "thomas", "kitty"]);
    let mut taken = users::taken(&store.db, all).await.expect("read");
    taken.sort();
    assert_eq!(taken, [("kitty".to_owned(), other), ("thomas".to_owned(), user)]);

    let mut tx = store.tx().await;
    let claimed = users::claim_names(&mut tx, other, &keys(&["cat", "thomas"])).await;
    assert!(matches!(claimed, Err(StoreError::Unique(_))), "{claimed:?}");
    drop(tx);
    let found = users::by_login(&store.db, "kitty").await.unwrap().map(|(id, _)| id);
    assert_eq!(found, Some(other), "nothing was given up");
}

#[rstest]
#[tokio::test]
async fn live_sessions_are_paged_and_are_their_user_s(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (user, other) = (store.user("a").await, store.user("b").await);
    let mut ids = Vec::new();
    for jti in ["1", "2", "3", "4"] {
        ids.push(session(&store, user, jti, later(100)).await);
    }
    let ended = session(&store, user, "5", later(100)).await;
    let short = session(&store, user, "6", later(10)).await;
    let foreign = session(&store, other, "7", later(100)).await;
    let mut tx = store.tx().await;
    sessions::end(&mut tx, ended, later(1)).await.expect("ended");
    tx.commit().await.expect("committed");

    let db = &store.db;
    let listed = |rows: Vec<SessionInfo>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let now = later(10);
    let top = SessionId(i64::MAX);
    let rows = sessions::below(db, user, top, now, 9).await.unwrap();
    assert_eq!((rows[0].created_at, rows[0].last_used_at), (NOW, NOW));
    assert_eq!((rows[0].ip.as_str(), rows[0].user_agent.as_str()), ("::1", "Cat/4"));
    assert_eq!(listed(rows), [ids[3], ids[2], ids[1], ids[0]]);
    assert_eq!(listed(sessions::below(db, user, ids[3], now, 2).await.unwrap()), [ids[2], ids[1]]);
    assert_eq!(listed(sessions::above(db, user, ids[0], now, 2).await.unwrap()), [ids[1], ids[2]]);
    assert_eq!(listed(sessions::above(db, user, ids[2], now, 9).await.unwrap()), [ids[3]]);
    assert_eq!(listed(sessions::above(db, user, ids[3], later(9), 9).await.unwrap()), [short]);

    for (id, whose, at, expected) in [
        (ids[0], user, now, true),
        (ids[0], other, now, false),
        (foreign, user, now, false),
        (ended, user, NOW, false),
        (short, user, later(9), true),
        (short, user, now, false),
        (SessionId(999), user, now, false),
    ] {
        assert_eq!(sessions::is_of(db, id, whose, at).await.unwrap(), expected, "{id:?} {at:?}");
    }

    let mut tx = store.tx().await;
    let mut gone = sessions::end_others(&mut tx, user, ids[1], later(20)).await.unwrap();
    gone.sort();
    assert_eq!(gone, [ids[0], ids[2], ids[3], short]);
    assert!(sessions::end_others(&mut tx, user, ids[1], later(21)).await.unwrap().is_empty());
    assert_eq!(listed(sessions::below(&mut tx, user, top, now, 9).await.unwrap()), [ids[1]]);
    assert!(sessions::is_of(&mut tx, foreign, other, now).await.unwrap());
}

#[rstest]
#[tokio::test]
async fn sessions_that_are_long_over_are_forgotten_with_all_of_theirs(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let user = store.user("a").await;
    let ended = session(&store, user, "1", later(100)).await;
    let ran_out = session(&store, user, "2", later(10)).await;
    let alive = session(&store, user, "3", later(100)).await;
    let mut tx = store.tx().await;
    // With a used token.
    assert!(sessions::rotate(&mut tx, ended, "1", "1b", later(1), later(100)).await.unwrap());
    sessions::end(&mut tx, ended, later(20)).await.expect("ended");
    tx.commit().await.expect("committed");
    for (before, left) in [
        (later(10), vec![ended, ran_out, alive]),
        (later(11), vec![ended, alive]),
        (later(20), vec![ended, alive]),
        (later(21), vec![alive]),
    ] {
        let mut tx = store.tx().await;
        sessions::forget_over(&mut tx, before).await.expect("forgotten");
        tx.commit().await.expect("committed");
        let rows: Vec<(SessionId,)> = Target::from(&store.db)
            .query("select id from sessions order by id")
            .all()
            .await
            .unwrap();
        assert_eq!(rows.into_iter().map(|(id,)| id).collect::<Vec<_>>(), left, "{before:?}");
    }
}

#[rstest]
#[tokio::test]
async fn acts_of_staff_are_noted(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(store) = Store::new(backend).await else { return };
    let staff = store.user("a").await;
    let mut tx = store.tx().await;
    audit::insert(&mut tx, staff, "user.update", 7, "it's \"so\"", NOW).await.expect("noted");
    audit::insert(&mut tx, staff, "user.update", 7, "", later(1)).await.expect("noted");
    tx.commit().await.expect("committed");
    let rows: Vec<(Timestamp, UserId, String, i64, String)> = Target::from(&store.db)
        .query("select at, actor_id, action, target_id, detail from audit order by id")
        .all()
        .await
        .expect("read");
    let row = |at, detail: &str| (at, staff, "user.update".to_owned(), 7, detail.to_owned());
    assert_eq!(rows, [row(NOW, "it's \"so\""), row(later(1), "")]);
}

#[rstest]
#[tokio::test]
async fn read_marks_are_clamped_and_never_go_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b, c) = (store.user("a").await, store.user("c").await, store.user("b").await);
    let (chat, other) = (store.group(a, &[b, c]).await, store.group(a, &[b]).await);
    for _ in 0..3 {
        store.say(chat, a, "meow").await;
        store.say(other, a, "meow").await;
    }
    let mut tx = store.tx().await;
    let read = |seq| Markers { delivered_seq: Seq(seq), read_seq: Seq(seq) };
    for (seq, expected) in [(0, 0), (2, 2), (1, 2), (-5, 2), (i64::MAX, 3), (2, 3)] {
        let moved = markers::advance(&mut tx, &[(chat, b, read(seq))]).await.unwrap();
        let now = markers::read(&mut tx, &[(chat, b)]).await.unwrap();
        assert_eq!((now[0].markers, now[0].last_seq.0), (read(expected), 3), "{seq}");
        assert!(moved.is_empty() || moved[0].to == now[0], "{seq}");
    }
    // Many at once. Non-members are skipped, and a delivery marker never moves back.
    let delivered = Markers { delivered_seq: Seq(3), read_seq: Seq(0) };
    let wanted = [(other, c, read(1)), (ChatId(999), b, read(1)), (chat, c, delivered)];
    let moved = markers::advance(&mut tx, &wanted).await.unwrap();
    assert_eq!(moved.iter().map(|one| (one.to.chat, one.to.user)).collect::<Vec<_>>(), [(chat, c)]);
    assert_eq!(markers::read(&mut tx, &[(other, c), (ChatId(999), b)]).await.unwrap(), []);
    let moved = markers::advance(&mut tx, &[(chat, c, read(1))]).await.unwrap();
    assert_eq!(moved[0].to.markers, Markers { delivered_seq: Seq(3), read_seq: Seq(1) });
    assert!(markers::advance(&mut tx, &[]).await.unwrap().is_empty());
    tx.commit().await.expect("committed");

    let markers = async |chat: ChatId| {
        let members =
            members::after(&store.db, chat, members::MemberCursor::START, 9).await.unwrap();
        let mark = |m: &meowsenger::domain::chat::Member| {
            (m.user.id, m.last_delivered_seq.0, m.last_read_seq.0)
        };
        members.iter().map(mark).collect::<Vec<_>>()
    };
    assert_eq!(markers(chat).await, [(a, 3, 3), (b, 3, 3), (c, 3, 1)]);
    assert_eq!(markers(other).await, [(a, 3, 3), (b, 0, 0)], "of that chat alone");

    // In the order of names, without the sender.
    let who = async |seq: i64, sender: UserId| {
        let which = (chat, Seq(seq), sender);
        let list = async |receipt| {
            let who = members::who_has(&store.db, which, receipt, 9).await.unwrap();
            who.iter().map(|user| user.id).collect::<Vec<_>>()
        };
        let lists = (list(Receipt::Read).await, list(Receipt::Delivered).await);
        let counts = members::count_who_have(&store.db, which).await.unwrap();
        let lengths = (lists.0.len(), lists.1.len());
        assert_eq!(counts, (lengths.0.try_into().unwrap(), lengths.1.try_into().unwrap()));
        lists
    };
    assert_eq!(who(2, a).await, (vec![b], vec![c]));
    assert_eq!(who(3, b).await, (vec![a], vec![c]));
    assert_eq!(who(1, UserId(999)).await, (vec![a, c, b], vec![]));
    assert_eq!(who(4, a).await, (vec![], vec![]));
    let which = (chat, Seq(1), UserId(999));
    let first = members::who_has(&store.db, which, Receipt::Read, 1).await.unwrap();
    assert_eq!(first.iter().map(|user| user.id).collect::<Vec<_>>(), [a]);
}

#[rstest]
#[tokio::test]
async fn what_changed_is_read_chat_by_chat_in_version_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let a = store.user("a").await;
    let (one, two, empty) =
        (store.group(a, &[]).await, store.group(a, &[]).await, store.group(a, &[]).await);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(store.say(one, a, "meow").await);
        store.say(two, a, "meow").await;
    }
    let mut tx = store.tx().await;
    messages::edit(&mut tx, ids[0], &Content::of_row("miau".into()), Version(5), later(1))
        .await
        .expect("edited");
    messages::bury(&mut tx, ids[1], Version(6), later(2)).await.expect("buried");
    tx.commit().await.expect("committed");

    let since = async |known: &[(ChatId, Version)], limit: i64| {
        let found = messages::changed_since(&store.db, known, limit, 1_000).await.unwrap();
        found.iter().map(|m| (m.chat, m.version.0)).collect::<Vec<_>>()
    };
    // In the order of the caller's list.
    let known = [(two, Version(2)), (empty, Version(0)), (one, Version(0))];
    let all = [(two, 3), (two, 4), (one, 4), (one, 5), (one, 6)];
    assert_eq!(since(&known, 9).await, all);
    for limit in 0..6 {
        let fits = usize::try_from(limit).expect("small").min(all.len());
        assert_eq!(since(&known, limit).await, all[..fits], "{limit}");
    }
    assert_eq!(since(&[(one, Version(5)), (two, Version(4))], 9).await, [(one, 6)]);
    assert!(since(&[(one, Version(6)), (ChatId(999), Version(0))], 9).await.is_empty());
    assert!(since(&[], 9).await.is_empty());

    // Each content has 4 bytes, except for the tombstone.
    for (bytes, expected) in [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (1_000, 5)] {
        let found = messages::changed_since(&store.db, &known, 9, bytes).await.unwrap();
        assert_eq!(found.len(), expected, "{bytes} bytes");
    }

    let any = async |known: &[(ChatId, Version)]| {
        let mut chats = messages::any_since(&store.db, known).await.unwrap();
        chats.sort();
        chats
    };
    assert_eq!(any(&known).await, [one, two]);
    assert_eq!(
        any(&[
            (one, Version(5)),
            (two, Version(4)),
            (empty, Version(0)),
            (ChatId(999), Version(0))
        ])
        .await,
        [one]
    );
    assert!(any(&[(one, Version(6))]).await.is_empty() && any(&[]).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn newcomers_are_found_by_when_they_came(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let chat = store.group(a, &[b]).await;
    let joined = members::after(&store.db, chat, members::MemberCursor::START, 9).await.unwrap()[0]
        .joined_at;
    let mut found = members::joined_since(&store.db, joined).await.unwrap();
    found.sort();
    assert_eq!(found, [(a, chat), (b, chat)]);
    let after = Timestamp::from_micros(joined.micros() + 1);
    assert!(members::joined_since(&store.db, after).await.unwrap().is_empty());
}
