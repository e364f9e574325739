//! Rate limits in the database: the SQL equals the arithmetic of `domain::rate`.

use std::time::Duration;

use meowsenger::domain::rate::Rate;
use meowsenger::domain::session::Device;
use meowsenger::domain::time::Timestamp;
use meowsenger::store::{sessions, throttles};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

#[rstest]
#[tokio::test]
async fn an_allowance_is_taken_as_the_arithmetic_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let rate = Rate::parse("10/min").expect("a rate");
    let mut tx = store.tx().await;
    let mut expected = 0;
    let mut check_of = async |weight: i64, now: Timestamp| {
        let taken = throttles::take(&mut tx, "key", rate, weight, now).await.expect("taken");
        assert_eq!(taken, rate.take(weight, expected, now).map(|next| expected = next).is_ok());
        assert_eq!(throttles::full_at(&mut tx, "key").await.expect("read"), expected);
        taken
    };
    assert!(!check_of(26, NOW).await, "never so many at once, not even of a full allowance");
    for _ in 0..15 {
        assert!(check_of(1, NOW).await);
    }
    assert!(!check_of(11, NOW).await, "all or none");
    assert!(check_of(10, NOW).await);
    assert!(!check_of(1, NOW).await);
    assert!(!check_of(1, NOW.plus(Duration::from_micros(5_999_999))).await);
    assert!(check_of(1, later(6)).await);
    assert!(!check_of(1, later(6)).await);
    assert!(check_of(1, later(10_000)).await, "it is full again");
    assert!(check_of(1, NOW).await, "and a clock that was wrong locks nobody out");
    assert!(!check_of(1, NOW).await);
}

#[rstest]
#[tokio::test]
async fn of_those_who_race_no_more_pass_than_may(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let rate = Rate::parse("2/min").expect("a rate");
    let take = async || {
        let mut tx = store.tx().await;
        let taken = throttles::take(&mut tx, "key", rate, 1, NOW).await.expect("taken");
        tx.commit().await.expect("committed");
        taken
    };
    let taken = futures_util::future::join_all((0..12).map(|_| take())).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 5);
}

#[rstest]
#[tokio::test]
async fn full_allowances_are_forgotten(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let rate = Rate::parse("10/min").expect("a rate");
    let mut tx = store.tx().await;
    for (key, now) in [("old", NOW), ("new", later(60))] {
        assert!(throttles::take(&mut tx, key, rate, 1, now).await.expect("taken"));
    }
    throttles::forget_full(&mut tx, later(60)).await.expect("forgotten");
    assert_eq!(throttles::full_at(&mut tx, "old").await.expect("read"), 0);
    assert_eq!(throttles::full_at(&mut tx, "new").await.expect("read"), later(66).micros());
}

#[rstest]
#[tokio::test]
async fn it_is_known_from_where_an_account_was_used(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (tom, jerry) = (store.user("tom").await, store.user("jerry").await);
    let mut tx = store.tx().await;
    for (jti, ip) in [("1", "192.0.2.1"), ("2", "2001:db8::1"), ("3", "192.0.2.1")] {
        let ip = ip.parse().expect("an address");
        let device = Device { ip, user_agent: String::new() };
        sessions::insert(&mut tx, tom, jti, &device, NOW, later(9)).await.expect("a session");
    }
    let mut addresses = sessions::addresses(&mut tx, tom).await.expect("read");
    addresses.sort();
    assert_eq!(addresses, ["192.0.2.1", "2001:db8::1"]);
    assert!(sessions::addresses(&mut tx, jerry).await.expect("read").is_empty());
}
