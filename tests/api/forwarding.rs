//! Forwarding: new messages in several chats, all or none, that name the first author.

use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp};

const TOMBSTONE: &str = "A deleted message cannot be forwarded.";
const CLASH: &str = "A message with this client_id and other content exists.";

async fn forward(client: &Client, message: &Value, body: Value) -> Answer {
    client.post(&format!("/api/messages/{}/forward/", message["id"]), body).await
}

fn no_such(chat: i64) -> String {
    format!("Invalid pk \"{chat}\" - object does not exist.")
}

async fn last_seq(client: &Client, chat: i64) -> i64 {
    client.get(&format!("/api/chats/{chat}/")).await.expect(200).json["last_seq"]
        .as_i64()
        .expect("a number")
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_is_a_new_message_in_each_chat_and_names_the_first_author(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, felix) =
        (server.user("tom").await, server.user("kitty").await, server.user("felix").await);
    let home = tom.group(&[&kitty]).await;
    let (private, roof) = (kitty.private_chat(&felix).await, kitty.group(&[&felix]).await);
    let said = tom.say(home, "  meow \u{1F408}\n").await;
    assert_eq!(said["forwarded_from"], Value::Null);
    let mut socket = Socket::open(&felix).await;

    let body = json!({"chats": [roof, private, roof]});
    let answer = forward(&kitty, &said, body).await.expect(201);
    let messages = answer.results().to_vec();
    let origin = json!({"user": said["sender"], "timestamp": said["timestamp"]});
    for (message, chat) in messages.iter().zip([roof, private]) {
        let expected = json!({
            "id": message["id"], "chat": chat, "seq": 1, "version": 2,
            "sender": {"id": kitty.id, "username": kitty.username, "first_name": "", "last_name": "", "avatar": null},
            "content": "  meow \u{1F408}\n", "timestamp": message["timestamp"], "edited_at": null,
            "deleted_at": null, "reply_to": null, "client_id": null, "status": "sent",
            "reactions": [], "mentions": [], "mentions_all": false, "pinned_at": null,
            "forwarded_from": origin, "attachments": [],
        });
        assert_eq!(message, &expected);
        assert_eq!(felix.messages(chat).await[0]["forwarded_from"], origin);
        let seen = kitty.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
        assert_eq!((&seen["unread_count"], &seen["last_read_seq"]), (&json!(0), &json!(1)));
    }
    assert_eq!(messages.len(), 2);
    let mut events =
        [socket.next_of("message.created").await, socket.next_of("message.created").await];
    events.sort_by_key(|event| event["chat"] != json!(roof));
    assert_eq!(events.map(|event| event["message"].clone()).as_slice(), messages);

    // A forward of a forward still names the first author, as they are called now.
    let name = format!("{}.first", tom.username);
    tom.patch("/api/auth/me/", json!({"username": name})).await.expect(200);
    let again = forward(&felix, &messages[0], json!({"chats": [private]})).await.expect(201);
    let again = &again.results()[0];
    assert_eq!(again["forwarded_from"]["user"]["username"], json!(name));
    assert_eq!(again["forwarded_from"]["timestamp"], said["timestamp"]);
    let list = felix.get("/api/chats/").await.expect(200);
    assert_eq!(&list.results()[0]["last_message"]["forwarded_from"], &again["forwarded_from"]);
    let synced = felix.post("/api/sync/", json!({"versions": {private.to_string(): 1}})).await;
    assert_eq!(synced.json["changes"][0]["messages"][1], *again);

    // Reacting keeps where it comes from. Editing makes it the sender's own, and deleting empties it.
    let path = format!("/api/messages/{}/", again["id"]);
    let reacted = kitty.put(&format!("{path}reactions/🐈/"), Value::Null).await.expect(200).json;
    assert_eq!(reacted["forwarded_from"], again["forwarded_from"]);
    let edited = felix.put(&path, json!({"content": "hiss"})).await.expect(200).json;
    assert_eq!(
        (&edited["forwarded_from"], &edited["reactions"]),
        (&Value::Null, &reacted["reactions"])
    );
    assert_eq!(felix.get(&path).await.json, edited);
    let path = format!("/api/messages/{}/", messages[1]["id"]);
    kitty.delete(&path).await.expect(204);
    assert_eq!(felix.get(&path).await.json["forwarded_from"], Value::Null);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_mentions_the_members_of_its_own_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, felix) =
        (server.user("tom").await, server.user("kitty").await, server.user("felix").await);
    let home = tom.group(&[&kitty]).await;
    let roof = kitty.group(&[&felix]).await;
    let said = tom.say(home, &format!("@{} @{} @all", kitty.username, felix.username)).await;
    assert_eq!((&said["mentions"], &said["mentions_all"]), (&json!([kitty.id]), &json!(true)));
    let answer = forward(&kitty, &said, json!({"chats": [roof, home]})).await.expect(201);
    let [there, here] = answer.results() else { panic!("{answer:?}") };
    let all = |message: &Value| (message["mentions"].clone(), message["mentions_all"].clone());
    assert_eq!(all(there), (json!([kitty.id, felix.id]), json!(true)), "she owns that group");
    assert_eq!(all(here), (json!([kitty.id]), json!(false)), "and not this one");
    let seen = felix.get(&format!("/api/chats/{roof}/")).await.json;
    assert_eq!(seen["unread_mentions"], 1);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_is_in_all_chats_or_in_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, gone) =
        (server.user("tom").await, server.user("kitty").await, server.user("gone").await);
    let home = tom.group(&[&kitty]).await;
    let (roof, foreign) = (kitty.group(&[]).await, tom.group(&[]).await);
    let alone = kitty.private_chat(&gone).await;
    let password = json!({"password": PASSWORD}).to_string();
    gone.raw(Method::DELETE, "/api/auth/me/", "application/json", password).await.expect(204);
    let (said, buried) = (tom.say(home, "meow").await, tom.say(home, "hiss").await);
    let hidden = tom.say(foreign, "psst").await;
    tom.delete(&format!("/api/messages/{}/", buried["id"])).await.expect(204);

    // Whether one may know of the message comes first, then the state, then the request.
    for body in [json!({"chats": [roof]}), json!({"chats": "x"}), json!([])] {
        forward(&kitty, &hidden, body.clone()).await.expect_not_found();
        forward(&kitty, &json!({"id": 99_999}), body.clone()).await.expect_not_found();
        forward(&kitty, &buried, body).await.expect_detail(409, TOMBSTONE);
    }
    for chats in [json!([roof, foreign, 99_999]), json!([99_999, roof, foreign])] {
        let refused = forward(&kitty, &said, json!({"chats": chats})).await.expect(400).json;
        let mut texts = refused["chats"].as_array().expect("texts").clone();
        texts.sort_by_key(Value::to_string);
        let mut expected = [json!(no_such(foreign)), json!(no_such(99_999))];
        expected.sort_by_key(Value::to_string);
        assert_eq!(texts, expected);
    }
    let body = json!({"chats": [roof, foreign, alone], "client_id": ""});
    forward(&kitty, &said, body).await.expect_detail(409, "The other account was deleted.");
    let apart = kitty.private_chat(&tom).await;
    tom.put(&format!("/api/blocks/{}/", kitty.id), Value::Null).await.expect(204);
    let body = json!({"chats": [alone, roof, foreign, apart], "client_id": ""});
    forward(&kitty, &said, body).await.expect_detail(403, "You cannot message this user.");
    for (chats, text) in [
        (json!([]), "This list may not be empty."),
        (
            json!((1_000..=1_020).collect::<Vec<_>>()),
            "Ensure this field has no more than 20 elements.",
        ),
        (json!("x"), "Expected a list of items but got type \"str\"."),
        (json!(null), "This field may not be null."),
    ] {
        let refused = forward(&kitty, &said, json!({"chats": chats})).await.expect(400).json;
        assert_eq!(refused["chats"][0], text);
    }
    let body = json!({"chats": [roof], "client_id": "x".repeat(65)});
    let text = "Ensure this field has no more than 64 characters.";
    forward(&kitty, &said, body).await.expect_fault("client_id", text);
    forward(&kitty, &said, json!({})).await.expect_fault("chats", "This field is required.");
    assert_eq!((last_seq(&kitty, roof).await, last_seq(&kitty, alone).await), (0, 0));
    forward(&kitty, &said, json!({"chats": [roof]})).await.expect(201);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_forward_answers_with_the_same_messages(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let home = tom.group(&[&kitty]).await;
    let chats = [kitty.group(&[&tom]).await, kitty.group(&[]).await, kitty.group(&[]).await];
    let (said, other) = (tom.say(home, "meow").await, tom.say(home, "meow").await);
    let body = |chats: &[i64]| json!({"chats": chats, "client_id": "f1"});

    // Ten at once are one.
    let wish = body(&chats[..2]);
    let answers = join_all((0..10).map(|_| forward(&kitty, &said, wish.clone()))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(200)), (1, 9), "{answers:?}");
    let first = answers[0].results().to_vec();
    let ids = |list: &[Value]| list.iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    assert!(answers.iter().all(|answer| ids(answer.results()) == ids(&first)));

    // Only the third chat is new; the order is that of the request.
    let more = forward(&kitty, &said, body(&[chats[2], chats[0], chats[1]])).await.expect(201);
    assert_eq!(ids(&more.results()[1..]), ids(&first));
    for chat in chats {
        assert_eq!(last_seq(&kitty, chat).await, 1);
    }

    // The same key for another message, although its text is the same; and for a message that was sent.
    let new = kitty.group(&[]).await;
    forward(&kitty, &other, body(&[new, chats[0]])).await.expect_detail(409, CLASH);
    let path = format!("/api/chats/{new}/messages/");
    kitty.post(&path, json!({"content": "meow", "client_id": "f2"})).await.expect(201);
    let wish = json!({"chats": [chats[1], new], "client_id": "f2"});
    forward(&kitty, &said, wish).await.expect_detail(409, CLASH);
    assert_eq!((last_seq(&kitty, new).await, last_seq(&kitty, chats[1]).await), (1, 1));

    // A repeat finds its messages whatever has become of them, and of the one that was forwarded.
    tom.put(&format!("/api/messages/{}/", said["id"]), json!({"content": "purr"}))
        .await
        .expect(200);
    assert_eq!(
        ids(forward(&kitty, &said, body(&chats)).await.expect(200).results()),
        ids(more.results()).iter().cycle().skip(1).take(3).cloned().collect::<Vec<_>>()
    );
    kitty
        .put(&format!("/api/messages/{}/", first[1]["id"]), json!({"content": "mine"}))
        .await
        .expect(200);
    tom.delete(&format!("/api/messages/{}/", said["id"])).await.expect(204);
    let last = forward(&kitty, &said, body(&chats[..2])).await.expect(200);
    assert_eq!(ids(last.results()), ids(&first));
    assert_eq!(last.results()[1]["content"], "mine");
    forward(&kitty, &said, body(&[chats[0], new])).await.expect_detail(409, TOMBSTONE);
}

