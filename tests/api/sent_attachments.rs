//! Attachments in messages: sending and forwarding them, who may read them, and when their bytes go.

use std::time::Duration;

use futures_util::future::join_all;
use image::ImageFormat;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::attachments::{bytes, id, left, path, picture, stored, upload};
use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp, eventually};

async fn send(client: &Client, chat: i64, body: Value) -> Answer {
    client.post(&format!("/api/chats/{chat}/messages/"), body).await
}

fn no_such(id: i64) -> Value {
    json!({"attachments": [format!("Invalid pk \"{id}\" - object does not exist.")]})
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_its_attachments_everywhere_and_in_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let mut socket = Socket::open(&kitty).await;
    let (a, b) = (
        upload(&tom, "a.txt", b"a").await,
        upload(&tom, "b.png", &picture(4, 4, ImageFormat::Png)).await,
    );
    let sent =
        send(&tom, chat, json!({"attachments": [id(&b), id(&a), id(&b)], "client_id": "x"})).await;
    let sent = sent.expect(201).json;
    assert_eq!((&sent["content"], &sent["attachments"]), (&json!(""), &json!([b, a])));
    assert_eq!(socket.next_of("message.created").await["message"], sent);
    for (client, path) in [
        (&kitty, format!("/api/messages/{}/", sent["id"])),
        (&tom, format!("/api/messages/{}/", sent["id"])),
    ] {
        assert_eq!(client.get(&path).await.expect(200).json["attachments"], sent["attachments"]);
    }
    assert_eq!(kitty.messages(chat).await[0]["attachments"], sent["attachments"]);
    let sync =
        kitty.post("/api/sync/", json!({"versions": {chat.to_string(): 1}})).await.expect(200);
    assert_eq!(sync.json["changes"][0]["messages"][0]["attachments"], sent["attachments"]);

    // A repeat returns the first message, by REST and by socket.
    let again = json!({"attachments": [id(&b), id(&a)], "client_id": "x"});
    assert_eq!(
        send(&tom, chat, again.clone()).await.expect(200).json["attachments"],
        sent["attachments"]
    );
    let mut own = Socket::open(&tom).await;
    let mut frame = again;
    (frame["type"], frame["chat"], frame["id"]) = (json!("message.send"), json!(chat), json!(1));
    own.send(frame).await;
    assert_eq!(own.next_of("ack").await["message"]["id"], sent["id"]);

    // By socket, with a text, and an edit that keeps them.
    let c = upload(&tom, "c.txt", b"c").await;
    own.send(json!({"type": "message.send", "chat": chat, "content": "see @kitty", "attachments": [id(&c)], "id": 2}))
        .await;
    let second = own.next_of("ack").await["message"].clone();
    assert_eq!(second["attachments"], json!([c]));
    let place = format!("/api/messages/{}/", second["id"]);
    let edited = tom.patch(&place, json!({"content": "look"})).await.expect(200).json;
    assert_eq!((&edited["content"], &edited["attachments"]), (&json!("look"), &json!([c])));
    kitty.put(&format!("{place}reactions/🐈/"), json!({})).await.expect(200);
    assert_eq!(kitty.get(&place).await.json["attachments"], json!([c]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_own_unsent_uploads_can_be_sent(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, eve) =
        (server.user("tom").await, server.user("kitty").await, server.user("eve").await);
    let chat = tom.private_chat(&kitty).await;
    let (own, others) = (id(&upload(&tom, "a", b"a").await), id(&upload(&kitty, "b", b"b").await));
    let refused = async |body: Value, fault: Value| {
        send(&tom, chat, body).await.expect_body(400, fault);
    };
    refused(json!({"attachments": [9_999]}), no_such(9_999)).await;
    refused(json!({"attachments": [own, others]}), no_such(others)).await;
    refused(json!({"content": "x", "attachments": [others], "reply_to": null}), no_such(others))
        .await;
    refused(json!({"attachments": []}), json!({"content": ["This field is required."]})).await;
    refused(json!({"content": ""}), json!({"content": ["This field may not be blank."]})).await;
    refused(
        json!({"content": " ", "attachments": [own]}),
        json!({"content": ["This field may not be blank."]}),
    )
    .await;
    let eleven: Vec<_> = (1..=11).collect();
    let answer = send(&tom, chat, json!({"attachments": eleven})).await.expect(400);
    let text = "Ensure this field has no more than 10 elements.";
    assert_eq!(answer.json["attachments"][0], json!(text), "{answer:?}");
    let answer = send(&tom, chat, json!({"content": 5, "attachments": [others]})).await.expect(400);
    assert_eq!(
        answer.json,
        json!({
            "content": ["Not a valid string."],
            "attachments": [format!("Invalid pk \"{others}\" - object does not exist.")],
        })
    );
    send(&eve, chat, json!({"attachments": [9_999]})).await.expect_not_found();
    let mut socket = Socket::open(&tom).await;
    socket
        .send(json!({"type": "message.send", "chat": chat, "attachments": [others], "id": 1}))
        .await;
    let error = socket.next_of("error").await;
    assert_eq!((&error["code"], &error["errors"]), (&json!("invalid"), &no_such(others)));
    assert_eq!(tom.messages(chat).await.len(), 0);

    // Refused sends left it unsent.
    send(&tom, chat, json!({"attachments": [own]})).await.expect(201);
    refused(json!({"attachments": [own]}), no_such(own)).await;
    const SENT: &str = "The attachment was sent.";
    let place = format!("/api/attachments/{own}/");
    tom.delete(&place).await.expect_detail(409, SENT);
    kitty.delete(&place).await.expect(403);
    eve.delete(&place).await.expect_not_found();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_sends_that_race_for_one_attachment_one_gets_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let other = server.second_node().await;
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let there = Client { base: other.base.clone(), ..tom.clone() };
    let chats = [tom.private_chat(&kitty).await, tom.group(&[&kitty]).await, tom.group(&[]).await];
    for round in 0..8 {
        let own = id(&upload(&tom, "a", b"a").await);
        let body = json!({"content": "x", "attachments": [own]});
        let sends = [&tom, &there].into_iter().flat_map(|client| chats.map(|chat| (client, chat)));
        let plain = chats.map(|chat| send(&tom, chat, json!({"content": "plain"})));
        let sends = sends.map(|(client, chat)| send(client, chat, body.clone()));
        let (answers, plain) = tokio::join!(join_all(sends), join_all(plain));
        assert!(plain.iter().all(|answer| answer.status == 201), "{plain:#?}");
        let (sent, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(sent.len(), 1, "round {round}: {sent:#?} {refused:#?}");
        for answer in refused {
            answer.expect_body(400, no_such(own));
        }
    }
    for chat in chats {
        let seqs: Vec<_> = tom.messages(chat).await.iter().map(|one| one["seq"].clone()).collect();
        assert_eq!(seqs, (1..=seqs.len()).map(|seq| json!(seq)).collect::<Vec<_>>());
    }
    // The same request twice at once is one message.
    let own = id(&upload(&tom, "a", b"a").await);
    let body = json!({"attachments": [own], "client_id": "once"});
    let both = [
        send(&tom, chats[0], body.clone()),
        send(&there, chats[0], body.clone()),
        send(&tom, chats[0], body),
    ];
    let ids: Vec<_> =
        join_all(both).await.into_iter().map(|answer| answer.json["id"].clone()).collect();
    assert!(ids[0].is_i64() && ids.iter().all(|one| *one == ids[0]), "{ids:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_a_member_now_can_read_them(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, eve) =
        (server.user("tom").await, server.user("kitty").await, server.user("eve").await);
    let group = tom.group(&[&kitty]).await;
    let sent = upload(&tom, "b.png", &picture(4, 4, ImageFormat::Png)).await;
    kitty.get(&path(&sent)).await.expect_not_found();
    send(&tom, group, json!({"attachments": [id(&sent)]})).await.expect(201);
    kitty.get(&path(&sent)).await.expect(200);
    kitty.get(&format!("{}thumbnail/", path(&sent))).await.expect(200);
    eve.get(&path(&sent)).await.expect_not_found();
    let link = async |client: &Client| {
        let answer =
            client.post("/api/attachments/links/", json!({"attachments": [id(&sent)]})).await;
        answer.expect(200).json["results"][0]["url"].as_str().map(str::to_owned)
    };
    assert_eq!(link(&eve).await, None);
    let (of_kitty, of_tom) =
        (link(&kitty).await.expect("a link"), link(&tom).await.expect("a link"));
    server.anonymous().get(&of_kitty).await.expect(200);

    // A new member sees the history; a former one sees nothing, even by a link.
    tom.post(&format!("/api/chats/{group}/members/"), json!({"user": eve.id})).await.expect(201);
    eve.get(&path(&sent)).await.expect(200);
    tom.delete(&format!("/api/chats/{group}/members/{}/", kitty.id)).await.expect(204);
    kitty.get(&path(&sent)).await.expect_not_found();
    kitty.get(&format!("{}thumbnail/", path(&sent))).await.expect_not_found();
    assert_eq!(link(&kitty).await, None);
    server.anonymous().get(&of_kitty).await.expect_not_found();
    server.anonymous().get(&of_tom).await.expect(200);
    // Nor does the uploader who left.
    tom.delete(&format!("/api/chats/{group}/members/{}/", tom.id)).await.expect(204);
    tom.get(&path(&sent)).await.expect_not_found();
    server.anonymous().get(&of_tom).await.expect_not_found();
    eve.get(&path(&sent)).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bytes_go_with_the_message_the_chat_or_the_account(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let group = tom.group(&[&kitty]).await;
    let sent = upload(&tom, "b.png", &picture(4, 4, ImageFormat::Png)).await;
    let message = send(&tom, group, json!({"content": "x", "attachments": [id(&sent)]}))
        .await
        .expect(201)
        .json;
    let links = tom.post("/api/attachments/links/", json!({"attachments": [id(&sent)]})).await.json;
    let mut socket = Socket::open(&kitty).await;
    tom.delete(&format!("/api/messages/{}/", message["id"])).await.expect(204);
    let tombstone = socket.next_of("message.deleted").await["message"].clone();
    assert_eq!(tombstone["attachments"], json!([]));
    tom.get(&path(&sent)).await.expect_not_found();
    for link in ["url", "thumbnail_url"] {
        let link = links["results"][0][link].as_str().expect("a link");
        server.anonymous().get(link).await.expect_not_found();
    }
    left(&server, 0).await;

    // The end of a chat, and of an account.
    let sent = upload(&tom, "a", b"a").await;
    send(&tom, group, json!({"attachments": [id(&sent)]})).await.expect(201);
    let kept = upload(&kitty, "k", b"k").await;
    let private = tom.private_chat(&kitty).await;
    send(&kitty, private, json!({"attachments": [id(&kept)]})).await.expect(201);
    tom.delete(&format!("/api/chats/{group}/")).await.expect(204);
    tom.get(&path(&sent)).await.expect_not_found();
    meowsenger::actions::housekeeping::purge(server.app.clone()).await.expect("purged");
    left(&server, 1).await;
    upload(&kitty, "unsent", b"u").await;
    let password = json!({"password": PASSWORD});
    Answer::of(kitty.request(Method::DELETE, "/api/auth/me/").json(&password)).await.expect(204);
    left(&server, 1).await;
    assert_eq!(bytes(&tom, &path(&kept), &[]).await, (200, b"k".to_vec()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_too_old_take_their_attachments_along(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let keep = [("RETENTION_MESSAGES", "1d"), ("ACCESS_TOKEN_LIFETIME", "9d")];
    let Some(server) = TestApp::start_with(backend, &keep).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let sent = upload(&tom, "a", b"a").await;
    send(&tom, chat, json!({"attachments": [id(&sent)]})).await.expect(201);
    for _ in 0..3 {
        server.app.clock.advance(Duration::from_secs(80_000));
        meowsenger::actions::housekeeping::forget(server.app.clone()).await.expect("swept");
    }
    tom.say(chat, "new").await;
    let look = async || (stored(&server).is_empty()).then_some(());
    eventually(Duration::from_secs(20), "the bytes are removed", look).await;
    tom.get(&path(&sent)).await.expect_not_found();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forward_has_copies_that_share_the_bytes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, eve) =
        (server.user("tom").await, server.user("kitty").await, server.user("eve").await);
    let (chat, one, two) =
        (tom.private_chat(&kitty).await, kitty.group(&[&eve]).await, kitty.group(&[]).await);
    let (a, b) = (
        upload(&tom, "a.txt", b"meow").await,
        upload(&tom, "b.png", &picture(4, 4, ImageFormat::Png)).await,
    );
    let first = send(&tom, chat, json!({"attachments": [id(&a), id(&b)]})).await.expect(201).json;
    let forward = async |chats: Value, client_id: &str| {
        let body = json!({"chats": chats, "client_id": client_id});
        kitty.post(&format!("/api/messages/{}/forward/", first["id"]), body).await
    };
    let copies = forward(json!([one, two]), "x").await.expect(201);
    let names = |message: &Value| -> Vec<Value> {
        let all = message["attachments"].as_array().expect("a list").iter();
        all.map(|one| one["name"].clone()).collect()
    };
    for copy in copies.results() {
        assert_eq!(names(copy), ["a.txt", "b.png"]);
        assert_ne!(copy["attachments"][0]["id"], a["id"]);
    }
    let of_one = copies.results()[0]["attachments"][0].clone();
    assert_eq!(bytes(&eve, &path(&of_one), &[]).await, (200, b"meow".to_vec()));
    eve.get(&path(&a)).await.expect_not_found();
    assert_eq!(stored(&server).len(), 3, "they share the bytes");
    // A repeat makes no copies, and a refused request leaves none.
    let again = forward(json!([one, two]), "x").await;
    assert_eq!(again.results(), copies.results());
    forward(json!([one, 9_999]), "y").await.expect(400);
    let rows = async || -> i64 {
        let sql = "select count(*) from attachments";
        let mut tx = server.app.db.begin().await.expect("begun");
        tx.query(sql).one::<(i64,)>().await.expect("counted").0
    };
    assert_eq!(rows().await, 6);

    tom.delete(&format!("/api/messages/{}/", first["id"])).await.expect(204);
    kitty.delete(&format!("/api/messages/{}/", copies.results()[1]["id"])).await.expect(204);
    kitty.get(&path(&a)).await.expect_not_found();
    assert_eq!(bytes(&eve, &path(&of_one), &[]).await, (200, b"meow".to_vec()));
    kitty.delete(&format!("/api/messages/{}/", copies.results()[0]["id"])).await.expect(204);
    left(&server, 0).await;
}
