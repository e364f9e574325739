//! Private chats and groups, as members and strangers see them.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, PASSWORD, TestApp};

const CHATS: &str = "/api/chats/";
const EXACTLY_ONE: &str = "A private chat is with exactly one other user.";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_have_one_private_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let body = json!({
        "type": "private", "members": [kitty.id, tom.id, kitty.id], "name": 5, "id": 99,
        "version": 9, "my_role": "owner", "created_by": kitty.id,
    });
    let made = tom.post(CHATS, body.clone()).await.expect(201).json;

    let peer = tom.get(&format!("/api/users/{}/", kitty.id)).await.json;
    let reference = |user: &Value| {
        let names = ["id", "username", "first_name", "last_name", "avatar"];
        names.map(|name| (name.to_owned(), user[name].clone())).into_iter().collect::<Value>()
    };
    let own = tom.get("/api/auth/me/").await.json;
    let member = |user: &Value| {
        json!({
            "user": reference(user), "role": "member", "joined_at": made["created_at"],
            "last_delivered_seq": 0, "last_read_seq": 0,
        })
    };
    let expected = json!({
        "id": made["id"], "type": "private", "name": kitty.username, "description": "",
        "avatar": null, "created_at": made["created_at"], "created_by": reference(&own),
        "members_count": 2, "peer": peer, "my_role": "member", "last_message": null,
        "unread_count": 0, "unread_mentions": 0, "last_seq": 0, "last_read_seq": 0, "version": 1,
        "muted_until": null, "pinned": false, "archived": false, "blocked": false,
        "members": [member(&own), member(&peer)],
    });
    assert_eq!(made, expected);
    let path = format!("/api/chats/{}/", made["id"]);
    tom.get(&path).await.expect_body(200, expected.clone());
    tom.post(CHATS, body).await.expect_body(200, expected);

    let theirs = json!({"type": "private", "members": [tom.id]});
    let theirs = kitty.post(CHATS, theirs).await.expect(200).json;
    assert_eq!((&theirs["id"], &theirs["name"]), (&made["id"], &json!(tom.username)));
    assert_eq!(theirs["peer"]["id"], tom.id);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_chats_name_is_the_peers_full_name_or_username(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    for (username, first, last, name) in [
        ("one", "Tom", "Cat", "Tom Cat"),
        ("two", "Tom", "", "Tom"),
        ("three", "", "Cat", "Cat"),
        ("four", "", " ", "four"),
    ] {
        let body = json!({
            "username": username, "password": PASSWORD, "first_name": first, "last_name": last,
        });
        let user = tom.post("/api/auth/register/", body).await.expect(201).json["user"].clone();
        let chat = tom.post(CHATS, json!({"type": "private", "members": [user["id"]]})).await;
        assert_eq!(chat.expect(201).json["name"], name);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_makes_a_group_owns_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, spike) =
        (server.user("tom").await, server.user("kitty").await, server.user("spike").await);
    let body = json!({
        "type": "group", "name": "  Kitchen 🐈 ", "description": "milk",
        "members": [spike.id, kitty.id, tom.id, kitty.id], "avatar": "x", "version": 9,
    });
    let group = tom.post(CHATS, body).await.expect(201).json;
    for (field, value) in [
        ("type", json!("group")),
        ("name", json!("Kitchen 🐈")),
        ("description", json!("milk")),
        ("avatar", Value::Null),
        ("peer", Value::Null),
        ("my_role", json!("owner")),
        ("members_count", json!(3)),
        ("version", json!(1)),
        ("last_message", Value::Null),
    ] {
        assert_eq!(group[field], value, "{field}");
    }
    assert_eq!(group["created_by"]["id"], tom.id);
    let members = group["members"].as_array().expect("members");
    let mut members: Vec<_> = members
        .iter()
        .map(|member| (member["user"]["id"].as_i64(), member["role"].as_str()))
        .collect();
    assert_eq!(members.remove(0), (Some(tom.id), Some("owner")));
    members.sort_unstable();
    assert_eq!(members, [(Some(kitty.id), Some("member")), (Some(spike.id), Some("member"))]);

    let seen = kitty.get(&format!("/api/chats/{}/", group["id"])).await.expect(200).json;
    assert_eq!((&seen["my_role"], &seen["name"]), (&json!("member"), &group["name"]));
    // Without other members, and a second one with the same name.
    let alone = tom.post(CHATS, json!({"type": "group", "name": "Kitchen 🐈"})).await.expect(201);
    assert_eq!((&alone.json["members_count"], &alone.json["description"]), (&json!(1), &json!("")));
    assert_ne!(alone.json["id"], group["id"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_become_a_chat_is_refused_in_drfs_words(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("MAX_GROUP_MEMBERS", "3")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (tom, kitty, spike, gone) = (
        server.user("tom").await,
        server.user("kitty").await,
        server.user("spike").await,
        server.user("gone").await,
    );
    server.deactivate(&gone).await;
    let no_such = |id: i64| format!("Invalid pk \"{id}\" - object does not exist.");
    let private = |members: Value| json!({"type": "private", "members": members});
    let group = |members: Value| json!({"type": "group", "name": "Kitchen", "members": members});
    let refused = async |body: Value, field: &str, text: &str| {
        tom.post(CHATS, body).await.expect_fault(field, text);
    };

    let nobody = spike.id + 1_000;
    for members in [json!([]), json!([tom.id]), json!([kitty.id, spike.id])] {
        refused(private(members), "members", EXACTLY_ONE).await;
    }
    for id in [nobody, gone.id, 0, -1, i64::MAX] {
        refused(private(json!([id])), "members", &no_such(id)).await;
        refused(group(json!([kitty.id, id])), "members", &no_such(id)).await;
    }
    let both = tom.post(CHATS, group(json!([nobody, nobody + 1]))).await.expect(400).json;
    assert_eq!(both, json!({"members": [no_such(nobody), no_such(nobody + 1)]}));
    let body = json!({"type": "group", "name": "", "members": [kitty.id, nobody]});
    let both = tom.post(CHATS, body).await.expect(400).json;
    let blank = "This field may not be blank.";
    assert_eq!(both, json!({"name": [blank], "members": [no_such(nobody)]}));
    for (id, kind) in [("\"1\"", "str"), ("true", "bool"), ("null", "NoneType"), ("[1]", "list")] {
        let id: Value = serde_json::from_str(id).expect("JSON");
        let text = format!("Incorrect type. Expected pk value, received {kind}.");
        refused(group(json!([id])), "members", &text).await;
    }
    let text = "Expected a list of items but got type \"str\".";
    refused(private(json!("1")), "members", text).await;
    refused(private(Value::Null), "members", "This field may not be null.").await;
    refused(json!({"type": "private"}), "members", "This field is required.").await;

    refused(json!({}), "type", "This field is required.").await;
    refused(json!({"type": "pair"}), "type", "\"pair\" is not a valid choice.").await;
    refused(json!({"type": "group"}), "name", "This field is required.").await;
    let body = json!({"type": "group", "name": " ", "description": "x".repeat(1_001)});
    tom.post(CHATS, body).await.expect_body(
        400,
        json!({
            "name": ["This field may not be blank."],
            "description": ["Ensure this field has no more than 1000 characters."],
        }),
    );
    let long = |length: usize| json!({"type": "group", "name": "🐈".repeat(length)});
    let text = "Ensure this field has no more than 100 characters.";
    refused(long(101), "name", text).await;
    tom.post(CHATS, long(100)).await.expect(201);

    let text = "A group has at most 3 members.";
    let jerry = server.user("jerry").await;
    refused(group(json!([kitty.id, spike.id, jerry.id])), "members", text).await;
    tom.post(CHATS, group(json!([kitty.id, spike.id, tom.id]))).await.expect(201);
    assert_eq!(kitty.get(CHATS).await.results().len(), 1, "a refusal leaves nothing behind");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_are_listed_newest_message_or_making_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, spike) =
        (server.user("tom").await, server.user("kitty").await, server.user("spike").await);
    let private = tom.private_chat(&kitty).await;
    let group = tom.group(&[&kitty]).await;
    let other = tom.private_chat(&spike).await;
    let ids = async |expected: &[i64]| {
        let page = tom.get(CHATS).await.expect(200);
        assert_eq!(page.column("id"), expected);
        page
    };
    ids(&[other, group, private]).await;
    let said = kitty.say(private, "meow").await;
    let page = ids(&[private, other, group]).await;
    let row = &page.results()[0];
    assert_eq!(row["last_message"], said);
    let counts = ["unread_count", "last_seq", "last_read_seq", "version"].map(|name| &row[name]);
    assert_eq!(counts, [&json!(1), &json!(1), &json!(0), &json!(2)]);
    assert!(row.get("members").is_none(), "not in a list");

    // Neither an edit nor a deletion moves a chat in the list; the tombstone remains its last message.
    let message = format!("/api/messages/{}/", said["id"]);
    tom.say(group, "purr").await;
    kitty.put(&message, json!({"content": "miau"})).await.expect(200);
    let page = ids(&[group, private, other]).await;
    assert_eq!(page.results()[1]["last_message"]["content"], "miau");
    kitty.delete(&message).await.expect(204);
    let page = ids(&[group, private, other]).await;
    let row = &page.results()[1];
    assert_eq!((&row["last_message"]["content"], &row["unread_count"]), (&json!(""), &json!(0)));
    assert!(row["last_message"]["deleted_at"].is_string());
    assert_eq!(spike.get(CHATS).await.column("id"), [other]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_sees_nothing_of_a_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, eve) =
        (server.user("tom").await, server.user("kitty").await, server.user("eve").await);
    for chat in [tom.private_chat(&kitty).await, tom.group(&[&kitty]).await] {
        let message = tom.say(chat, "meow").await["id"].clone();
        let (chat, message) = (format!("/api/chats/{chat}/"), format!("/api/messages/{message}/"));
        eve.get(&chat).await.expect_not_found();
        let messages = format!("{chat}messages/");
        eve.get(&messages).await.expect_not_found();
        eve.get(&format!("{messages}?before=x")).await.expect_not_found();
        eve.get(&format!("{messages}?cursor=x")).await.expect_not_found();
        for body in [json!({"content": "meow"}), json!({}), json!([])] {
            eve.post(&messages, body.clone()).await.expect_not_found();
            eve.put(&message, body.clone()).await.expect_not_found();
            eve.patch(&message, body).await.expect_not_found();
        }
        for (method, path) in [("POST", &messages), ("PUT", &message), ("PATCH", &message)] {
            let method = method.parse().expect("a method");
            eve.raw(method, path, "application/json", "{").await.expect_not_found();
        }
        eve.get(&message).await.expect_not_found();
        eve.delete(&message).await.expect_not_found();
        assert_eq!(tom.get(&chat).await.json["version"], 2);
    }
    assert_eq!(eve.get(CHATS).await.results(), &[] as &[Value]);
}
