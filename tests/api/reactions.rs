//! Reactions to messages: adding, removing and listing them, and what others see.

use futures_util::future::join_all;
use meowsenger::domain::emoji::Emoji;
use meowsenger::domain::ids::{MessageId, UserId};
use meowsenger::domain::reactions::ReactionChange;
use meowsenger::store::Target;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, Socket, TestApp};

const TOMBSTONE: &str = "A deleted message has no reactions.";
const NOT_AN_EMOJI: &str = "Enter a valid emoji.";

fn path(message: &Value, emoji: &str) -> String {
    let emoji: String = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/api/messages/{}/reactions/{emoji}/", message["id"])
}

async fn react(client: &Client, message: &Value, emoji: &str) -> Answer {
    client.put(&path(message, emoji), Value::Null).await
}

async fn unreact(client: &Client, message: &Value, emoji: &str) -> Answer {
    client.delete(&path(message, emoji)).await
}

fn summary(emoji: &str, users: &[&Client]) -> Value {
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    json!({"emoji": emoji, "count": users.len(), "users": ids})
}

async fn listed(client: &Client, message: &Value, query: &str) -> Vec<(String, i64)> {
    let path = format!("/api/messages/{}/reactions/?page_size=2{query}", message["id"]);
    let rows = client.walk(&path, "next").await;
    let row = |row: &Value| {
        assert!(row["created_at"].is_string(), "{row}");
        let emoji = row["emoji"].as_str().expect("an emoji").to_owned();
        (emoji, row["user"]["id"].as_i64().expect("an id"))
    };
    rows.iter().map(row).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_is_one_version_and_one_event_with_the_whole_message(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let mut message = tom.say(chat, "meow").await;
    assert_eq!(message["reactions"], json!([]));
    let mut socket = Socket::open(&kitty).await;

    let reacted = react(&kitty, &message, "👍").await.expect(200).json;
    message["version"] = json!(3);
    message["reactions"] = json!([summary("👍", &[&kitty])]);
    message["status"] = reacted["status"].clone();
    assert_eq!(reacted, message, "edited_at stays null");
    let event = json!({"type": "message.updated", "chat": chat, "version": 3, "message": message});
    assert_eq!(socket.next().await, event);

    // By socket, with another form of the same emoji.
    let frame = |emoji: &str, active| json!({"type": "message.react", "message": message["id"], "emoji": emoji, "active": active});
    let mut toms = Socket::open(&tom).await;
    let again = toms.request(frame("👍\u{fe0f}", true)).await;
    let thumbs = summary("👍", &[&kitty, &tom]);
    assert_eq!(
        (&again["message"]["version"], &again["message"]["reactions"]),
        (&json!(4), &json!([thumbs]))
    );
    let hearted = react(&tom, &message, "❤").await.expect(200).json;
    assert_eq!(hearted["reactions"], json!([thumbs, summary("❤️", &[&tom])]));
    assert_eq!(socket.next().await["version"], 4);
    assert_eq!(socket.next().await["message"], hearted);

    // What is so already takes no version, and makes no event.
    assert_eq!(react(&tom, &message, "❤️").await.expect(200).json, hearted);
    assert_eq!(unreact(&kitty, &message, "❤️").await.expect(200).json, hearted);
    assert_eq!(toms.request(frame("🐈", false)).await["message"], hearted);
    assert!(socket.drain().await.is_empty());
    let seen = kitty.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    assert_eq!((&seen["version"], &seen["last_message"]), (&json!(5), &hearted));

    assert_eq!(
        listed(&tom, &message, "").await,
        [("👍".to_owned(), kitty.id), ("👍".to_owned(), tom.id), ("❤️".to_owned(), tom.id)]
    );
    assert_eq!(listed(&tom, &message, "&emoji=❤").await, [("❤️".to_owned(), tom.id)]);
    assert_eq!(listed(&tom, &message, "&emoji=🐈").await, []);

    // The first user's goes, the emoji keeps its place.
    let left = unreact(&kitty, &message, "👍").await.expect(200).json;
    assert_eq!(left["reactions"], json!([summary("👍", &[&tom]), summary("❤️", &[&tom])]));
    unreact(&tom, &message, "👍").await.expect(200);
    let back = react(&tom, &message, "👍").await.expect(200).json;
    assert_eq!(back["reactions"], json!([summary("❤️", &[&tom]), summary("👍", &[&tom])]));
    assert_eq!(back["version"], 8);

    // An edit keeps them; who was away gets them by sync.
    let edit = json!({"content": "purr"});
    let edited = tom.put(&format!("/api/messages/{}/", message["id"]), edit).await.expect(200).json;
    assert_eq!(edited["reactions"], back["reactions"]);
    let known = json!({"versions": {chat.to_string(): 2}});
    let changes = kitty.post("/api/sync/", known).await.expect(200).json;
    assert_eq!(changes["changes"][0]["messages"], json!([edited]));
    assert_eq!(kitty.messages(chat).await[0]["reactions"], edited["reactions"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_one_may_comes_before_the_state_and_that_before_the_emoji(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, stranger) =
        (server.user("tom").await, server.user("kitty").await, server.user("stranger").await);
    let chat = tom.private_chat(&kitty).await;
    let (message, gone) = (tom.say(chat, "meow").await, tom.say(chat, "hiss").await);
    react(&kitty, &gone, "👎").await.expect(200);
    tom.delete(&format!("/api/messages/{}/", gone["id"])).await.expect(204);
    let tombstone = tom.get(&format!("/api/messages/{}/", gone["id"])).await.expect(200).json;
    assert_eq!(tombstone["reactions"], json!([]));
    assert_eq!(listed(&tom, &gone, "").await, []);

    for emoji in ["👍", "meow", "👍👍", "1", "🏽"] {
        react(&stranger, &message, emoji).await.expect_not_found();
        unreact(&stranger, &message, emoji).await.expect_not_found();
        react(&kitty, &json!({"id": 999}), emoji).await.expect_not_found();
        react(&kitty, &gone, emoji).await.expect_detail(409, TOMBSTONE);
        unreact(&kitty, &gone, emoji).await.expect_detail(409, TOMBSTONE);
        let list = format!("/api/messages/{}/reactions/?emoji={emoji}", message["id"]);
        stranger.get(&list).await.expect_not_found();
        if emoji != "👍" {
            react(&kitty, &message, emoji).await.expect_fault("emoji", NOT_AN_EMOJI);
            unreact(&kitty, &message, emoji).await.expect_fault("emoji", NOT_AN_EMOJI);
            kitty.get(&list).await.expect_fault("emoji", NOT_AN_EMOJI);
        }
    }
    kitty.get(&format!("/api/messages/{}/reactions/?cursor=x", message["id"])).await.expect(404);
    // What is not even UTF-8 is no emoji.
    for bytes in ["%FF", "%F0%9F%91%8D%FF", "%F0%9F%91"] {
        let path = |id: &Value| format!("/api/messages/{id}/reactions/{bytes}/");
        for method in [Method::PUT, Method::DELETE] {
            let call = async |client: &Client, id: &Value| {
                Answer::of(client.request(method.clone(), &path(id))).await
            };
            call(&stranger, &message["id"]).await.expect_not_found();
            call(&kitty, &json!(999)).await.expect_not_found();
            call(&kitty, &json!(0)).await.expect_not_found();
            call(&kitty, &gone["id"]).await.expect_detail(409, TOMBSTONE);
            call(&kitty, &message["id"]).await.expect_fault("emoji", NOT_AN_EMOJI);
        }
        let list = format!("/api/messages/{}/reactions/?emoji={bytes}", message["id"]);
        stranger.get(&list).await.expect_not_found();
        kitty.get(&list).await.expect_fault("emoji", NOT_AN_EMOJI);
    }

    let mut socket = Socket::open(&kitty).await;
    for (message, emoji, active, code) in [
        (&message["id"], json!("x"), json!(true), "invalid"),
        (&message["id"], json!("👍"), json!("yes"), "invalid"),
        (&message["id"], Value::Null, Value::Null, "invalid"),
        (&Value::Null, json!("👍"), json!(true), "invalid"),
        (&gone["id"], json!("x"), json!(true), "conflict"),
        (&gone["id"], json!("👍"), json!(true), "conflict"),
        (&json!(999), json!("x"), json!(true), "not_found"),
        (&json!(999), json!("👍"), json!(true), "not_found"),
    ] {
        let frame =
            json!({"type": "message.react", "message": message, "emoji": emoji, "active": active});
        let answer = socket.request(frame.clone()).await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{frame}");
    }
    assert!(socket.drain().await.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_at_most_20_different_emoji(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let message = tom.say(chat, "meow").await;
    let emoji: Vec<_> = emojis::iter().map(|one| one.as_str()).take(25).collect();
    // At once, so that some share a transaction.
    let answers = join_all(emoji.iter().map(|emoji| react(&tom, &message, emoji))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(409)), (20, 5), "{answers:?}");
    let used = tom.get(&format!("/api/messages/{}/", message["id"])).await.json;
    let used = used["reactions"].as_array().expect("reactions");
    let full = "A message has at most 20 different emoji.";
    react(&kitty, &message, emojis::get("🐈").expect("a cat").as_str())
        .await
        .expect_detail(409, full);
    let first = used[0]["emoji"].as_str().expect("an emoji");
    react(&kitty, &message, first).await.expect(200);
    unreact(&tom, &message, used[1]["emoji"].as_str().expect("an emoji")).await.expect(200);
    react(&kitty, &message, "🐈").await.expect(200);
}

/// Adds users to a group who cannot log in, and their reactions.
async fn crowd(server: &TestApp, chat: i64, message: &Value, size: i64) -> Vec<i64> {
    let ids: Vec<i64> = (100_001..=100_000 + size).collect();
    let mut tx = server.app.db.begin().await.expect("begun");
    let series = format!(
        "with recursive s (n) as (select 100001 union all select n + 1 from s where n < {})",
        100_000 + size
    );
    for insert in [
        "insert into users (id, username, username_key, password, date_joined) \
         select n, 'crowd' || n, 'crowd' || n, '!', $1 from s"
            .to_owned(),
        format!(
            "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
         select {chat}, n, 'member', $1, 0, 0 from s"
        ),
        format!(
            "insert into reactions (message_id, user_id, emoji, created_at) \
         select {}, n, '🐈', $1 from s order by n",
            message["id"]
        ),
    ] {
        let query = tx.query(&*format!("{series} {insert}").leak());
        query.bind(server.app.clock.now()).execute().await.expect("inserted");
    }
    let extras = json!({"reactions": [{"emoji": "🐈", "count": size, "users": ids[..100]}]});
    tx.query("update messages set extras = $2 where id = $1")
        .bind(MessageId(message["id"].as_i64().expect("an id")))
        .bind(extras.to_string())
        .execute()
        .await
        .expect("updated");
    tx.commit().await.expect("committed");
    ids
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_names_the_first_hundred_also_when_some_of_them_go(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let message = tom.say(chat, "meow").await;
    react(&tom, &message, "🐈").await.expect(200);
    unreact(&tom, &message, "🐈").await.expect(200);
    let crowd = crowd(&server, chat, &message, 101).await;

    // Behind the first hundred: counted, and listed.
    let seen = react(&kitty, &message, "🐈").await.expect(200).json;
    assert_eq!(seen["reactions"][0]["count"], 102);
    assert_eq!(seen["reactions"][0]["users"], json!(crowd[..100]));
    react(&tom, &message, "🐈").await.expect(200);
    let seen = unreact(&kitty, &message, "🐈").await.expect(200).json;
    assert_eq!(seen["reactions"][0]["count"], 102);
    assert_eq!(seen["reactions"][0]["users"], json!(crowd[..100]));

    // Two of the first hundred go in one batch with somebody who comes.
    let changes = [(crowd[0], false), (kitty.id, true), (crowd[50], false)];
    let changes = changes.map(|(user, active)| {
        let change = ReactionChange {
            message: MessageId(message["id"].as_i64().expect("an id")),
            user: UserId(user),
            emoji: Emoji::parse("🐈").expect("a cat"),
            active,
        };
        server.app.reactions.push(change).expect("queued")
    });
    for answer in changes {
        answer.await.expect("answered").expect("committed");
    }
    let seen = tom.get(&format!("/api/messages/{}/", message["id"])).await.expect(200).json;
    let mut expected = crowd.clone();
    expected.retain(|id| ![crowd[0], crowd[50]].contains(id));
    expected.extend([tom.id, kitty.id]);
    assert_eq!(seen["reactions"][0]["count"], 101);
    assert_eq!(seen["reactions"][0]["users"], json!(expected[..100]));
    let listed = listed(&tom, &message, "&page_size=100").await;
    assert_eq!(listed.iter().map(|(_, user)| *user).collect::<Vec<_>>(), expected);
}

/// Fifty users, over both nodes, by REST and by socket.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_react_at_once_converge_and_the_summary_is_that_of_the_rows(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const USERS: usize = 50;
    const EMOJI: [&str; 4] = ["👍", "❤️", "😺", "👍🏽"];
    let Some(server) = TestApp::start(backend).await else { return };
    let second = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => Some(server.second_node().await),
    };
    let owner = server.user("owner").await;
    let users = join_all((0..USERS).map(|_| server.user("cat"))).await;
    let chat = owner.group(&users.iter().collect::<Vec<_>>()).await;
    let messages = [owner.say(chat, "meow").await, owner.say(chat, "purr").await];
    let before = owner.get(&format!("/api/chats/{chat}/")).await.json["version"].clone();
    let mut listener = Socket::open(&owner).await;
    let changed = join_all(users.iter().enumerate().map(|(n, user)| {
        let messages = &messages;
        let node = second.as_ref().filter(|_| n % 2 == 1).map_or(&user.base, |node| &node.base);
        let user = Client { base: node.clone(), ..user.clone() };
        async move {
            let mut socket = Socket::open(&user).await;
            let mut versions = Vec::new();
            for step in 0..8 {
                let (message, emoji) = (&messages[(n + step) % 2], EMOJI[(n * step) % EMOJI.len()]);
                let active = step % 3 != 2;
                let answer = match (step % 2, active) {
                    (0, _) => {
                        let frame = json!({"type": "message.react", "message": message["id"],
                                           "emoji": emoji, "active": active});
                        socket.request(frame).await["message"].clone()
                    }
                    (_, true) => react(&user, message, emoji).await.expect(200).json,
                    (_, false) => unreact(&user, message, emoji).await.expect(200).json,
                };
                versions.push(answer["version"].as_i64().expect("a version"));
            }
            versions
        }
    }))
    .await;

    let after = owner.get(&format!("/api/chats/{chat}/")).await.json["version"].clone();
    let (before, after) = (before.as_i64().expect("a version"), after.as_i64().expect("a version"));
    assert!(changed.concat().iter().all(|version| (2..=after).contains(version)));
    assert!(after - before > 100, "{before} to {after}");
    // Each event is the next version. Nodes without a bus miss some of each other's.
    let mut seen = Vec::new();
    for version in (before + 1..=after).filter(|_| second.is_none()) {
        let event = listener.next_of("message.updated").await;
        let versions = (&event["version"], &event["message"]["version"]);
        assert_eq!(versions, (&json!(version), &json!(version)));
        seen.push(event["message"].clone());
    }
    for message in &messages {
        let stored = owner.get(&format!("/api/messages/{}/", message["id"])).await.expect(200).json;
        let last = seen.iter().rev().find(|other| other["id"] == message["id"]);
        assert_eq!(last.map(|one| &one["reactions"]), last.map(|_| &stored["reactions"]));
        let rows: Vec<(String, i64)> = Target::from(&server.app.db)
            .query("select emoji, user_id from reactions where message_id = $1 order by id")
            .bind(MessageId(message["id"].as_i64().expect("an id")))
            .all()
            .await
            .expect("rows");
        let mut count = 0;
        for one in stored["reactions"].as_array().expect("reactions") {
            let of =
                rows.iter().filter(|(emoji, _)| one["emoji"] == **emoji).map(|(_, user)| *user);
            let of: Vec<_> = of.collect();
            assert_eq!((&one["count"], &one["users"]), (&json!(of.len()), &json!(of)));
            count += of.len();
        }
        assert_eq!(count, rows.len());
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_count_towards_the_rate_limit_of_messages(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("THROTTLE", "on"), ("THROTTLE_MESSAGES", "2/min")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let message = tom.say(tom.private_chat(&kitty).await, "meow").await;
    let mut statuses = Vec::new();
    for emoji in ["👍", "x", "👎", "🐈", "🐈", "🐈"] {
        statuses.push(react(&kitty, &message, emoji).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 400, 200, 200, 200, 429]);
}

/// All events of the other node are lost: there is no bus.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_without_a_bus_changed_arrives_in_order_or_is_missed_with_a_resync(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let elsewhere = server.second_node().await;
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let mut socket = Socket::open(&kitty).await;
    let tom = Client { base: elsewhere.base.clone(), ..tom };
    let messages = [tom.say(chat, "one").await, tom.say(chat, "two").await];
    react(&tom, &messages[0], "🐈").await.expect(200);
    tom.put(&format!("/api/messages/{}/pin/", messages[1]["id"]), Value::Null).await.expect(200);
    let forward = format!("/api/messages/{}/forward/", messages[0]["id"]);
    tom.post(&forward, json!({"chats": [chat]})).await.expect(201);
    react(&tom, &messages[0], "👍").await.expect(200);
    let version = async || kitty.get(&format!("/api/chats/{chat}/")).await.json["version"].clone();
    let (last, mut next) = (version().await.as_i64().expect("a number"), 2);
    let mut missed = false;
    while next <= last && !missed {
        let frame = socket.next().await;
        match frame["type"].as_str() {
            Some("resync") => missed = true,
            Some("message.created" | "message.updated") => {
                assert_eq!(frame["version"], next, "{frame}");
                next += 1;
            }
            other => panic!("an unexpected {other:?}"),
        }
    }
    // After that it goes on: one lost reaction is the event of its message.
    react(&tom, &messages[1], "🐾").await.expect(200);
    let wanted = version().await;
    let event = loop {
        let frame = socket.next().await;
        if frame["version"] == wanted {
            break frame;
        }
    };
    assert_eq!(event["type"], "message.updated");
    assert_eq!(event["message"]["reactions"], json!([summary("🐾", &[&tom])]));
}

/// Everybody in a group of a thousand reacts at once. No reaction is lost, each is a version, and they take as many
/// commits as so many sends.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_reactions_takes_as_few_commits_as_sends(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const CROWD: i64 = 1_000;
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let chat = tom.group(&[]).await;
    let message = tom.say(chat, "meow").await;
    let users = crowd(&server, chat, &message, CROWD).await;
    let commits = || server.app.db.metrics().commits("committed").get();
    let before = commits();
    let push = |user: &i64| {
        let change = ReactionChange {
            message: MessageId(message["id"].as_i64().expect("an id")),
            user: UserId(*user),
            emoji: Emoji::parse("👍").expect("an emoji"),
            active: true,
        };
        server.app.reactions.push(change).expect("queued")
    };
    let mut versions = Vec::new();
    for answer in users.iter().map(push).collect::<Vec<_>>() {
        versions.push(answer.await.expect("answered").expect("committed").version.0);
    }
    let taken = commits() - before;
    assert_eq!(versions, (3..3 + CROWD).collect::<Vec<_>>(), "in the order of the calls");
    // At most 256 in each; the first ones may go alone.
    assert!(taken <= 8, "{taken} commits");
    let seen = tom.get(&format!("/api/messages/{}/", message["id"])).await.expect(200).json;
    let shown = json!({"emoji": "👍", "count": CROWD, "users": users[..100]});
    assert_eq!(seen["reactions"][1], shown);
    assert_eq!(listed(&tom, &message, "&emoji=👍&page_size=100").await.len(), users.len());
}