/// Everybody forwards to the same chats, each in another order, while others send there, over both nodes.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwards_and_sends_at_once_take_turns_and_leave_no_gaps(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const USERS: usize = 6;
    const ROUNDS: usize = 5;
    let Some(server) = TestApp::start(backend).await else { return };
    let second = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => Some(server.second_node().await),
    };
    let users = join_all((0..USERS).map(|_| server.user("cat"))).await;
    let others: Vec<_> = users[1..].iter().collect();
    let mut chats = Vec::new();
    for _ in 0..4 {
        chats.push(users[0].group(&others).await);
    }
    let said = users[0].say(chats[0], "meow").await;
    let mut listener = Socket::open(&users[0]).await;
    join_all(users.iter().enumerate().map(|(n, user)| {
        let node = second.as_ref().filter(|_| n % 2 == 1).map_or(&user.base, |node| &node.base);
        let user = Client { base: node.clone(), ..user.clone() };
        let (chats, said) = (&chats, &said);
        async move {
            for round in 0..ROUNDS {
                let mut order = chats.clone();
                order.rotate_left((n + round) % 4);
                if n % 2 == 0 {
                    order.reverse();
                }
                forward(&user, said, json!({"chats": order})).await.expect(201);
                user.say(order[0], "purr").await;
            }
        }
    }))
    .await;
    let mut forwarded = 0;
    for (n, chat) in chats.iter().enumerate() {
        let messages = users[0].messages(*chat).await;
        let seqs: Vec<_> =
            messages.iter().map(|one| one["seq"].as_i64().expect("a number")).collect();
        assert_eq!(seqs, (1..=i64::try_from(seqs.len()).expect("few")).collect::<Vec<_>>());
        let versions = messages.iter().map(|one| one["version"].as_i64().expect("a number"));
        assert!(versions.zip(2..).all(|(version, expected)| version == expected), "chat {n}");
        forwarded += messages.iter().filter(|one| !one["forwarded_from"].is_null()).count();
    }
    assert_eq!(forwarded, USERS * ROUNDS * 4);
    for _ in 0..USERS * ROUNDS * 5 {
        listener.next_of("message.created").await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_counts_for_each_chat_towards_the_rate_limit_of_messages(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("THROTTLE", "on"), ("THROTTLE_MESSAGES", "2/hour")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let kitty = server.user("kitty").await;
    let chats = [kitty.group(&[]).await, kitty.group(&[]).await];
    let said = kitty.say(chats[0], "meow").await;
    forward(&kitty, &said, json!({"chats": chats})).await.expect(201);
    forward(&kitty, &said, json!({"chats": chats[..1]})).await.expect(201);
    forward(&kitty, &said, json!({"chats": chats})).await.expect(429);
    forward(&kitty, &said, json!({"chats": chats[..1]})).await.expect(201);
    forward(&kitty, &said, json!({"chats": chats[..1]})).await.expect(429);
}
