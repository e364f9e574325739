//! Rate limits in the database: the SQL equals the arithmetic of `domain::rate`.

use std::time::Duration;

use meowsenger::domain::rate::Rate;
use meowsenger::domain::session::Device;
use meowsenger::domain::time::Timestamp;
use meowsenger::store::{rate_limits, sessions};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later};

#[rstest]
#[tokio::test]
async fn a_limit_is_used_as_the_arithmetic_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let rate = Rate::parse("10/min").expect("a rate");
    let mut tx = store.tx().await;
    let mut expected = Timestamp::MIN;
    let mut check_of = async |weight: u32, now: Timestamp| {
        let taken = rate_limits::take(&mut tx, "key", rate, weight, now).await.expect("taken");
        assert_eq!(taken, rate.take(weight, expected, now).map(|next| expected = next).is_ok());
        assert_eq!(rate_limits::full_at(&mut tx, "key").await.expect("read"), expected);
        taken
    };
    assert!(!check_of(26, NOW).await, "more than a burst is never allowed");
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
async fn concurrent_uses_are_all_counted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let rate = Rate::parse("2/min").expect("a rate");
    let take = async || {
        let mut tx = store.tx().await;
        let taken = rate_limits::take(&mut tx, "key", rate, 1, NOW).await.expect("taken");
        tx.commit().await.expect("committed");
        taken
    };
    let taken = futures_util::future::join_all((0..12).map(|_| take())).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 5);
}

#[rstest]
#[tokio::test]
async fn rows_of_full_limits_are_deleted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let rate = Rate::parse("10/min").expect("a rate");
    let mut tx = store.tx().await;
    for (key, now) in [("old", NOW), ("new", later(60))] {
        assert!(rate_limits::take(&mut tx, key, rate, 1, now).await.expect("taken"));
    }
    rate_limits::forget_full(&mut tx, later(60)).await.expect("forgotten");
    assert_eq!(rate_limits::full_at(&mut tx, "old").await.expect("read"), Timestamp::MIN);
    assert_eq!(rate_limits::full_at(&mut tx, "new").await.expect("read"), later(66));
}

#[rstest]
#[tokio::test]
async fn the_addresses_of_logins_are_known(
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
