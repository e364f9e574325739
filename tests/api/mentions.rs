//! Mentions: which members messages name, and how unread ones are counted.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, Socket, TestApp};

async fn edit(client: &Client, message: &Value, content: &str) -> Value {
    let path = format!("/api/messages/{}/", message["id"]);
    client.put(&path, json!({"content": content})).await.expect(200).json
}

/// What the user has not read, and how many of these mention them: by the chat, by the list, and as a sum.
async fn unread(client: &Client, chat: i64) -> (i64, i64) {
    let one = client.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    let list = client.get("/api/chats/").await.expect(200);
    let row = list.results().iter().find(|row| row["id"] == chat).expect("the chat").clone();
    assert_eq!(row["unread_mentions"], one["unread_mentions"]);
    let sums = client.get("/api/chats/unread/").await.expect(200).json;
    let all = list.results().iter().map(|row| row["unread_mentions"].as_i64().expect("a number"));
    assert_eq!(sums["mentions"], all.sum::<i64>());
    let number = |name: &str| one[name].as_i64().expect("a number");
    (number("unread_count"), number("unread_mentions"))
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_mentioned_by_their_longest_names_and_others_are_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, stranger) =
        (server.user("tom").await, server.user("kitty").await, server.user("stranger").await);
    let longer =
        server.anonymous().register(&format!("{}.Ö", kitty.username), "nine-lives-2026").await;
    let chat = tom.group(&[&kitty, &longer]).await;
    let (name, long) = (&kitty.username, &longer.username);
    for (text, mentioned) in [
        (format!("hi @{name}."), vec![&kitty]),
        (format!("@{}!", name.to_uppercase()), vec![&kitty]),
        (format!("@{long} and @{name}"), vec![&longer, &kitty]),
        (format!("@{}", long.to_lowercase().replace('ö', "o\u{308}")), vec![&longer]),
        (format!("@{name}你好"), vec![&kitty]),
        (format!("@{name}x @{name}1"), vec![]),
        (format!("mail@{name} @{}", stranger.username), vec![]),
        (format!("@{name} @{name}"), vec![&kitty]),
        ("@all @@ @".to_owned(), vec![]),
        ("meow".to_owned(), vec![]),
    ] {
        let ids: Vec<_> = mentioned.iter().map(|user| user.id).collect();
        let said = tom.say(chat, &text).await;
        assert_eq!(said["mentions"], json!(ids), "{text}");
        let stored = tom.get(&format!("/api/messages/{}/", said["id"])).await.json;
        assert_eq!(stored["mentions"], json!(ids), "{text}");
    }
    // By socket, and sent again.
    let mut socket = Socket::open(&tom).await;
    let frame = json!({"type": "message.send", "chat": chat, "content": format!("@{name}"), "client_id": "a"});
    let sent = socket.request(frame.clone()).await["message"].clone();
    assert_eq!(sent["mentions"], json!([kitty.id]));
    assert_eq!(socket.next_of("message.created").await["message"], sent);
    assert_eq!(socket.request(frame).await["message"]["mentions"], json!([kitty.id]));
    // One of them is the owner's `@all`.
    assert_eq!(unread(&kitty, chat).await, (11, 7));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_mentioned_by_the_owner_and_admins_of_a_group(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (owner, admin, member) =
        (server.user("owner").await, server.user("admin").await, server.user("member").await);
    let chat = owner.group(&[&admin, &member]).await;
    let path = format!("/api/chats/{chat}/members/{}/", admin.id);
    owner.put(&path, json!({"role": "admin"})).await.expect(200);
    let private = owner.private_chat(&member).await;
    let text = format!("@all, and @{}", member.username);
    for (client, chat, all) in [
        (&owner, chat, true),
        (&admin, chat, true),
        (&member, chat, false),
        (&owner, private, false),
    ] {
        let said = client.say(chat, &text).await;
        assert_eq!((&said["mentions_all"], &said["mentions"]), (&json!(all), &json!([member.id])));
    }
    // A message that mentions somebody twice counts once.
    assert_eq!(unread(&owner, chat).await, (2, 1));
    assert_eq!(unread(&admin, chat).await, (1, 0));
    assert_eq!(unread(&member, private).await, (1, 1));
    admin.say(chat, "@all").await;
    assert_eq!(unread(&owner, chat).await, (3, 2));
    assert_eq!(unread(&member, chat).await, (1, 1));
    // Who joins has read what came before.
    let late = server.user("late").await;
    owner.post(&format!("/api/chats/{chat}/members/"), json!({"user": late.id})).await.expect(201);
    assert_eq!(unread(&late, chat).await, (0, 0));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_mentions_are_exact_after_edits_deletions_and_reading(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let mut socket = Socket::open(&kitty).await;
    let hail = format!("@{}", kitty.username);
    let mut messages = Vec::new();
    for text in ["one", &hail, "three", &hail] {
        messages.push(tom.say(chat, text).await);
    }
    assert_eq!(unread(&kitty, chat).await, (4, 2));
    assert_eq!(unread(&tom, chat).await, (0, 0));

    // One version: the content and its mentions.
    let edited = edit(&tom, &messages[0], &hail).await;
    assert_eq!((&edited["version"], &edited["mentions"]), (&json!(6), &json!([kitty.id])));
    assert_eq!(unread(&kitty, chat).await, (4, 3));
    assert_eq!(socket.next_of("message.updated").await["message"], edited);
    let edited = edit(&tom, &messages[1], "nobody").await;
    assert_eq!(edited["mentions"], json!([]));
    assert_eq!(unread(&kitty, chat).await, (4, 2));
    edit(&tom, &messages[3], &format!("{hail} @all {hail}")).await;
    assert_eq!(unread(&kitty, chat).await, (4, 2));
    edit(&tom, &messages[3], "@all").await;
    assert_eq!(unread(&kitty, chat).await, (4, 2));

    // What was missed: the same by sync, also of the account.
    let known = json!({"versions": {chat.to_string(): 5}, "account": 0});
    let synced = kitty.post("/api/sync/", known).await.expect(200).json;
    assert_eq!(synced["changes"][0]["chat"]["unread_mentions"], 2);
    let last = synced["changes"][0]["messages"].as_array().expect("messages").last().cloned();
    assert_eq!(last.expect("one")["mentions_all"], true);

    tom.delete(&format!("/api/messages/{}/", messages[3]["id"])).await.expect(204);
    let gone = tom.get(&format!("/api/messages/{}/", messages[3]["id"])).await.json;
    assert_eq!((&gone["mentions"], &gone["mentions_all"]), (&json!([]), &json!(false)));
    assert_eq!(unread(&kitty, chat).await, (3, 1));

    kitty.post(&format!("/api/chats/{chat}/read/"), json!({"seq": 1})).await.expect(200);
    assert_eq!(unread(&kitty, chat).await, (2, 0));
    let known = json!({"versions": {}, "account": 0});
    let account = kitty.post("/api/sync/", known).await.expect(200).json["account"].clone();
    assert_eq!(account["chats"][0]["unread_mentions"], 0);
    edit(&tom, &messages[2], &hail).await;
    let known = json!({"versions": {}, "account": 0});
    let account = kitty.post("/api/sync/", known).await.expect(200).json["account"].clone();
    assert_eq!(account["chats"][0]["unread_mentions"], 1);
    // Editing what was read counts nothing; answering reads everything.
    edit(&tom, &messages[0], &format!("{hail}!")).await;
    assert_eq!(unread(&kitty, chat).await, (2, 1));
    kitty.say(chat, "purr").await;
    assert_eq!(unread(&kitty, chat).await, (0, 0));

    // Reactions stay when mentions change, and the other way round.
    let path = format!("/api/messages/{}/reactions/🐈/", messages[2]["id"]);
    let reacted = kitty.put(&path, Value::Null).await.expect(200).json;
    assert_eq!(reacted["mentions"], json!([kitty.id]));
    let edited = edit(&tom, &messages[2], "three").await;
    assert_eq!((&edited["reactions"], &edited["mentions"]), (&reacted["reactions"], &json!([])));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mentions_that_are_sent_and_edited_at_once_are_counted_right(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let second = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => Some(server.second_node().await),
    };
    let kitty = server.user("kitty").await;
    let users = join_all((0..8).map(|_| server.user("cat"))).await;
    let chat =
        users[0].group(&[&[&kitty], &users[1..].iter().collect::<Vec<_>>()[..]].concat()).await;
    let hail = format!("@{} meow", kitty.username);
    join_all(users.iter().enumerate().map(|(n, user)| {
        let node = second.as_ref().filter(|_| n % 2 == 1).map_or(&user.base, |node| &node.base);
        let user = Client { base: node.clone(), ..user.clone() };
        let hail = &hail;
        async move {
            for step in 0..6 {
                let texts = [hail.as_str(), "meow", "purr"];
                let said = user.say(chat, texts[(n + step) % 3]).await;
                match (n + step) % 4 {
                    0 => drop(edit(&user, &said, hail).await),
                    1 => drop(edit(&user, &said, "nobody").await),
                    2 => drop(
                        user.delete(&format!("/api/messages/{}/", said["id"])).await.expect(204),
                    ),
                    _ => {}
                }
            }
        }
    }))
    .await;
    let messages = kitty.walk(&format!("/api/chats/{chat}/messages/"), "next").await;
    let alive = messages.iter().filter(|message| message["deleted_at"].is_null()).count();
    let naming = messages.iter().filter(|message| message["mentions"] == json!([kitty.id])).count();
    let by_text = messages.iter().filter(|message| message["content"] == hail).count();
    assert!(naming > 5 && naming == by_text, "{naming}, {by_text}");
    let found = unread(&kitty, chat).await;
    let number = |count: usize| i64::try_from(count).expect("few");
    assert_eq!(found, (number(alive), number(naming)));
}
