//! Retention: old messages go, everybody learns of it, and what is left is exact.

use std::sync::Arc;
use std::time::Duration;

use meowsenger::actions::doctor::{self, Checkup, Outcome};
use meowsenger::actions::retention;
use meowsenger::store::Target;
use meowsenger_client::{ChatId, Options, Replica, Seq, Server};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::socket::DEADLINE;
use crate::support::{Backend, Client, PASSWORD, Socket, TestApp, eventually};

/// A server that keeps messages for a minute.
async fn forgetful(backend: Backend) -> Option<TestApp> {
    TestApp::start_with(backend, &[("RETENTION_MESSAGES", "60s")]).await
}

/// Lets all messages so far become old, without removing them: that takes a sweep.
fn age(server: &TestApp) {
    server.app.clock.advance(Duration::from_secs(65));
}

async fn sweep(server: &TestApp) {
    retention::sweep(Arc::clone(&server.app), Arc::default()).await.expect("swept");
}

/// Asserts that `doctor` finds nothing.
async fn is_healthy(server: &TestApp) {
    let checkup = Checkup {
        db: &server.app.db,
        files: &server.app.media.files,
        clock: &server.app.clock,
        fix: false,
        settle: Duration::ZERO,
        report: &mut |defect| panic!("{defect:?}"),
        outcome: Outcome::default(),
    };
    doctor::run(checkup).await.expect("checked");
}

async fn contents(user: &Client, path: &str) -> Vec<Value> {
    user.walk(path, "next").await.iter().map(|message| message["content"].clone()).collect()
}

