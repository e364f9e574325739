//! Users, sessions and tickets.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use meowsenger::domain::ids::{SessionId, UserId};
use meowsenger::domain::login_names::{Email, Username};
use meowsenger::domain::session::Device;
use meowsenger::domain::time::Timestamp;
use meowsenger::store::error::StoreError;
use meowsenger::store::users::{self, NewUser};
use meowsenger::store::{Target, Tx, sessions, site, tickets};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

async fn deactivate(store: &Store, user: UserId) {
    let mut tx = store.tx().await;
    let sql = "update users set is_active = false where id = $1";
    tx.query(sql).bind(user).execute().await.expect("updated");
    tx.commit().await.expect("committed");
}

#[rstest]
#[tokio::test]
async fn a_user_is_found_by_every_login_name(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (username, email) = (Username::parse("Miñou").unwrap(), Email::parse("A@b.cat").unwrap());
    let user = NewUser {
        username: &username,
        email: Some(&email),
        password: "hash",
        first_name: "Mi\u{2028}",
        last_name: "O'Chat \\",
        is_superuser: true,
    };
    let mut tx = store.tx().await;
    let id = users::insert(&mut tx, &user, NOW).await.expect("inserted");
    tx.commit().await.expect("committed");

    let found = users::by_id(&store.db, id).await.expect("read").expect("there");
    assert_eq!((found.id, found.username.as_str(), found.email.as_str()), (id, "Miñou", "A@b.cat"));
    assert_eq!((found.first_name.as_str(), found.last_name.as_str()), ("Mi\u{2028}", "O'Chat \\"));
    assert!(found.is_active && found.is_staff && found.is_superuser);
    assert_eq!((found.date_joined, found.last_seen, found.avatar), (NOW, None, None));
    assert!(users::by_id(&store.db, UserId(id.0 + 1)).await.expect("read").is_none());

    let hash = Some((id, "hash".to_owned()));
    for key in ["miñou", "a@b.cat"] {
        assert_eq!(users::by_login(&store.db, key).await.expect("read"), hash, "{key}");
    }
    assert_eq!(users::by_login(&store.db, "Miñou").await.expect("read"), None, "keys are folded");
    let mut taken = users::taken(&store.db, ["x", "miñou", "a@b.cat"].map(String::from).into())
        .await
        .expect("read");
    taken.sort();
    assert_eq!(taken, [("a@b.cat".to_owned(), id), ("miñou".to_owned(), id)]);

    // A username must not be another user's address.
    let thief = Username::parse("a@B.cat").unwrap();
    let mut tx = store.tx().await;
    let user = NewUser { username: &thief, email: None, is_superuser: false, ..user };
    assert!(matches!(users::insert(&mut tx, &user, NOW).await, Err(StoreError::Unique(_))));
}

