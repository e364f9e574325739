//! Blocks: what cannot pass between the two any more, and that the blocked one learns nothing else. The presence that
//! a block hides is in `hiding`.

use futures_util::future::{join, join_all};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp};

const REFUSED: &str = "You cannot message this user.";

fn path(user: &Client) -> String {
    format!("/api/blocks/{}/", user.id)
}

/// Blocks a user, as the path says: without a body.
pub async fn block(by: &Client, user: &Client) {
    Answer::of(by.request(Method::PUT, &path(user))).await.expect(204);
}

pub async fn unblock(by: &Client, user: &Client) {
    by.delete(&path(user)).await.expect(204);
}

async fn since(client: &Client, account: i64) -> Value {
    let body = json!({"versions": {}, "account": account});
    client.post("/api/sync/", body).await.expect(200).json["account"].take()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_listed_idempotent_and_changes_of_the_account(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (me, tom, kitty) =
        (server.user("me").await, server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&me).await;
    let mut devices = [Socket::open(&me).await, Socket::open(&me).await];
    let mut blocked = Socket::open(&tom).await.loud();
    let start = devices[0].ready["account"].as_i64().expect("a version");

    assert_eq!(me.get("/api/blocks/").await.expect(200).results(), [Value::Null; 0]);
    for _ in 0..2 {
        block(&me, &tom).await;
        block(&me, &kitty).await;
    }
    let listed = me.get("/api/blocks/").await.expect(200);
    assert_eq!(listed.column("id"), [kitty.id, tom.id], "the latest first");
    let user_ref = json!({
        "id": tom.id, "username": tom.username, "first_name": "", "last_name": "", "avatar": null,
    });
    assert_eq!(listed.results()[1], user_ref);
    assert_eq!(me.walk("/api/blocks/?page_size=1", "next").await.len(), 2);
    let second = me.get("/api/blocks/?page_size=1").await.json["next"].clone();
    let second = me.get(second.as_str().expect("more")).await.expect(200);
    let first = me.get(second.json["previous"].as_str().expect("a page before")).await;
    assert_eq!(
        (first.column("id"), second.column("id")),
        (vec![json!(kitty.id)], vec![json!(tom.id)])
    );
    assert_eq!(tom.get("/api/blocks/").await.expect(200).results(), [Value::Null; 0]);
    unblock(&me, &kitty).await;
    unblock(&me, &kitty).await;
    unblock(&kitty, &me).await;

    // Each change once, on all devices of the one who made it, and on no other.
    for device in &mut devices {
        for (n, user, is_blocked) in [(1, &tom, true), (2, &kitty, true), (3, &kitty, false)] {
            let expected = json!({
                "type": "block.updated", "user": user.id, "blocked": is_blocked,
                "account": start + n,
            });
            assert_eq!(device.next_of("block.updated").await, expected);
        }
        assert!(device.drain().await.is_empty());
    }
    let frames = blocked.drain().await;
    assert!(frames.iter().all(|frame| frame["type"] == "status"), "{frames:?}");
    assert_eq!(tom.get("/api/chats/").await.json["results"][0]["version"], 1);
    assert_eq!(since(&tom, 0).await["version"], 0);
    let state = |user: &Client, blocked| json!({"user": user.id, "blocked": blocked});
    let delta = since(&me, start).await;
    assert_eq!(delta["version"], start + 3);
    assert_eq!(delta["blocks"], json!([state(&tom, true), state(&kitty, false)]));
    assert_eq!(since(&me, start + 2).await["blocks"], json!([state(&kitty, false)]));
    let blocked = async |client: &Client| {
        client.get(&format!("/api/chats/{chat}/")).await.expect(200).json["blocked"].clone()
    };
    assert_eq!((blocked(&me).await, blocked(&tom).await), (json!(true), json!(false)));
    assert_eq!(me.get("/api/chats/").await.json["results"][0]["blocked"], true);

    let own = json!({"user_id": ["You cannot block yourself."]});
    let request = me.request(Method::PUT, &path(&me));
    Answer::of(request).await.expect_body(400, own.clone());
    me.delete(&path(&me)).await.expect_body(400, own);
    for id in ["999999", "0", "me"] {
        let unknown = format!("/api/blocks/{id}/");
        Answer::of(me.request(Method::PUT, &unknown)).await.expect_not_found();
        me.delete(&unknown).await.expect_not_found();
    }
    // Of a user who is gone, only the block is left to end.
    server.deactivate(&tom).await;
    server.deactivate(&kitty).await;
    unblock(&me, &tom).await;
    Answer::of(me.request(Method::PUT, &path(&tom))).await.expect_not_found();
}

/// What a user sends to the other in their private chat, by REST and by socket.
async fn send_all_ways(client: &Client, chat: i64, own: &Value, theirs: &Value) -> Vec<Value> {
    let messages = format!("/api/chats/{chat}/messages/");
    let own = format!("/api/messages/{own}/");
    let reaction = format!("/api/messages/{theirs}/reactions/%F0%9F%90%B1/");
    let mut outcomes = vec![
        client.post(&messages, json!({"content": "meow"})).await,
        client.post(&messages, json!({"content": ""})).await,
        client.patch(&own, json!({"content": "purr"})).await,
        client.put(&own, json!({"content": 5})).await,
        Answer::of(client.request(Method::PUT, &reaction)).await,
        client.post(&format!("{own}forward/"), json!({"chats": [chat]})).await,
    ]
    .into_iter()
    .map(|answer| if answer.status == 403 { answer.json } else { json!(answer.status.as_u16()) })
    .collect::<Vec<_>>();
    let mut socket = Socket::open(client).await;
    for frame in [
        json!({"type": "message.send", "chat": chat, "content": "meow"}),
        json!({"type": "message.send", "chat": chat, "content": null}),
        json!({"type": "message.edit", "message": own["/api/messages/".len()..own.len() - 1]
            .parse::<i64>().expect("an id"), "content": "purr"}),
        json!({"type": "message.react", "message": theirs, "emoji": "🐱", "active": true}),
        json!({"type": "typing", "chat": chat, "active": true}),
    ] {
        let answer = socket.request(frame).await;
        outcomes.push(match answer["code"].as_str() {
            Some("permission_denied") => json!({"detail": answer["detail"]}),
            _ => answer["code"].clone(),
        });
    }
    outcomes
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_between_the_two_in_either_direction(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (blocker, blocked) = (server.user("blocker").await, server.user("blocked").await);
    let chat = blocker.private_chat(&blocked).await;
    let named = json!({"content": "before", "client_id": "one"});
    let messages = format!("/api/chats/{chat}/messages/");
    let first = blocked.post(&messages, named.clone()).await.expect(201).json;
    let second = blocker.say(chat, "before").await;
    let reaction = format!("/api/messages/{}/reactions/%E2%9D%A4/", second["id"]);
    Answer::of(blocked.request(Method::PUT, &reaction)).await.expect(200);
    block(&blocker, &blocked).await;

    let refused = vec![json!({"detail": REFUSED}); 11];
    assert_eq!(send_all_ways(&blocked, chat, &first["id"], &second["id"]).await, refused);
    assert_eq!(send_all_ways(&blocker, chat, &second["id"], &first["id"]).await, refused);
    // A repeat is no new message.
    blocked.post(&messages, named).await.expect(200);
    // A stranger learns nothing.
    let stranger = server.user("stranger").await;
    stranger.post(&messages, json!({"content": "meow"})).await.expect_not_found();

    // They go on reading, and may take back what is theirs.
    for client in [&blocker, &blocked] {
        assert_eq!(client.messages(chat).await.len(), 2);
        let read = format!("/api/chats/{chat}/read/");
        client.post(&read, json!({"seq": 2})).await.expect(200);
        let body = json!({"type": "private", "members": [blocker.id, blocked.id]});
        assert_eq!(client.post("/api/chats/", body).await.expect(200).json["id"], chat);
    }
    blocked.delete(&reaction).await.expect(200);
    blocked.delete(&format!("/api/messages/{}/", first["id"])).await.expect(204);

    unblock(&blocker, &blocked).await;
    let third = blocked.say(chat, "after").await;
    let outcomes = send_all_ways(&blocked, chat, &third["id"], &second["id"]).await;
    let passed = json!([201, 400, 200, 400, 200, 201, null, "invalid", null, null, null]);
    assert_eq!(json!(outcomes), passed);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_can_open_a_private_chat_or_add_the_other_to_a_group(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (blocker, blocked) = (server.user("blocker").await, server.user("blocked").await);
    let shared = blocker.group(&[&blocked]).await;
    block(&blocker, &blocked).await;
    for (me, other) in [(&blocker, &blocked), (&blocked, &blocker)] {
        let private = json!({"type": "private", "members": [other.id]});
        me.post("/api/chats/", private).await.expect_detail(403, REFUSED);
        // As if there were no such user.
        let no_such = format!("Invalid pk \"{}\" - object does not exist.", other.id);
        let group = json!({"type": "group", "name": "Roof", "members": [other.id]});
        me.post("/api/chats/", group).await.expect_fault("members", &no_such);
        let group = json!({"type": "group", "name": "", "members": [other.id]});
        let both = me.post("/api/chats/", group).await.expect(400).json;
        assert_eq!(both["members"], json!([no_such]));
        let own = me.group(&[]).await;
        let members = format!("/api/chats/{own}/members/");
        me.post(&members, json!({"user": other.id})).await.expect_fault("user", &no_such);
        let several = json!({"users": [other.id, 999_999]});
        let answer = me.post(&members, several).await.expect(400).json;
        assert_eq!(answer["users"][0], no_such);
        let all = json!({"members": [other.id]});
        me.patch(&format!("/api/chats/{own}/"), all).await.expect_fault("members", &no_such);
    }
    // Shared groups go on, and who is in stays.
    blocked.say(shared, "meow").await;
    blocker.say(shared, "meow").await;
    let members = format!("/api/chats/{shared}/members/");
    blocker.post(&members, json!({"user": blocked.id})).await.expect(201);
    let kept = json!({"members": [blocked.id], "name": "Den"});
    blocker.patch(&format!("/api/chats/{shared}/"), kept).await.expect(200);
    // Others are not concerned.
    let friend = server.user("friend").await;
    let members = format!("/api/chats/{}/members/", friend.group(&[&blocker]).await);
    friend.post(&members, json!({"user": blocked.id})).await.expect(201);

    unblock(&blocker, &blocked).await;
    blocked.private_chat(&blocker).await;
    blocked.group(&[&blocker]).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_and_racing_sends_have_one_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (blocker, blocked) = (server.user("blocker").await, server.user("blocked").await);
    let chat = blocker.private_chat(&blocked).await;
    let messages = format!("/api/chats/{chat}/messages/");
    for round in 0..5 {
        let send = async |n: usize| {
            let body = json!({"content": format!("{round} {n}")});
            blocked.post(&messages, body).await.status.as_u16()
        };
        let before = blocked.messages(chat).await.len();
        let edges = async {
            block(&blocker, &blocked).await;
            blocked.messages(chat).await.len()
        };
        let (outcomes, at_block) = join(join_all((0..12).map(send)), edges).await;
        let sent = outcomes.iter().filter(|status| **status == 201).count();
        assert!(outcomes.iter().all(|status| [201, 403].contains(status)), "{outcomes:?}");
        let after = blocked.messages(chat).await.len();
        assert_eq!(after, before + sent, "what was acknowledged, and nothing else");
        assert_eq!(after, at_block, "nothing after the block was acknowledged");
        assert_eq!(send(99).await, 403);
        unblock(&blocker, &blocked).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_chat_that_is_opened_meanwhile_is_blocked_too(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let pair = async |n: usize| {
        let (blocker, blocked) = (server.user("blocker").await, server.user("blocked").await);
        let body = json!({"type": "private", "members": [blocker.id]});
        let opening = blocked.post("/api/chats/", body);
        let blocking = block(&blocker, &blocked);
        let answer = if n.is_multiple_of(2) {
            join(opening, blocking).await.0
        } else {
            join(blocking, opening).await.1
        };
        if answer.status == 403 {
            return answer.expect_detail(403, REFUSED).status.as_u16();
        }
        let messages = format!("/api/chats/{}/messages/", answer.expect(201).json["id"]);
        let answer = blocked.post(&messages, json!({"content": "meow"})).await;
        answer.expect_detail(403, REFUSED);
        201
    };
    join_all((0..12).map(pair)).await;
    // Both at once.
    let (one, two) = (server.user("one").await, server.user("two").await);
    for _ in 0..5 {
        join(block(&one, &two), block(&two, &one)).await;
        join(unblock(&one, &two), unblock(&two, &one)).await;
    }
    one.private_chat(&two).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_ends_with_the_account_that_made_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (blocker, blocked) = (server.user("blocker").await, server.user("blocked").await);
    let chat = blocker.private_chat(&blocked).await;
    let messages = format!("/api/chats/{chat}/messages/");
    block(&blocker, &blocked).await;
    block(&blocked, &blocker).await;
    let request = blocker.request(Method::DELETE, "/api/auth/me/");
    Answer::of(request.json(&json!({"password": PASSWORD}))).await.expect(204);
    let content = json!({"content": "meow"});
    blocked.post(&messages, content.clone()).await.expect_detail(403, REFUSED);
    let listed = blocked.get("/api/blocks/").await.expect(200).results()[0].clone();
    assert_eq!(listed["username"], format!("deleted_{}", blocker.id));
    unblock(&blocked, &blocker).await;
    blocked.post(&messages, content).await.expect_detail(409, "The other account was deleted.");
}
