//! Read and delivery markers, unread counts, and the receipts of a message.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, TestApp};

async fn read(client: &Client, chat: i64, seq: i64) -> Value {
    client.post(&path_of(chat), json!({"seq": seq})).await.expect(200).json
}

fn path_of(chat: i64) -> String {
    format!("/api/chats/{chat}/read/")
}

fn marks(last_read_seq: i64, unread_count: i64) -> Value {
    json!({"last_read_seq": last_read_seq, "unread_count": unread_count})
}

/// A member's markers as another member sees them: delivery, read.
async fn seen(by: &Client, chat: i64, of: &Client) -> (i64, i64) {
    let chat = by.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    let members = chat["members"].as_array().expect("members");
    let member = members.iter().find(|member| member["user"]["id"] == of.id).expect("a member");
    let mark = |name: &str| member[name].as_i64().expect("a mark");
    (mark("last_delivered_seq"), mark("last_read_seq"))
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_goes_up_to_the_newest_message_and_never_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    assert_eq!(read(&kitty, chat, 5).await, marks(0, 0), "there is nothing yet");
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(tom.say(chat, "meow").await["id"].clone());
    }
    let version = kitty.get(&format!("/api/chats/{chat}/")).await.json["version"].clone();
    assert_eq!(read(&kitty, chat, 0).await, marks(0, 4));
    assert_eq!(read(&kitty, chat, 1).await, marks(1, 3));
    // By a message's id.
    let by_id = json!({"message": sent[2]});
    kitty.post(&path_of(chat), by_id).await.expect_body(200, marks(3, 1));
    assert_eq!(read(&kitty, chat, 2).await, marks(3, 1), "never back");
    let by_id = json!({"message": sent[0]});
    kitty.post(&path_of(chat), by_id).await.expect_body(200, marks(3, 1));
    assert_eq!(read(&kitty, chat, (1 << 53) - 1).await, marks(4, 0));
    // Reading implies delivery, and does not change the chat's version.
    assert_eq!(seen(&tom, chat, &kitty).await, (4, 4));
    let view = kitty.get(&format!("/api/chats/{chat}/")).await.json;
    assert_eq!((&view["version"], &view["last_read_seq"]), (&version, &json!(4)));
    assert_eq!(view["unread_count"], 0);
    // New messages do not move the marker.
    tom.say(chat, "meow").await;
    assert_eq!(read(&kitty, chat, 4).await, marks(4, 1));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_is_what_others_wrote_and_did_not_delete(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, zoe) =
        (server.user("tom").await, server.user("kitty").await, server.user("zoe").await);
    let chat = tom.group(&[&kitty, &zoe]).await;
    let mut ids = Vec::new();
    for (who, text) in
        [(&tom, "1"), (&zoe, "2"), (&tom, "3"), (&zoe, "4"), (&tom, "5"), (&tom, "6")]
    {
        ids.push(who.say(chat, text).await["id"].clone());
    }
    let bury = async |who: &Client, index: usize| {
        who.delete(&format!("/api/messages/{}/", ids[index])).await.expect(204);
    };
    bury(&tom, 2).await;
    assert_eq!(read(&kitty, chat, 0).await, marks(0, 5));
    assert_eq!(read(&kitty, chat, 1).await, marks(1, 4));
    assert_eq!(read(&kitty, chat, 3).await, marks(3, 3), "a tombstone can be read");
    // Deleting a message that was read does not change the unread count.
    bury(&tom, 0).await;
    assert_eq!(read(&kitty, chat, 3).await, marks(3, 3));
    bury(&tom, 4).await;
    assert_eq!(read(&kitty, chat, 3).await, marks(3, 2));
    // The user's own messages are never unread; sending implies having read what came before.
    assert_eq!(read(&zoe, chat, 0).await, marks(4, 1));
    zoe.say(chat, "7").await;
    assert_eq!(read(&zoe, chat, 0).await, marks(7, 0));
    assert_eq!(read(&kitty, chat, 6).await, marks(6, 1));
    let listed = kitty.get("/api/chats/?unread=true").await.expect(200);
    assert_eq!(listed.column("unread_count"), [1]);
    // A `seq` beyond the newest message counts as the newest.
    for beyond in [8, 1 << 60, i64::MAX] {
        let answer = kitty.post(&path_of(chat), json!({"seq": beyond})).await;
        assert_eq!(answer.expect(200).json, marks(7, 0), "{beyond}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_delivered_and_read_when_all_others_have_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, zoe) =
        (server.user("tom").await, server.user("kitty").await, server.user("zoe").await);
    let everybody = [&tom, &kitty, &zoe];
    let chat = tom.group(&[&kitty, &zoe]).await;
    let message = format!("/api/messages/{}/", tom.say(chat, "meow").await["id"]);
    let receipts = format!("{message}receipts/");
    let expect = async |status: &str, read: &[&Client], delivered: &[&Client]| {
        let list = |users: &[&Client]| -> Vec<Value> {
            let user = |user: &&Client| {
                json!({
                    "id": user.id, "username": user.username, "first_name": "", "last_name": "",
                    "avatar": null,
                })
            };
            users.iter().map(user).collect()
        };
        for viewer in everybody {
            assert_eq!(viewer.get(&message).await.expect(200).json["status"], status);
            let view = viewer.get(&format!("/api/chats/{chat}/")).await.json;
            assert_eq!(view["last_message"]["status"], status);
            let lists = json!({"read": list(read), "delivered": list(delivered),
                               "read_count": read.len(), "delivered_count": delivered.len()});
            viewer.get(&receipts).await.expect_body(200, lists);
        }
    };
    let fetch = async |who: &Client| {
        who.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    };
    // The sender is in neither list, and does not affect the status.
    expect("sent", &[], &[]).await;
    fetch(&kitty).await;
    expect("sent", &[], &[&kitty]).await;
    read(&kitty, chat, 1).await;
    expect("sent", &[&kitty], &[]).await;
    fetch(&zoe).await;
    expect("delivered", &[&kitty], &[&zoe]).await;
    read(&zoe, chat, 1).await;
    expect("read", &[&kitty, &zoe], &[]).await;
    // An edit and a deletion do not change this.
    tom.patch(&message, json!({"content": "miau"})).await.expect(200);
    tom.delete(&message).await.expect(204);
    expect("read", &[&kitty, &zoe], &[]).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_find_nothing_whatever_they_send(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, eve) =
        (server.user("tom").await, server.user("kitty").await, server.user("eve").await);
    let chat = tom.private_chat(&kitty).await;
    let message = tom.say(chat, "meow").await["id"].clone();
    for body in [json!({"seq": 1}), json!({"message": message}), json!({}), json!([])] {
        eve.post(&path_of(chat), body.clone()).await.expect_not_found();
        eve.post(&path_of(999_999), body).await.expect_not_found();
    }
    eve.get(&format!("/api/messages/{message}/receipts/")).await.expect_not_found();
    tom.get("/api/messages/999999/receipts/").await.expect_not_found();
    server.anonymous().post(&path_of(chat), json!({"seq": 1})).await.expect_no_credentials();
    assert_eq!(seen(&tom, chat, &kitty).await, (0, 0));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_of_the_chat_cannot_be_read(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (chat, other) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    tom.say(chat, "meow").await;
    let elsewhere = tom.say(other, "meow").await["id"].clone();
    let none = |id: &Value| format!("Invalid pk \"{id}\" - object does not exist.");
    let integer = "A valid integer is required.";
    for (body, field, text) in [
        (json!({"message": elsewhere}), "message", none(&elsewhere)),
        (json!({"message": 999_999}), "message", none(&json!(999_999))),
        (json!({"message": -1}), "message", none(&json!(-1))),
        (
            json!({"message": "1"}),
            "message",
            "Incorrect type. Expected pk value, received str.".to_owned(),
        ),
        (json!({}), "seq", "This field is required.".to_owned()),
        (json!({"message": null}), "seq", "This field is required.".to_owned()),
        (json!({"seq": null}), "seq", "This field may not be null.".to_owned()),
        (json!({"seq": "1"}), "seq", integer.to_owned()),
        (json!({"seq": 1.5}), "seq", integer.to_owned()),
        (json!({"seq": -1}), "seq", "Ensure this value is greater than or equal to 0.".to_owned()),
    ] {
        kitty.post(&path_of(chat), body).await.expect_fault(field, &text);
    }
    assert_eq!(seen(&tom, chat, &kitty).await, (0, 0));
}
