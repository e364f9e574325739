//! The columns that password reset links depend on.

use meowsenger::domain::ids::UserId;
use meowsenger::store::{resets, users};
use rstest::rstest;

use crate::support::{Backend, NOW, Store};

#[rstest]
#[tokio::test]
async fn an_active_account_is_read_with_its_password_and_login(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (user, gone) = (store.user("a").await, store.user("b").await);
    let fresh = resets::account(&store.db, user).await.expect("read").expect("there");
    assert_eq!((fresh.user.id, fresh.password.as_str(), fresh.last_login), (user, "hash", None));

    let mut tx = store.tx().await;
    users::set_last_login(&mut tx, user, NOW).await.expect("set");
    let sql = "update users set is_active = false where id = $1";
    tx.query(sql).bind(gone).execute().await.expect("updated");
    let found = resets::by_login(&mut tx, "a").await.expect("read").expect("there");
    assert_eq!((found.user.id, found.last_login), (user, Some(NOW)));
    for key in ["b", "x"] {
        assert!(resets::by_login(&mut tx, key).await.expect("read").is_none(), "{key}");
    }
    for id in [gone, UserId(999)] {
        assert!(resets::account(&mut tx, id).await.expect("read").is_none(), "{id}");
    }
}
