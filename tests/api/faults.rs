//! The database fails under load: unacknowledged sends get a proper error and can be retried;
//! acknowledged ones exist once, and their events are delivered.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::watch;

use crate::support::{Backend, Client, Ledger, Replica, Socket, TestApp};

const WRITERS: usize = 8;
/// Messages of each writer.
const MESSAGES: usize = 40;
const FAULTS: usize = 15;

/// Sends messages one by one, each until it is acknowledged. Returns the number of refusals.
async fn write(
    client: &Client,
    number: usize,
    chat: i64,
    ledger: &Ledger,
    done: &watch::Sender<usize>,
) -> usize {
    let mut socket = Socket::open(client).await;
    let mut refusals = 0;
    for n in 0..MESSAGES {
        let client_id = format!("w{number}-{n}");
        let body = json!({"content": client_id, "client_id": client_id});
        let message = loop {
            match attempt(client, &mut socket, number.is_multiple_of(2), chat, body.clone()).await {
                Some(message) => break message,
                None => refusals += 1,
            }
        };
        ledger.acknowledged(client_id, message);
        done.send_modify(|done| *done += 1);
    }
    refusals
}

/// `None` if the server answers 503; any other refusal fails the test.
async fn attempt(
    client: &Client,
    socket: &mut Socket,
    over_rest: bool,
    chat: i64,
    mut body: Value,
) -> Option<Value> {
    if over_rest {
        let answer = client.post(&format!("/api/chats/{chat}/messages/"), body).await;
        return match answer.status.as_u16() {
            200 | 201 => Some(answer.json),
            503 if answer.header("retry-after").is_some() => None,
            _ => panic!("{answer:?}"),
        };
    }
    (body["type"], body["chat"]) = (json!("message.send"), json!(chat));
    let frame = socket.request(body).await;
    match (frame["type"].as_str(), frame["code"].as_str()) {
        (Some("ack"), _) => Some(frame["message"].clone()),
        (_, Some("unavailable")) => None,
        _ => panic!("{frame}"),
    }
}

/// Terminates every connection that is in a transaction in this test's schema.
async fn terminate(admin: &PgPool) -> i64 {
    let sql = "select count(pg_terminate_backend(pid)) \
               from (select distinct pid from pg_locks \
                     where relation = 'messages'::regclass and pid <> pg_backend_pid()) busy";
    sqlx::query_scalar(sql).fetch_one(admin).await.expect("terminated")
}

/// Not for SQLite, which has no connection to lose; `tests/crash.rs` kills its process.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_lost_in_mid_transaction_lose_repeat_and_hide_nothing() {
    let Some(server) = TestApp::start(Backend::Postgres).await else { return };
    let admin = PgPool::connect(&server.variables["DATABASE_URL"]).await.expect("connected");
    let clients = join_all((0..WRITERS).map(|_| server.user("writer"))).await;
    let listener = server.user("listener").await;
    let chat = listener.group(&clients.iter().collect::<Vec<_>>()).await;
    let mut socket = Socket::open(&listener).await;

    let ledger = Ledger::default();
    let (done, mut progress) = watch::channel(0);
    let writing = clients
        .iter()
        .enumerate()
        .map(|(number, client)| write(client, number, chat, &ledger, &done));
    let faulting = async {
        let mut terminated = 0;
        for fault in 1..=FAULTS {
            let due = fault * WRITERS * MESSAGES / (FAULTS + 1);
            progress.wait_for(|done| *done >= due).await.expect("they write");
            // Transactions are short, so this is repeated until it hits one.
            while *progress.borrow() < WRITERS * MESSAGES {
                let met = terminate(&admin).await;
                terminated += met;
                if met > 0 {
                    break;
                }
            }
        }
        terminated
    };
    let (refusals, terminated) = tokio::join!(join_all(writing), faulting);
    let refusals: usize = refusals.iter().sum();
    assert!(terminated > 0 && refusals > 0, "{terminated} terminated, {refusals} refused");

    let found = ledger.check(&listener, &[chat]).await;
    assert_eq!((found.len(), ledger.count()), (WRITERS * MESSAGES, WRITERS * MESSAGES));
    // The events of a commit whose answer was lost are delivered, too.
    let mut replica = Replica::default();
    replica.begin(&socket.ready);
    while replica.version(chat) < found.len() as i64 + 1 {
        replica.hear(&socket.next().await);
    }
    assert!(replica.resyncs.is_empty());
    for message in replica.chats[&chat].messages.values() {
        let name = message["client_id"].as_str().expect("a client_id");
        assert_eq!(message["id"], found[name]["id"]);
    }
}
