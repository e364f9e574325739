//! The database goes silent, accepts no writes, or returns any of the errors that mean "not this server,
//! not now": no call waits for long or gets 500, and everything works again by itself.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, timeout};

use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp, eventually};

/// The deadline for answers during a fault, and for recovery after it.
const SOON: Duration = Duration::from_secs(10);

async fn send(client: &Client, chat: i64, content: &str) -> Answer {
    let body = json!({"content": content, "client_id": content});
    client.post(&format!("/api/chats/{chat}/messages/"), body).await
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

/// Repeats a call until its status is not 503.
async fn until_served(what: &str, mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    let look = async || Some(ask().await).filter(|answer| answer.status != 503);
    eventually(SOON, &format!("{what} is not 503"), look).await
}

async fn direct(server: &TestApp) -> PgConnection {
    PgConnection::connect(&server.variables["DATABASE_URL"]).await.expect("connected")
}

/// Waits until a transaction waits for a lock on this table of the test's schema.
async fn until_somebody_waits(admin: &mut PgConnection, table: &str) {
    let sql = format!(
        "select count(*) from pg_locks where relation = '{table}'::regclass and not granted"
    );
    let look = async || {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql.as_str()))
            .fetch_one(&mut *admin)
            .await
            .expect("read");
        (count > 0).then_some(())
    };
    eventually(SOON, "a transaction waits for the lock", look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committer_whose_connection_falls_silent_holds_nobody_up() {
    let Some((node, other, proxy)) = TestApp::start_behind_proxy().await else { return };
    let (alice, bob) = (node.user("alice").await, node.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut admin = direct(&other).await;
    let mut lock = direct(&other).await;
    let mut locked = lock.begin().await.expect("begun");
    let sql = sqlx::raw_sql("lock table messages in access exclusive mode");
    sql.execute(&mut *locked).await.expect("locked");

    let since = Instant::now();
    let first = {
        let alice = alice.clone();
        node.app.spawn(async move { send(&alice, chat, "first").await })
    };
    until_somebody_waits(&mut admin, "messages").await;
    proxy.freeze();
    let queued = send(&alice, chat, "queued").await;
    let first = first.await.expect("answered");
    assert_unavailable(&first);
    assert!([201, 503].contains(&queued.status.as_u16()), "{queued:?}");
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    locked.rollback().await.expect("unlocked");

    // New connections work; the dead ones are not tried one by one.
    let since = Instant::now();
    for content in ["first", "queued"] {
        let answer = until_served("a send", || send(&alice, chat, content)).await;
        assert!([200, 201].contains(&answer.status.as_u16()), "{answer:?}");
    }
    assert_eq!(until_served("readyz", || bob.get("/readyz")).await.status, 200);
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    let page = bob.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    assert_eq!(page.json["results"].as_array().map(Vec::len), Some(2), "{page:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_line_is_503_and_all_works_again_once_it_is_back() {
    let Some((node, other, proxy)) = TestApp::start_behind_proxy().await else { return };
    let (alice, bob) = (node.user("alice").await, node.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    send(&alice, chat, "before").await.expect(201);
    let mut socket = Socket::open(&bob).await;
    let stranger = node.anonymous();

    proxy.stall(true);
    let since = Instant::now();
    let messages = format!("/api/chats/{chat}/messages/");
    let (sent, read, ready, login) = tokio::join!(
        send(&alice, chat, "meanwhile"),
        alice.get(&messages),
        alice.get("/readyz"),
        stranger.login(&alice.username, PASSWORD)
    );
    for answer in [&sent, &read, &ready, &login] {
        assert_unavailable(answer);
    }
    assert_eq!(ready.json["reason"], "database", "{ready:?}");
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    // A node that reaches the database ends the session.
    Client { base: other.base.clone(), ..bob.clone() }
        .post("/api/auth/logout/", json!({"refresh": bob.refresh}))
        .await
        .expect(204);

    proxy.stall(false);
    let since = Instant::now();
    until_served("a send", || send(&alice, chat, "meanwhile")).await;
    until_served("readyz", || alice.get("/readyz")).await.expect(200);
    until_served("a login", || stranger.login(&alice.username, PASSWORD)).await.expect(200);
    assert_eq!(timeout(SOON, socket.closed()).await.expect("closed in time").0, 4001);
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_long_not_reached_its_database_closes_its_sockets() {
    let Some((node, other, proxy)) = TestApp::start_behind_proxy().await else { return };
    let (alice, bob) = (other.user("alice").await, other.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let at_node = Client { base: node.base.clone(), ..bob.clone() };
    let mut blind = Socket::open(&at_node).await;
    let mut well = Socket::open(&bob).await;

    proxy.stall(true);
    // Four times the timeout of a statement (1 s, and 1 s more), and once that for a connection.
    assert_eq!(timeout(2 * SOON, blind.closed()).await.expect("closed in time").0, 1012);
    let token = format!("Bearer {}", bob.access);
    let refused = Socket::dial(&at_node, "/ws/", &[("authorization", &token)]).await.err();
    assert!(refused.is_some_and(|error| error.to_string().contains("503")));
    // The other node goes on.
    let message = alice.say(chat, "meow").await;
    assert_eq!(well.next_of("message.created").await["message"], message);

    proxy.stall(false);
    until_served("readyz", || at_node.get("/readyz")).await.expect(200);
    assert_eq!(Socket::open(&at_node).await.version_of(chat), 2);
}

/// As a node that is paused in the middle of a transaction holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_stays_locked_can_be_changed_later() {
    let hasty = [("DATABASE_STATEMENT_TIMEOUT", "1s")];
    let Some(server) = TestApp::start_with(Backend::Postgres, &hasty).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.group(&[&bob]).await;
    let message = send(&alice, chat, "meow").await.expect(201).json["id"].clone();
    let (chat, message) = (format!("/api/chats/{chat}/"), format!("/api/messages/{message}/"));
    let mut lock = direct(&server).await;
    let mut locked = lock.begin().await.expect("begun");
    let sql = sqlx::raw_sql("select from chats for update");
    sql.execute(&mut *locked).await.expect("locked");

    assert_unavailable(&alice.put(&message, json!({"content": "purr"})).await);
    assert_unavailable(&alice.delete(&message).await);
    assert_unavailable(&bob.delete(&message).await);
    assert_unavailable(&alice.patch(&chat, json!({"name": "garden"})).await);
    assert_unavailable(&alice.delete(&chat).await);
    let members = format!("{chat}members/");
    assert_unavailable(&alice.post(&members, json!({"user": bob.id})).await);
    assert_unavailable(&bob.delete(&format!("{members}{}/", bob.id)).await);

    locked.rollback().await.expect("released");
    bob.delete(&message).await.expect(403);
    alice.delete(&message).await.expect(204);
    alice.delete(&chat).await.expect(204);
}

/// A separate role for the server, so that its settings affect nobody else.
async fn with_role_of_its_own() -> Option<(TestApp, PgConnection, String)> {
    let server = TestApp::start(Backend::Postgres).await?;
    let mut admin = direct(&server).await;
    let role = format!("role_of_{}", server.app.nodes.name);
    run(&mut admin, format!("create role {role} superuser login")).await;
    let mut url: url::Url = server.variables["DATABASE_URL"].parse().expect("a URL");
    url.set_username(&role).expect("set");
    let url = url.to_string();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_CONNECT_TIMEOUT", "1s"),
        ("DATABASE_STATEMENT_TIMEOUT", "1s"),
    ];
    Some((TestApp::start_with(Backend::Postgres, &settings).await?, admin, role))
}

async fn run(admin: &mut PgConnection, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(admin).await.expect("run");
}

/// Terminates the role's connections, like a server that becomes a standby.
async fn restart(admin: &mut PgConnection, role: &str) {
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity where usename = ";
    run(admin, format!("{sql}'{role}'")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_not_used_and_left_as_soon_as_it_does() {
    let Some((server, mut admin, role)) = with_role_of_its_own().await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;

    run(&mut admin, format!("alter role {role} set default_transaction_read_only = on")).await;
    restart(&mut admin, &role).await;
    for _ in 0..3 {
        assert_unavailable(&send(&alice, chat, "meow").await);
        assert_unavailable(&server.anonymous().login(&alice.username, PASSWORD).await);
    }
    let ready = alice.get("/readyz").await;
    assert_unavailable(&ready);
    assert_eq!(ready.json["reason"], "database", "{ready:?}");

    run(&mut admin, format!("alter role {role} reset default_transaction_read_only")).await;
    until_served("a send", || send(&alice, chat, "meow")).await.expect(201);
    until_served("readyz", || alice.get("/readyz")).await.expect(200);
    server.anonymous().login(&alice.username, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_turned_read_only_is_thrown_away_with_the_first_write() {
    let settings = [("DATABASE_POOL_SIZE", "2")];
    let Some(server) = TestApp::start_with(Backend::Postgres, &settings).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    // Both at once, so that both connections of the pool are used.
    let (mut one, mut other) =
        (server.app.db.begin().await.expect("begun"), server.app.db.begin().await.expect("begun"));
    for tx in [&mut one, &mut other] {
        let sql = "set session characteristics as transaction read only";
        tx.script(sql.to_owned()).await.expect("set");
    }
    one.commit().await.expect("committed");
    other.commit().await.expect("committed");

    let refused = send(&alice, chat, "meow").await;
    // A background task may have used them first.
    assert!([201, 503].contains(&refused.status.as_u16()), "{refused:?}");
    let answer = send(&alice, chat, "meow").await;
    assert!([200, 201].contains(&answer.status.as_u16()), "{answer:?}");
}

/// A trigger refuses messages with this SQLSTATE, as often as the sequence says.
async fn refuse_with(server: &TestApp, code: &str, times: u32) {
    server
        .script(&format!(
            "drop sequence if exists refusals; create sequence refusals; \
             create or replace function refuse() returns trigger language plpgsql as $$ begin \
                 if nextval('refusals') <= {times} then \
                     raise exception 'meow' using errcode = '{code}'; \
                 end if; \
                 return new; \
             end $$; \
             create or replace trigger refuse before insert on messages \
                 for each row execute function refuse();"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_now_is_503_in_each_of_its_ways_and_a_deadlock_is_tried_again() {
    let Some(server) = TestApp::start(Backend::Postgres).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    for code in ["25006", "53100", "53200", "57P01", "57P03", "57014", "58030", "08006", "55P03"] {
        refuse_with(&server, code, 1).await;
        assert_unavailable(&send(&alice, chat, code).await);
        send(&alice, chat, code).await.expect(201);
    }
    for code in ["40001", "40P01"] {
        refuse_with(&server, code, 2).await;
        send(&alice, chat, code).await.expect(201);
    }
    // The number of retries is limited.
    refuse_with(&server, "40001", 1_000).await;
    assert_unavailable(&send(&alice, chat, "again and again").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_outcome_is_lost_is_said_to_be_and_repeated_without_harm() {
    let Some((node, other, proxy)) = TestApp::start_behind_proxy().await else { return };
    let (alice, bob) = (node.user("alice").await, node.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let mut admin = direct(&other).await;
    let mut lock = direct(&other).await;
    // The commit waits in a deferred trigger for this lock.
    other
        .script(
            "create table gate (n int); \
             create function pass() returns trigger language plpgsql as $$ begin \
                 lock table gate; return null; \
             end $$; \
             create constraint trigger pass after insert on messages \
                 deferrable initially deferred for each row execute function pass();",
        )
        .await;
    let mut locked = lock.begin().await.expect("begun");
    sqlx::raw_sql("lock table gate").execute(&mut *locked).await.expect("locked");

    let sending = {
        let alice = alice.clone();
        node.app.spawn(async move { send(&alice, chat, "meow").await })
    };
    until_somebody_waits(&mut admin, "gate").await;
    proxy.freeze();
    locked.rollback().await.expect("unlocked");
    let answer = sending.await.expect("answered");
    assert_unavailable(&answer);
    assert!(answer.json["detail"].as_str().expect("text").contains("unknown"), "{answer:?}");
    // It was committed: the same message is returned, and there is no second one.
    until_served("the repetition", || send(&alice, chat, "meow")).await.expect(200);
    let page = bob.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    let found: Vec<&Value> = page.json["results"].as_array().expect("a list").iter().collect();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_looks_at_the_migrations_each_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let client = server.anonymous();
    client.get("/readyz").await.expect(200);
    server.script("create table kept as select * from migrations; delete from migrations;").await;
    let look = async || Some(client.get("/readyz").await).filter(|answer| answer.status == 503);
    let answer = eventually(SOON, "/readyz notices that migrations are missing", look).await;
    assert_eq!(answer.json["reason"], "migrations", "{answer:?}");
    server.script("insert into migrations select * from kept;").await;
    until_served("readyz", || client.get("/readyz")).await.expect(200);
}
