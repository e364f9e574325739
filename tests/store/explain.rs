//! The plans of slow statements.

use std::time::Duration;

use meowsenger::domain::ids::UserId;
use meowsenger::store::{Target, explain, users};
use rstest::rstest;

use crate::support::{Backend, Store};

#[rstest]
#[tokio::test]
async fn a_slow_statement_is_explained_once_and_leaves_the_pool_whole(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let db = store.db.clone().log_slow(Some(Duration::ZERO));
    let look_up = async || users::by_ids(&db, &[UserId(1), UserId(2)]).await.expect("read");
    look_up().await;
    let (broken,): (i64,) = Target::from(&db)
        .query("select count(*) from users where id = $1")
        .bind(1_i64)
        .one()
        .await
        .expect("read");
    assert_eq!(broken, 0);
    db.clone().log_slow(None);
    let plans = explain::slow_statements(&db).await;
    let plan = plans.iter().find(|plan| plan.statement == "users::by_ids").expect("slow");
    let steps = plan.steps.as_ref().expect("explained");
    let lookup = ["SEARCH u USING INTEGER PRIMARY KEY", "users_pkey"];
    assert!(lookup.iter().any(|lookup| steps.contains(lookup)), "{steps}");
    assert!(plans.iter().all(|plan| plan.steps.is_ok()), "{plans:?}");
    look_up().await;
    assert!(explain::slow_statements(&db).await.is_empty(), "within an hour");
    for _ in 0..8 {
        db.begin().await.expect("a usable connection").commit().await.expect("committed");
    }
}