/// The messages that a client keeps of a chat.
fn kept(replica: &Replica, chat: i64) -> Vec<i64> {
    let known = replica.chat(ChatId(chat));
    known.into_iter().flat_map(|known| known.messages().keys()).map(|seq| seq.0).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_messages_are_removed_and_the_rest_stays_exact(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = forgetful(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let (path, all) = (format!("/api/chats/{chat}/"), format!("/api/chats/{chat}/messages/"));
    let mut old = Vec::new();
    for number in 1..=5 {
        old.push(tom.say(chat, &format!("old {number}")).await);
    }
    tom.delete(&format!("/api/messages/{}/", old[2]["id"])).await.expect(204);
    kitty.post(&format!("{path}read/"), json!({"seq": 1})).await.expect(200);
    let known = kitty.get(&path).await.expect(200).json;
    age(&server);
    for number in 1..=4 {
        tom.say(chat, &format!("new {number}")).await;
    }
    let third = tom.walk(&all, "next").await[1]["id"].clone();
    tom.delete(&format!("/api/messages/{third}/")).await.expect(204);
    let before = kitty.get(&path).await.expect(200).json;
    assert_eq!(before["unread_count"], 6);
    let mut socket = Socket::open(&kitty).await;
    sweep(&server).await;

    let version = before["version"].as_i64().expect("a number") + 1;
    let removed = json!({"type": "messages.removed", "chat": chat, "version": version,
                         "first_seq": 6});
    assert_eq!(socket.next_of("messages.removed").await, removed);
    let after = kitty.get(&path).await.expect(200).json;
    let expected = json!([version, 6, 9, 3, 1]);
    let found = ["version", "first_seq", "last_seq", "unread_count", "last_read_seq"];
    assert_eq!(Value::from(found.map(|field| after[field].clone()).to_vec()), expected);
    assert_eq!(kitty.get("/api/chats/unread/").await.expect(200).json["messages"], 3);
    for message in &old {
        kitty.get(&format!("/api/messages/{}/", message["id"])).await.expect(404);
    }

    // Every list begins where the messages do, and ends there.
    let newest_first = ["new 4", "", "new 2", "new 1"];
    let oldest_first = ["new 1", "new 2", "", "new 4"];
    for size in [1, 3, 50] {
        let page = |query: &str| format!("{all}?page_size={size}{query}");
        assert_eq!(contents(&kitty, &page("")).await, newest_first);
        assert_eq!(contents(&kitty, &page("&before=99")).await, newest_first);
        assert_eq!(contents(&kitty, &page("&after=0")).await, oldest_first);
        assert_eq!(contents(&kitty, &page("&after=3")).await, oldest_first);
        assert_eq!(contents(&kitty, &page("&before=6")).await, [""; 0]);
    }
    let around = kitty.get(&format!("{all}?around=2&page_size=50")).await.expect(200);
    assert_eq!(around.column("content"), oldest_first);
    assert_eq!((&around.json["previous"], &around.json["next"]), (&json!(null), &json!(null)));

    // A client that was away gets what is left of what it missed.
    let body = json!({"versions": {chat.to_string(): known["version"]}});
    let sync = kitty.post("/api/sync/", body).await.expect(200).json;
    assert_eq!(sync["changes"][0]["chat"]["first_seq"], 6);
    let seqs = sync["changes"][0]["messages"].as_array().expect("a list").iter();
    assert_eq!(seqs.map(|message| &message["seq"]).collect::<Vec<_>>(), [6, 7, 9, 8]);

    // Nothing more is due.
    sweep(&server).await;
    assert_eq!(kitty.get(&path).await.expect(200).json["version"], version);
    let count = "select count(*) from messages";
    let (rows,): (i64,) = Target::from(&server.app.db).query(count).one().await.expect("read");
    assert_eq!(rows, 4);
    is_healthy(&server).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_mentions_and_pins_go_with_their_messages(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = forgetful(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let hail = format!("@{}", kitty.username);
    let mut messages = Vec::new();
    for at in 0..2 {
        if at == 1 {
            age(&server);
        }
        let message = tom.say(chat, &hail).await["id"].clone();
        kitty.put(&format!("/api/messages/{message}/reactions/🐈/"), json!(null)).await.expect(200);
        tom.put(&format!("/api/messages/{message}/pin/"), json!(null)).await.expect(200);
        messages.push(message);
    }
    let own = kitty.group(&[]).await;
    let forward = async |message: &Value| {
        kitty.post(&format!("/api/messages/{message}/forward/"), json!({"chats": [own]})).await
    };
    forward(&messages[0]).await.expect(201);
    assert_eq!(kitty.get(&format!("/api/chats/{chat}/")).await.json["unread_mentions"], 2);
    let pins = format!("/api/chats/{chat}/pins/");
    assert_eq!(kitty.walk(&pins, "next").await.len(), 2);
    sweep(&server).await;

    assert_eq!(kitty.get(&format!("/api/chats/{chat}/")).await.json["unread_mentions"], 1);
    assert_eq!(kitty.get("/api/chats/unread/").await.json["mentions"], 1);
    assert_eq!(kitty.get(&pins).await.column("id"), [messages[1].clone()]);
    let gone = format!("/api/messages/{}/", messages[0]);
    kitty.put(&format!("{gone}reactions/🐈/"), json!(null)).await.expect_not_found();
    kitty.get(&format!("{gone}reactions/")).await.expect_not_found();
    tom.put(&format!("{gone}pin/"), json!(null)).await.expect_not_found();
    forward(&messages[0]).await.expect_not_found();
    let kept = &kitty.messages(own).await[0]["forwarded_from"];
    assert_eq!(kept["user"]["id"], tom.id, "the forward is a message of its own");
    // The forward mentions her, too.
    for (count, left) in
        [("select count(*) from reactions", 1), ("select count(*) from mentions", 2)]
    {
        let (rows,): (i64,) = Target::from(&server.app.db).query(count).one().await.expect("read");
        assert_eq!(rows, left, "{count}");
    }
    is_healthy(&server).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_whose_messages_are_all_removed_goes_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = forgetful(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let (path, all) = (format!("/api/chats/{chat}/"), format!("/api/chats/{chat}/messages/"));
    tom.say(chat, "one").await;
    let two = tom.say(chat, "two").await;
    age(&server);
    sweep(&server).await;
    let empty = kitty.get(&path).await.expect(200).json;
    assert_eq!(empty["last_message"], json!(null));
    assert_eq!((&empty["last_seq"], &empty["unread_count"]), (&json!(2), &json!(0)));
    assert_eq!(empty["first_seq"], 3);
    let page = kitty.get(&all).await.expect(200).json;
    assert_eq!(page, json!({"next": null, "previous": null, "results": []}));
    let list = kitty.get("/api/chats/").await.expect(200);
    assert_eq!(list.column("id"), [chat]);
    let reply = json!({"content": "meow", "reply_to": two["id"]});
    kitty.post(&all, reply).await.expect(400);

    is_healthy(&server).await;

    let three = tom.say(chat, "three").await;
    assert_eq!(three["seq"], 3);
    assert_eq!(contents(&kitty, &format!("{all}?after=0")).await, ["three"]);
    assert_eq!(kitty.get(&path).await.expect(200).json["unread_count"], 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_drop_what_was_removed_while_they_were_there_or_away(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = forgetful(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let log_in = async || {
        let client = Server::new(&server.base).log_in(&kitty.username, PASSWORD).await;
        client.expect("logged in")
    };
    let holds = async |live: &meowsenger_client::Connection, seqs: &[i64], unread: i64| {
        let look = async || {
            let replica = live.replica();
            let count = replica.chat(ChatId(chat)).map(|known| known.chat().unread_count);
            (kept(&replica, chat) == seqs && count == Some(unread)).then_some(())
        };
        eventually(DEADLINE, &format!("{seqs:?}, {unread} unread"), look).await;
    };
    let (there, mut events) = log_in().await.connect(Options::default());
    events.next().await.expect("connected");
    // Of a chat that is new to it, its first sync brings the newest message only.
    holds(&there, &[], 0).await;
    for text in ["one", "two", "three"] {
        tom.say(chat, text).await;
    }
    holds(&there, &[1, 2, 3], 3).await;
    let stored = there.replica().clone();
    age(&server);
    tom.say(chat, "four").await;
    holds(&there, &[1, 2, 3, 4], 4).await;
    sweep(&server).await;
    holds(&there, &[4], 1).await;
    assert_eq!(there.replica().chat(ChatId(chat)).expect("known").complete_from(), Seq(4));

    let (away, _events) = log_in().await.connect(Options::default().replica(stored));
    holds(&away, &[4], 1).await;
    assert_eq!(away.replica().chat(ChatId(chat)), there.replica().chat(ChatId(chat)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audit_rows_are_removed_after_their_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start_with(backend, &[("RETENTION_AUDIT", "60s")]).await else {
        return;
    };
    let count = async || {
        let count = "select count(*) from audit";
        let (rows,): (i64,) = Target::from(&server.app.db).query(count).one().await.expect("read");
        rows
    };
    let insert = async || {
        let mut tx = server.app.db.begin().await.expect("begun");
        let sql = "insert into audit (at, actor_id, action, target_id) values ($1, 1, 'odd', 1)";
        tx.query(sql).bind(server.app.clock.now()).execute().await.expect("inserted");
        tx.commit().await.expect("committed");
    };
    insert().await;
    age(&server);
    insert().await;
    sweep(&server).await;
    assert_eq!(count().await, 1);
}