#[rstest]
#[tokio::test]
async fn users_are_listed_by_key_and_by_id(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let mut ids = Vec::new();
    // Neither by id nor by a locale, in which `_` and `é` would sort differently.
    for name in ["é", "b", "_c", "A"] {
        ids.push(store.user(name).await);
    }
    let gone = store.user("aa").await;
    deactivate(&store, gone).await;
    let names = |users: Vec<meowsenger::domain::user::User>| {
        users.into_iter().map(|user| user.username).collect::<Vec<_>>()
    };

    assert_eq!(names(users::after(&store.db, "", 9).await.unwrap()), ["_c", "A", "b", "é"]);
    assert_eq!(names(users::after(&store.db, "_c", 2).await.unwrap()), ["A", "b"]);
    assert_eq!(names(users::before(&store.db, "b", 9).await.unwrap()), ["A", "_c"]);
    assert_eq!(names(users::before(&store.db, "é", 1).await.unwrap()), ["b"]);

    let asked = [ids[1], gone, UserId(999), ids[0]];
    let mut found: Vec<_> =
        users::by_ids(&store.db, &asked).await.unwrap().iter().map(|u| u.id).collect();
    found.sort();
    assert_eq!(found, [ids[0], ids[1], gone]);
    let mut tx = store.tx().await;
    let held = users::hold_active(&mut tx, &asked).await.unwrap();
    assert_eq!(held.iter().map(|user| user.id).collect::<Vec<_>>(), [ids[0], ids[1]]);
    drop(tx);
    assert!(users::by_ids(&store.db, &[]).await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn passwords_and_logins_are_noted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (user, other) = (store.user("a").await, store.user("b").await);
    let mut tx = store.tx().await;
    users::set_password(&mut tx, user, "new").await.expect("set");
    users::set_last_login(&mut tx, user, later(1)).await.expect("set");
    tx.commit().await.expect("committed");
    let rows: Vec<(UserId, String, Option<Timestamp>)> = Target::from(&store.db)
        .query("select id, password, last_login from users order by id")
        .all()
        .await
        .expect("read");
    let expected = [(user, "new".to_owned(), Some(later(1))), (other, "hash".to_owned(), None)];
    assert_eq!(rows, expected);
}

#[rstest]
#[tokio::test]
async fn some_usable_password_is_found(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let some = async |place| users::some_password(&store.db, place).await.expect("read");
    assert_eq!(some(0).await, None);
    let mut tx = store.tx().await;
    for (name, password) in [("a", "one"), ("b", "!unusable"), ("c", "three")] {
        let username = Username::parse(name).expect("a username");
        let (email, first_name, last_name) = (None, "", "");
        let is_superuser = false;
        let user =
            NewUser { username: &username, email, password, first_name, last_name, is_superuser };
        users::insert(&mut tx, &user, NOW).await.expect("inserted");
    }
    tx.commit().await.expect("committed");
    assert_eq!(some(0).await.as_deref(), Some("one"));
    for place in [340_000, 999_999] {
        assert_eq!(some(place).await.as_deref(), Some("three"), "{place}");
    }
    run(&store, "update users set password = '!' where username = 'c'").await;
    for place in [0, 999_999] {
        assert_eq!(some(place).await.as_deref(), Some("one"), "nobody after it: {place}");
    }
}

/// On a site that was imported without passwords, finding a stand-in for an unknown user must not take
/// measurably long.
#[rstest]
#[tokio::test]
async fn a_usable_password_is_found_without_reading_past_the_unusable(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    store.user("somebody").await;
    run(
        &store,
        "insert into users (username, username_key, password, date_joined) \
         with recursive s (n) as (select 1 union all select n + 1 from s where n < 20000) \
         select 'u' || s.n, 'u' || s.n, '!' || s.n, u.date_joined \
         from s join users u on u.username = 'somebody'",
    )
    .await;
    let (mut probe, mut walk) = (Duration::MAX, Duration::MAX);
    for place in 0..20 {
        let begun = Instant::now();
        let found = users::some_password(&store.db, place * 50_000).await.expect("read");
        probe = probe.min(begun.elapsed());
        assert_eq!(found.as_deref(), Some("hash"));
        let begun = Instant::now();
        let sql = "select count(*) from users where password not like '!%'";
        let (count,): (i64,) = Target::from(&store.db).query(sql).one().await.expect("read");
        walk = walk.min(begun.elapsed());
        assert_eq!(count, 1);
    }
    assert!(probe < walk / 2, "{probe:?} of {walk:?}");
}

async fn run(store: &Store, sql: &'static str) {
    let mut tx = store.tx().await;
    tx.query(sql).execute().await.expect("run");
    tx.commit().await.expect("committed");
}

async fn begin(tx: &mut Tx, user: UserId, jti: &str) -> SessionId {
    let device = Device { ip: Ipv6Addr::LOCALHOST.into(), user_agent: "Cat/9 'purr'".to_owned() };
    sessions::insert(tx, user, jti, &device, NOW, later(100)).await.expect("a session")
}

#[rstest]
#[tokio::test]
async fn a_session_lives_until_it_ends_or_runs_out(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (user, other) = (store.user("a").await, store.user("b").await);
    let mut tx = store.tx().await;
    let (one, two) = (begin(&mut tx, user, "1").await, begin(&mut tx, user, "2").await);
    let others = begin(&mut tx, other, "3").await;
    // A transaction sees its own writes.
    let live = sessions::live(&mut tx, one, NOW).await.unwrap().expect("alive");
    assert_eq!((live.user.id, live.last_used_at, live.refresh_jti.as_str()), (user, NOW, "1"));
    let used =
        async |tx: &mut Tx| sessions::live(tx, one, NOW).await.unwrap().unwrap().last_used_at;
    sessions::touch(&mut tx, &[one, SessionId(999)], later(60)).await.unwrap();
    assert_eq!(used(&mut tx).await, later(60));
    sessions::touch(&mut tx, &[one], later(30)).await.unwrap();
    assert_eq!(used(&mut tx).await, later(60), "never back");
    assert!(sessions::live(&mut tx, one, later(99)).await.unwrap().is_some());
    assert!(sessions::live(&mut tx, one, later(100)).await.unwrap().is_none(), "it ran out");

    assert!(sessions::end(&mut tx, one, later(5)).await.unwrap());
    assert!(!sessions::end(&mut tx, one, later(6)).await.unwrap(), "once");
    assert_eq!(sessions::end_all(&mut tx, user, later(7)).await.unwrap(), [two]);
    assert!(sessions::live(&mut tx, two, NOW).await.unwrap().is_none());
    assert!(sessions::current_refresh(&mut tx, two, "2").await.unwrap().is_none());
    assert!(!sessions::rotate(&mut tx, two, "2", "4", NOW, later(100)).await.unwrap());
    tx.commit().await.expect("committed");

    assert_eq!(sessions::ended_since(&store.db, later(6), later(9)).await.unwrap(), [two]);
    assert_eq!(sessions::ended_since(&store.db, later(5), later(9)).await.unwrap().len(), 2);
    assert!(sessions::ended_since(&store.db, later(8), later(9)).await.unwrap().is_empty());

    assert!(sessions::live(&store.db, others, NOW).await.unwrap().is_some());
    let many = sessions::all_live(&store.db, &[one, two, others, others], NOW).await.unwrap();
    assert_eq!(many.into_keys().collect::<Vec<_>>(), [others]);
    deactivate(&store, other).await;
    assert!(sessions::live(&store.db, others, NOW).await.unwrap().is_none());
}

#[rstest]
#[tokio::test]
async fn of_two_that_rotate_a_token_one_wins(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let user = store.user("a").await;
    let mut tx = store.tx().await;
    let id = begin(&mut tx, user, "first").await;
    tx.commit().await.expect("committed");

    let rotate = async |next: &str| {
        let mut tx = store.tx().await;
        let rotated = sessions::rotate(&mut tx, id, "first", next, later(9), later(200)).await;
        tx.commit().await.expect("committed");
        rotated.expect("answered")
    };
    let (left, right) = tokio::join!(rotate("left"), rotate("right"));
    assert!(left != right, "left: {left}, right: {right}");

    let current = sessions::current_refresh(&store.db, id, "first").await.unwrap().unwrap();
    assert_eq!(current.refresh_jti, if left { "left" } else { "right" });
    assert_eq!((current.refreshed_at, current.spent_at), (later(9), Some(later(9))));
    let unknown = sessions::current_refresh(&store.db, id, "unknown").await.unwrap().unwrap();
    assert_eq!(unknown.spent_at, None);
    assert!(sessions::live(&store.db, id, later(199)).await.unwrap().is_some(), "it lives on");

    let mut tx = store.tx().await;
    for (before, spent_at) in [(later(9), Some(later(9))), (later(10), None)] {
        sessions::forget_spent(&mut tx, id, before).await.unwrap();
        let current = sessions::current_refresh(&mut tx, id, "first").await.unwrap().unwrap();
        assert_eq!(current.spent_at, spent_at);
    }
    tx.commit().await.expect("committed");

    // A token that was used in the future never becomes valid again.
    let current = if left { "left" } else { "right" };
    let mut tx = store.tx().await;
    assert!(sessions::rotate(&mut tx, id, current, "third", later(99), later(200)).await.unwrap());
    for (moment, spent_at) in [(later(99), Some(later(99))), (later(98), None)] {
        sessions::forget_spent_after(&mut tx, moment).await.unwrap();
        let found = sessions::current_refresh(&mut tx, id, current).await.unwrap().unwrap();
        assert_eq!(found.spent_at, spent_at);
    }
}

#[rstest]
#[tokio::test]
async fn a_ticket_is_taken_once(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(store) = Store::new(backend).await else { return };
    let user = store.user("a").await;
    let mut tx = store.tx().await;
    let session = begin(&mut tx, user, "1").await;
    tickets::insert(&mut tx, "late", session, later(1)).await.expect("kept");
    tickets::insert(&mut tx, "good", session, later(30)).await.expect("kept");
    tickets::insert(&mut tx, "ahead", session, later(61)).await.expect("kept");
    tx.commit().await.expect("committed");

    let take = async |hash: &str, now: Timestamp| {
        let mut tx = store.tx().await;
        let taken = tickets::take(&mut tx, hash, now, later(60)).await.expect("answered");
        tx.commit().await.expect("committed");
        taken
    };
    assert_eq!(take("late", later(1)).await, None, "it ran out");
    assert_eq!(take("other", NOW).await, None);
    assert_eq!(take("ahead", NOW).await, None, "it would be good for too long");
    let (left, right) = tokio::join!(take("good", NOW), take("good", NOW));
    let mut taken = [left, right];
    taken.sort_by_key(|session| session.is_some());
    assert_eq!(taken, [None, Some(session)]);

    let mut tx = store.tx().await;
    tickets::insert(&mut tx, "next", session, later(30)).await.expect("kept");
    tickets::forget_expired(&mut tx, later(2), later(60)).await.expect("forgotten");
    let left: Vec<(String,)> = tx.query("select hash from tickets").all().await.expect("read");
    assert_eq!(
        left,
        [("next".to_owned(),)],
        "those that ran out are forgotten, and the one that never would"
    );
}

#[rstest]
#[tokio::test]
async fn the_site_has_an_epoch(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(store) = Store::new(backend).await else { return };
    let epoch = site::epoch(&store.db).await.expect("read");
    assert_eq!(epoch.len(), 32, "{epoch}");
}

#[rstest]
#[tokio::test]
async fn times_come_back_to_the_microsecond(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let user = store.user("a").await;
    let mut tx = store.tx().await;
    for micros in [-1, 0, 1, 946_684_799_999_999, NOW.micros(), Timestamp::MAX.micros()] {
        let moment = Timestamp::from_micros(micros);
        users::set_last_login(&mut tx, user, moment).await.expect("set");
        let (kept,): (Timestamp,) = tx
            .query("select last_login from users where last_login = $1")
            .bind(moment)
            .one()
            .await
            .expect("found by it");
        assert_eq!(kept, moment);
    }
}
