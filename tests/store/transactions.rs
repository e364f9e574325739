//! Transactions that are dropped halfway, fail, or take long: the pool keeps working.

use std::time::Duration;

use futures_util::FutureExt;
use meowsenger::store::checkpoint::checkpoint;
use meowsenger::store::error::StoreError;
use meowsenger::store::{Db, Target};
use meowsenger_testing::eventually;
use rstest::rstest;
use tokio::time::timeout;

use crate::support::{Backend, Store, open};

async fn count(db: &Db) -> i64 {
    let (count,) = Target::from(db).query("select count(*) from kept").one().await.expect("read");
    count
}

async fn with_table(backend: Backend) -> Option<Store> {
    let store = Store::empty(backend).await?;
    let mut tx = store.db.begin().await.expect("begun");
    tx.script("create table kept (n bigint unique)".to_owned()).await.expect("made");
    tx.commit().await.expect("committed");
    Some(store)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_in_mid_statement_leaves_the_pool_whole(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = with_table(backend).await else { return };
    for n in 0..20 {
        // Each is dropped at a different point: while it begins, writes, reads or commits.
        let mut beginning = Box::pin(store.db.begin());
        drop(beginning.as_mut().now_or_never());
        drop(beginning);
        let mut tx = store.db.begin().await.expect("begun");
        tx.script(format!("insert into kept values ({n})")).await.expect("written");
        drop(tx.script(format!("insert into kept values ({n} + 100)")).now_or_never());
        drop(tx);
        let mut reading = Box::pin(count(&store.db));
        reading.as_mut().now_or_never();
    }
    assert_eq!(count(&store.db).await, 0);
    let mut tx = store.db.begin().await.expect("begun");
    tx.script("insert into kept values (1)".to_owned()).await.expect("written");
    tx.commit().await.expect("committed");
    assert_eq!(count(&store.db).await, 1);
}

#[rstest]
#[tokio::test]
async fn a_transaction_with_a_failed_statement_is_never_taken_for_committed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = with_table(backend).await else { return };
    let mut tx = store.db.begin().await.expect("begun");
    let twice = "insert into kept values (1), (2); insert into kept values (2)";
    let refused = tx.script(twice.to_owned()).await;
    assert!(matches!(refused, Err(StoreError::Unique(_))), "{refused:?}");
    // SQLite rolls back the statement, PostgreSQL the transaction.
    let committed = tx.commit().await.is_ok();
    assert_eq!(committed, backend == Backend::Sqlite);
    assert_eq!(count(&store.db).await, if committed { 2 } else { 0 });
}

