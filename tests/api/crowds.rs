//! Groups of ten thousand, and ten thousand connects and disconnects: their cost for others.

use std::time::{Duration, Instant};

use meowsenger::domain::ids::{SessionId, UserId};
use meowsenger::store::Target;
use rstest::rstest;

use crate::support::{Backend, Client, Socket, TestApp, eventually};

/// The maximum size of a group.
const CROWD: i64 = 10_000;
/// A quadratic statement takes ten seconds or more for them, and several times that in a debug build.
const PROMPT: Duration = Duration::from_secs(4);
/// The first id of these users.
const FIRST: i64 = 100_000;

/// Creates `CROWD` users who cannot log in.
async fn crowd(server: &TestApp) {
    run(
        server,
        "insert into users (id, username, username_key, password, date_joined) \
         select n, 'crowd' || n, 'crowd' || n, '!', $1 from s",
    )
    .await;
}

/// Adds these users to a group that the owner creates.
async fn fill(server: &TestApp, chat: i64) {
    let mut tx = server.app.db.begin().await.expect("begun");
    let counted = "update chats set members_count = members_count + $2 where id = $1";
    let counted = tx.query(counted).bind(chat).bind(CROWD);
    counted.execute().await.expect("counted");
    tx.commit().await.expect("committed");
    let joined = format!(
        "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                              last_read_seq) \
         select {chat}, n, 'member', $1, 0, 0 from s"
    );
    run(server, joined.leak()).await;
}

async fn run(server: &TestApp, insert: &'static str) {
    let series = format!(
        "with recursive s (n) as (select {FIRST} union all select n + 1 from s where n < {})",
        FIRST + CROWD - 1
    );
    let mut tx = server.app.db.begin().await.expect("begun");
    let query = tx.query(&*format!("{series} {insert}").leak());
    query.bind(server.app.clock.now()).execute().await.expect("inserted");
    tx.commit().await.expect("committed");
}

/// Sends messages until stopped. Returns the time of the slowest one.
async fn chatter(
    client: &Client,
    chat: i64,
    mut done: tokio::sync::oneshot::Receiver<()>,
) -> Duration {
    let mut slowest = Duration::ZERO;
    while done.try_recv().is_err() {
        let begun = Instant::now();
        client.say(chat, "meow").await;
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_large_group_holds_up_nobody(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (owner, tom, kitty) =
        (server.user("owner").await, server.user("tom").await, server.user("kitty").await);
    let (large, other) = (owner.group(&[&kitty]).await, tom.private_chat(&kitty).await);
    crowd(&server).await;
    fill(&server, large).await;
    let mut socket = Socket::open(&kitty).await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let ending = async {
        let begun = Instant::now();
        owner.delete(&format!("/api/chats/{large}/")).await.expect(204);
        stop.send(()).expect("somebody to stop");
        begun.elapsed()
    };
    let (took, slowest) = tokio::join!(ending, chatter(&tom, other, stopped));
    assert!(took < PROMPT, "ended in {took:?}");
    assert!(slowest < PROMPT, "a send took {slowest:?}");
    assert_eq!(socket.next_of("chat.deleted").await["chat"], large);
    let left = Target::from(&server.app.db)
        .query("select count(*) from members where chat_id = $1")
        .bind(large);
    assert_eq!(left.one::<(i64,)>().await.expect("counted"), (0,));
    kitty.get(&format!("/api/chats/{large}/")).await.expect(404);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receipts_of_a_crowd_are_bounded_and_counted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    crowd(&server).await;
    fill(&server, chat).await;
    let message = tom.say(chat, "meow").await;
    let path = format!("/api/messages/{}/receipts/", message["id"]);
    let mut tx = server.app.db.begin().await.expect("begun");
    for read in [
        "update members set last_delivered_seq = 1 where user_id >= $1",
        "update members set last_read_seq = 1 where user_id >= $1 + 6000",
    ] {
        tx.query(read).bind(FIRST).execute().await.expect("read");
    }
    tx.commit().await.expect("committed");
    let receipts = kitty.get(&path).await.expect(200).json;
    assert_eq!(
        (&receipts["read_count"], &receipts["delivered_count"]),
        (&4_000.into(), &6_000.into())
    );
    for (list, first) in [("read", FIRST + 6_000), ("delivered", FIRST)] {
        let list = receipts[list].as_array().expect("a list");
        assert_eq!((list.len(), &list[0]["id"]), (1_000, &first.into()));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_come_and_go_by_the_thousand_hold_up_no_message(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    crowd(&server).await;
    let mut socket = Socket::open(&kitty).await;
    let hub = &server.app.hub;
    let connections: Vec<_> = (FIRST..FIRST + CROWD)
        .map(|id| hub.connect(UserId(id), SessionId(1), 1).expect("room"))
        .collect();
    for leaving in [false, true] {
        if leaving {
            let now = server.app.clock.uptime();
            connections.iter().for_each(|connection| hub.disconnect(connection, now));
            server.app.clock.advance(Duration::from_secs(11));
        }
        // Until all of it has been written.
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let written = async {
            let expected = if leaving { 0 } else { CROWD };
            let look = async || (rows(&server).await == expected).then_some(());
            eventually(5 * PROMPT, "the whole crowd is written", look).await;
            stop.send(()).expect("somebody to stop");
        };
        let ((), slowest) = tokio::join!(written, chatter(&tom, chat, stopped));
        assert!(slowest < PROMPT, "a send took {slowest:?}");
        socket.next_of("message.created").await;
    }
}

/// How many of these users are online, according to the database.
async fn rows(server: &TestApp) -> i64 {
    let query = Target::from(&server.app.db)
        .query("select count(*) from presence where user_id >= $1 and connections > 0");
    query.bind(FIRST).one::<(i64,)>().await.expect("counted").0
}
