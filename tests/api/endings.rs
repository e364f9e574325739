//! Deletion of chats and accounts, and what staff may delete.

use meowsenger::store::Target;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::socket::DEADLINE;
use crate::support::{Backend, Client, PASSWORD, Socket, TestApp, eventually};

fn path_of(chat: i64) -> String {
    format!("/api/chats/{chat}/")
}

/// The audit entries of staff: action and target.
async fn acts(server: &TestApp) -> Vec<(String, i64)> {
    let query =
        Target::from(&server.app.db).query("select action, target_id from audit order by id");
    query.all().await.expect("read")
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_ends_a_group_and_either_a_private_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let stranger = server.user("stranger").await;
    let mut sockets = [Socket::open(&tom).await, Socket::open(&kitty).await];
    for private in [true, false] {
        let chat =
            if private { tom.private_chat(&kitty).await } else { kitty.group(&[&tom]).await };
        let message = tom.say(chat, "meow").await["id"].clone();
        for socket in &mut sockets {
            assert_eq!(socket.next_of("message.created").await["chat"], chat);
        }
        stranger.delete(&path_of(chat)).await.expect(404);
        if !private {
            tom.delete(&path_of(chat)).await.expect(403);
        }
        kitty.delete(&path_of(chat)).await.expect(204);
        for socket in &mut sockets {
            assert_eq!(socket.next().await, json!({"type": "chat.deleted", "chat": chat}));
        }
        for client in [&tom, &kitty] {
            client.get(&path_of(chat)).await.expect(404);
            client.get(&format!("/api/messages/{message}/")).await.expect(404);
            assert_eq!(client.get("/api/chats/").await.expect(200).results().len(), 0);
        }
        let body = json!({"content": "anybody?"});
        tom.post(&format!("/api/chats/{chat}/messages/"), body).await.expect(404);
        kitty.delete(&path_of(chat)).await.expect(404);
    }
    let (first, second) = (tom.private_chat(&kitty).await, kitty.private_chat(&tom).await);
    assert_eq!(first, second, "they have another one");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_end_any_chat_and_message_without_reading_and_it_is_kept(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, staff) =
        (server.user("tom").await, server.user("kitty").await, server.user("staff").await);
    server.make_staff(&staff, false).await;
    let chat = tom.private_chat(&kitty).await;
    let message = tom.say(chat, "rude").await;
    let id = message["id"].as_i64().expect("an id");
    let path = format!("/api/messages/{id}/");
    staff.get(&path_of(chat)).await.expect(404);
    staff.get(&path).await.expect(404);
    staff.put(&path, json!({"content": "kind"})).await.expect(404);
    staff.get(&format!("/api/chats/{chat}/messages/")).await.expect(404);
    let mut socket = Socket::open(&kitty).await;
    staff.delete(&path).await.expect(204);
    staff.delete(&path).await.expect(204);
    let deleted = socket.next().await;
    assert_eq!(
        (&deleted["type"], &deleted["message"]["content"]),
        (&json!("message.deleted"), &json!(""))
    );
    staff.delete(&path_of(chat)).await.expect(204);
    staff.delete(&path_of(chat)).await.expect(404);
    staff.delete(&path).await.expect(404);
    assert_eq!(socket.next().await["type"], "chat.deleted");
    assert_eq!(acts(&server).await, [("message.delete".into(), id), ("chat.delete".into(), chat)]);

    // Also over the socket, as long as the user is staff.
    let chat = tom.private_chat(&kitty).await;
    let mut socket = Socket::open(&staff).await;
    let delete = |id: &Value| json!({"type": "message.delete", "message": id});
    let one = tom.say(chat, "rude").await["id"].clone();
    assert_eq!(socket.request(delete(&one)).await["type"], "ack");
    let two = tom.say(chat, "rude again").await["id"].clone();
    let mut tx = server.app.db.begin().await.expect("begun");
    let query = tx.query("update users set is_staff = false where id = $1");
    query.bind(staff.id).execute().await.expect("updated");
    tx.commit().await.expect("committed");
    assert_eq!(socket.request(delete(&two)).await["code"], "not_found");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_an_account_sees_it_end_and_nothing_else(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    for availability in ["online", "busy", "invisible"] {
        let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
        let body = json!({"availability": availability, "first_name": "Tom"});
        tom.patch("/api/auth/me/", body).await.expect(200);
        let private = tom.private_chat(&kitty).await;
        let _device = Socket::open(&tom).await;
        let mut watcher = Socket::open(&kitty).await.loud();
        let seen = if availability == "invisible" { "offline" } else { availability };
        let watch = json!({"type": "status.watch", "users": [tom.id]});
        let look = async || {
            let users = watcher.request(watch.clone()).await;
            (users["users"][0]["status"] == seen).then_some(())
        };
        eventually(DEADLINE, "the status before", look).await;
        ask(&tom, json!({"password": PASSWORD})).await.expect(204);

        let name = format!("deleted_{}", tom.id);
        let told = watcher.next_of("user.updated").await;
        let shell = json!({"id": tom.id, "username": name, "first_name": "", "last_name": "",
                           "avatar": null});
        assert_eq!(told["user"], shell, "{availability}");
        if seen != "offline" {
            let mut status = watcher.next_status_of(&tom).await;
            // The one of connecting may come late.
            while status["status"] == seen {
                status = watcher.next_status_of(&tom).await;
            }
            assert_eq!(status["status"], "offline");
            assert_eq!((&status["status_text"], &status["last_seen"]), (&json!(""), &Value::Null));
        }
        let view = kitty.get(&path_of(private)).await.expect(200).json;
        assert_eq!(view["peer"]["status"], "offline", "{availability}");
        assert!(watcher.drain().await.iter().all(|event| event["type"] != "status"));
        let query = Target::from(&server.app.db)
            .query("select count(*) from sessions where user_id = $1 and ip || user_agent <> ''");
        let devices: (i64,) = query.bind(tom.id).one().await.expect("read");
        assert_eq!(devices, (0,), "nothing is kept of where they were");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_account_is_an_anonymous_shell(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, old) =
        (server.user("tom").await, server.user("kitty").await, server.user("old").await);
    let profile = json!({"email": "tom@example.com", "first_name": "Tom", "status_text": "here"});
    tom.patch("/api/auth/me/", profile).await.expect(200);
    let private = tom.private_chat(&kitty).await;
    let (owned, joined) = (tom.group(&[&old]).await, kitty.group(&[&tom]).await);
    let alone = tom.group(&[]).await;
    let add = json!({"user": kitty.id});
    tom.post(&format!("/api/chats/{owned}/members/"), add).await.expect(201);
    let said = tom.say(private, "goodbye").await;
    let mut socket = Socket::open(&tom).await;
    let mut listener = Socket::open(&kitty).await;

    let wrong = json!({"password": "nine-lives-2027"});
    tom.request(reqwest::Method::DELETE, "/api/auth/me/").send().await.expect("answered");
    ask(&tom, json!({})).await.expect_body(400, json!({"password": ["This field is required."]}));
    ask(&tom, wrong).await.expect_body(400, json!({"password": ["Invalid password."]}));
    ask(&tom, json!({"password": PASSWORD})).await.expect(204);

    assert_eq!(socket.closed().await.0, 4001);
    tom.get("/api/auth/me/").await.expect(401);
    tom.spend(&tom.refresh).await.expect(401);
    for login in [tom.username.as_str(), "tom@example.com", &format!("deleted_{}", tom.id)] {
        server.anonymous().login(login, PASSWORD).await.expect(401);
    }
    kitty.get(&format!("/api/users/{}/", tom.id)).await.expect(404);
    let listed = kitty.get("/api/users/").await.expect(200);
    assert!(!listed.results().iter().any(|user| user["id"] == tom.id));

    // The messages stay, under the anonymised account.
    let view = kitty.get(&path_of(private)).await.expect(200).json;
    assert_eq!(view["peer"]["username"], format!("deleted_{}", tom.id));
    for field in ["first_name", "last_name", "status_text"] {
        assert_eq!(view["peer"][field], "");
    }
    assert_eq!((&view["peer"]["avatar"], &view["peer"]["last_seen"]), (&Value::Null, &Value::Null));
    assert_eq!(view["members_count"], 2);
    let message = kitty.get(&format!("/api/messages/{}/", said["id"])).await.expect(200).json;
    assert_eq!(
        (&message["content"], &message["sender"]["username"]),
        (&json!("goodbye"), &view["peer"]["username"])
    );

    // Nobody can send a message there.
    let messages = format!("/api/chats/{private}/messages/");
    for body in [json!({"content": "wait"}), json!({"content": ""})] {
        kitty.post(&messages, body).await.expect(409);
    }
    let frame = json!({"type": "message.send", "chat": private, "content": "wait"});
    assert_eq!(listener.request(frame).await["code"], "conflict");

    // The groups remain.
    assert_eq!(kitty.get(&path_of(owned)).await.expect(200).json["my_role"], "member");
    assert_eq!(
        old.get(&path_of(owned)).await.expect(200).json["my_role"],
        "owner",
        "the senior one"
    );
    assert_eq!(kitty.get(&path_of(joined)).await.expect(200).json["members_count"], 1);
    let mut told: Vec<_> = listener.drain().await;
    told.sort_by_key(|event| (event["chat"].as_i64(), event["version"].as_i64()));
    let types: Vec<_> = told.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["member.updated", "member.left", "member.left"], "{told:?}");
    kitty.get(&path_of(alone)).await.expect(404);

    // The name and the address are free again, and nobody can change the anonymised account.
    let body = json!({"username": tom.username, "password": PASSWORD, "email": "tom@example.com"});
    server.anonymous().post("/api/auth/register/", body).await.expect(201);
    let name = format!("Deleted_{}", tom.id);
    let taken = "A user with that username already exists.";
    kitty.patch("/api/auth/me/", json!({"username": name})).await.expect_fault("username", taken);
    server.make_staff(&kitty, true).await;
    kitty.patch(&format!("/api/users/{}/", tom.id), json!({"is_active": true})).await.expect(404);
    let add = json!({"user": tom.id});
    kitty.post(&format!("/api/chats/{joined}/members/"), add).await.expect(400);
}

async fn ask(client: &Client, body: Value) -> crate::support::Answer {
    let body = body.to_string();
    client.raw(reqwest::Method::DELETE, "/api/auth/me/", "application/json", body).await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_removed_on_another_node_receives_nothing_more_within_about_a_second(
    #[values(Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let other = server.second_node().await;
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let private = tom.private_chat(&kitty).await;
    let there = Client { base: other.base.clone(), ..kitty.clone() };
    let mut socket = Socket::open(&there).await;
    tom.delete(&format!("/api/chats/{chat}/members/{}/", kitty.id)).await.expect(204);
    assert_eq!(socket.next().await, json!({"type": "chat.deleted", "chat": chat}));
    tom.delete(&path_of(private)).await.expect(204);
    assert_eq!(socket.next().await, json!({"type": "chat.deleted", "chat": private}));
}