#[tokio::test]
async fn a_statement_may_take_longer_where_it_is_allowed_to() {
    let Some(store) = Store::empty(Backend::Postgres).await else { return };
    let mut variables = store.variables.clone();
    variables.insert("DATABASE_STATEMENT_TIMEOUT".to_owned(), "1s".to_owned());
    let db = open(&variables).await;
    let sleep = || "select pg_sleep(1.2)".to_owned();
    let mut hasty = db.begin().await.expect("begun");
    let refused = hasty.script(sleep()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let mut patient = db.begin().await.expect("begun");
    patient.allow(Some(Duration::from_secs(10))).await.expect("set");
    patient.script(sleep()).await.expect("it took its time");
    patient.commit().await.expect("committed");
    // And only there.
    let limit = "select current_setting('statement_timeout')";
    let (limit,): (String,) = Target::from(&db).query(limit).one().await.expect("read");
    assert_eq!(limit, "1s");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_nobody(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(store) = with_table(backend).await else { return };
    let tx = store.db.begin().await.expect("begun");
    timeout(Duration::from_secs(5), store.db.close()).await.expect("closed at once");
    assert!(matches!(store.db.begin().await, Err(StoreError::Unavailable(_))));
    drop(tx);
}

const PUT: &str = "insert into kept values ($1)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_commits_all_or_nothing_and_leaves_the_writer_usable() {
    let Some(store) = with_table(Backend::Sqlite).await else { return };
    let put = |numbers: [i64; 2]| {
        store.db.visit(move |sqlite| {
            for number in numbers {
                sqlite.query(PUT).bind(number).execute()?;
            }
            sqlite.query("select n from kept order by n").all::<i64>()
        })
    };
    assert_eq!(put([1, 2]).await.expect("committed"), [1, 2]);
    let refused = put([3, 1]).await;
    assert!(matches!(refused, Err(StoreError::Unique(_))), "{refused:?}");
    assert_eq!(put([4, 5]).await.expect("committed"), [1, 2, 4, 5]);
    // A caller that leaves in the middle of its visit does not stop it.
    let (started, mut start) = tokio::sync::mpsc::channel(1);
    let (leave, left) = std::sync::mpsc::channel();
    let leaving = store.db.visit(move |sqlite| {
        started.blocking_send(()).expect("awaited");
        left.recv().expect("told");
        [6, 7].into_iter().try_for_each(|n| sqlite.query(PUT).bind(n).execute().map(drop))
    });
    tokio::select! {
        () = async { leaving.await.expect("committed") } => unreachable!("it waits"),
        _ = start.recv() => leave.send(()).expect("heard"),
    }
    assert_eq!(put([8, 9]).await.expect("committed"), [1, 2, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_sqlite_is_copied_beside_the_writer_and_stays_bounded() {
    const MIB: u64 = 1 << 20;
    let Some(store) = with_table(Backend::Sqlite).await else { return };
    let write = async || {
        let mut tx = store.db.begin().await.expect("begun");
        let sql = "create table if not exists blob (data blob); delete from blob; \
                   insert into blob values (zeroblob(20000000))";
        tx.script(sql.to_owned()).await.expect("written");
        tx.commit().await.expect("committed");
    };
    let waiting = async || {
        let sql = "pragma wal_checkpoint(noop)";
        let (_, frames, copied): (i64, i64, i64) =
            Target::from(&store.db).query(sql).one().await.expect("read");
        frames - copied
    };
    write().await;
    assert!(waiting().await > 4_000);
    checkpoint(&store.db).await.expect("copied");
    assert_eq!(waiting().await, 0);
    // The writer does what is left.
    for _ in 0..6 {
        write().await;
    }
    let file = format!("{}/meowsenger.sqlite3-wal", store.variables["DATA_DIR"]);
    let size = std::fs::metadata(file).expect("there").len();
    assert!(size < 90 * MIB, "{size}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_sqlite_that_takes_too_long_is_ended() {
    let Some(store) = with_table(Backend::Sqlite).await else { return };
    let mut variables = store.variables.clone();
    variables.insert("DATABASE_STATEMENT_TIMEOUT".to_owned(), "1s".to_owned());
    let db = open(&variables).await;
    let mut endless = db.begin().await.expect("begun");
    let forever = "with recursive n (n) as (select 1 union all select n + 1 from n) \
                   insert into kept select max(n) from n";
    let late = endless.script(forever.to_owned()).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    drop(endless);
    // It has released the write lock.
    let mut next = db.begin().await.expect("begun");
    next.script("insert into kept values (1)".to_owned()).await.expect("written");
    next.commit().await.expect("committed");
    assert_eq!(count(&db).await, 1);
}

/// It would end the server's wait for a synchronous standby, which the server reports as a success.
#[tokio::test]
async fn no_statement_timeout_is_at_work_in_a_commit() {
    let Some(store) = with_table(Backend::Postgres).await else { return };
    let mut tx = store.db.begin().await.expect("begun");
    let trigger = "create table seen (value text); \
        create function look() returns trigger language plpgsql as $$ begin \
            insert into seen values (current_setting('statement_timeout')); return null; \
        end $$; \
        create constraint trigger look after insert on kept \
            deferrable initially deferred for each row execute function look(); \
        insert into kept values (1)";
    tx.script(trigger.to_owned()).await.expect("made");
    tx.commit().await.expect("committed");
    let (seen,): (String,) =
        Target::from(&store.db).query("select value from seen").one().await.expect("read");
    assert_eq!(seen, "0");
}

#[tokio::test]
async fn connections_that_nobody_needs_are_given_back() {
    let Some(store) = Store::empty(Backend::Postgres).await else { return };
    let mut pids: Vec<i64> = Vec::new();
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut tx = store.db.begin().await.expect("begun");
        let sql = "select pg_backend_pid()::bigint";
        let (pid,) = tx.query(sql).one().await.expect("read");
        pids.push(pid);
        busy.push(tx);
    }
    for tx in busy {
        tx.commit().await.expect("committed");
    }
    let left = async || {
        let sql = "select count(*) from pg_stat_activity where pid = any($1)";
        let query = Target::from(&store.db).query(sql).bind_list(pids.clone());
        let (left,): (i64,) = query.one().await.expect("read");
        left
    };
    store.db.close_idle(Duration::from_secs(60)).await;
    assert_eq!(left().await, 3);
    store.db.close_idle(Duration::ZERO).await;
    let look = async || (left().await == 0).then_some(());
    eventually(Duration::from_secs(10), "idle connections are closed", look).await;
}
