//! Members of groups: the matrix of roles, ownership, and the events for others.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, Socket, TestApp};

fn members_of(chat: i64) -> String {
    format!("/api/chats/{chat}/members/")
}

fn member_of(chat: i64, user: &Client) -> String {
    format!("/api/chats/{chat}/members/{}/", user.id)
}

async fn add(by: &Client, chat: i64, user: &Client) -> u16 {
    by.post(&members_of(chat), json!({"user": user.id})).await.status.as_u16()
}

async fn give(by: &Client, chat: i64, user: &Client, role: &str) -> u16 {
    by.put(&member_of(chat, user), json!({"role": role})).await.status.as_u16()
}

/// First letters of usernames, and roles, in the order of the list.
async fn roles(by: &Client, chat: i64) -> Vec<(i64, String)> {
    let list = by.get(&members_of(chat)).await.expect(200);
    let row = |member: &Value| {
        let id = member["user"]["id"].as_i64().expect("an id");
        (id, member["role"].as_str().expect("a role").to_owned())
    };
    list.results().iter().map(row).collect()
}

/// An owner, an admin and a member of a group, and a stranger.
struct People {
    owner: Client,
    admin: Client,
    member: Client,
    outsider: Client,
    chat: i64,
}

impl People {
    async fn of(server: &TestApp) -> Self {
        let (owner, admin) = (server.user("owner").await, server.user("admin").await);
        let (member, outsider) = (server.user("member").await, server.user("outsider").await);
        let chat = owner.group(&[&admin, &member]).await;
        assert_eq!(give(&owner, chat, &admin, "admin").await, 200);
        Self { owner, admin, member, outsider, chat }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_member_sees_the_history_and_has_nothing_unread(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let People { owner, outsider: newcomer, chat, .. } = People::of(&server).await;
    owner.say(chat, "before").await;
    let mut socket = Socket::open(&newcomer).await;
    let mut other = Socket::open(&owner).await;
    let body = json!({"users": [newcomer.id, newcomer.id, owner.id]});
    let added = owner.post(&members_of(chat), body).await.expect(201);
    let listed = added.results();
    assert_eq!(listed.len(), 2, "all those named, each once");
    assert_eq!(
        (&listed[0]["user"]["id"], &listed[0]["role"]),
        (&json!(newcomer.id), &json!("member"))
    );
    assert_eq!(listed[1]["role"], "owner", "who is in already stays as they are");
    assert_eq!(
        (&listed[0]["last_read_seq"], &listed[0]["last_delivered_seq"]),
        (&json!(1), &json!(1))
    );

    let created = socket.next().await;
    assert_eq!(created["type"], "chat.created");
    let view = newcomer.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    let mut told = view.clone();
    told.as_object_mut().expect("an object").remove("members");
    assert_eq!(created["chat"], told, "as the newcomer sees it");
    assert_eq!(
        (&view["unread_count"], &view["last_message"]["content"]),
        (&json!(0), &json!("before"))
    );
    let joined = other.next().await;
    assert_eq!((&joined["type"], &joined["version"]), (&json!("member.joined"), &view["version"]));
    assert_eq!(joined["member"], listed[0]);

    let messages = newcomer.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    assert_eq!(messages.results().len(), 1);
    owner.say(chat, "after").await;
    assert_eq!(socket.next().await["message"]["content"], "after");
    // Nothing changes, so there is no event.
    owner.post(&members_of(chat), json!({"user": newcomer.id})).await.expect(201);
    assert_eq!(owner.get(&format!("/api/chats/{chat}/")).await.json["version"], 5);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_add_remove_and_give_roles(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let People { owner, admin, member, outsider, chat } = People::of(&server).await;
    let (one, two) = (server.user("one").await, server.user("two").await);

    assert_eq!(add(&member, chat, &one).await, 403);
    assert_eq!(add(&outsider, chat, &one).await, 404);
    assert_eq!(add(&admin, chat, &one).await, 201);
    let as_admin = json!({"user": two.id, "role": "admin"});
    admin.post(&members_of(chat), as_admin.clone()).await.expect(403);
    owner.post(&members_of(chat), as_admin).await.expect(201);
    let as_owner = json!({"user": two.id, "role": "owner"});
    let refused = owner.post(&members_of(chat), as_owner).await.expect(400);
    assert!(refused.json["role"].is_array(), "{refused:?}");
    let body = json!({"users": [one.id, two.id + 1_000], "role": "king"});
    let no_such = format!("Invalid pk \"{}\" - object does not exist.", two.id + 1_000);
    let both = json!({"users": [no_such], "role": ["\"king\" is not a valid choice."]});
    owner.post(&members_of(chat), body).await.expect_body(400, both);

    for (by, status) in [(&admin, 403), (&member, 403), (&outsider, 404)] {
        assert_eq!(give(by, chat, &one, "admin").await, status);
    }
    assert_eq!(give(&owner, chat, &outsider, "admin").await, 404);
    assert_eq!(give(&owner, chat, &owner, "admin").await, 400, "pass it on first");
    assert_eq!(give(&owner, chat, &owner, "owner").await, 200);
    assert_eq!(give(&owner, chat, &one, "king").await, 400);
    owner.put(&member_of(chat, &one), json!({})).await.expect(400);
    owner.patch(&member_of(chat, &one), json!({})).await.expect(200);

    let remove =
        async |by: &Client, user: &Client| by.delete(&member_of(chat, user)).await.status.as_u16();
    assert_eq!(remove(&member, &one).await, 403);
    assert_eq!(remove(&outsider, &one).await, 404);
    assert_eq!(remove(&admin, &two).await, 403, "another admin");
    assert_eq!(remove(&admin, &owner).await, 403);
    assert_eq!(remove(&admin, &one).await, 204);
    assert_eq!(remove(&admin, &one).await, 404);
    assert_eq!(remove(&owner, &two).await, 204);
    assert_eq!(remove(&member, &member).await, 204, "oneself leaves");
    for path in [members_of(chat), member_of(chat, &owner)] {
        member.get(&path).await.expect(404);
    }
    let private = owner.private_chat(&admin).await;
    assert_eq!(add(&owner, private, &one).await, 403);
    assert_eq!(give(&owner, private, &admin, "admin").await, 403);
    assert_eq!(owner.delete(&member_of(private, &owner)).await.status, 403);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_the_group_away_is_two_versions_and_makes_the_giver_an_admin(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let People { owner, member, chat, .. } = People::of(&server).await;
    let mut socket = Socket::open(&member).await;
    let before = socket.version_of(chat);
    let answer = owner.put(&member_of(chat, &member), json!({"role": "owner"})).await.expect(200);
    assert_eq!(answer.json["role"], "owner");
    for (step, id, role) in [(1, member.id, "owner"), (2, owner.id, "admin")] {
        let event = socket.next().await;
        assert_eq!(event["type"], "member.updated");
        assert_eq!(event["version"], before + step);
        assert_eq!(
            (&event["member"]["user"]["id"], &event["member"]["role"]),
            (&json!(id), &json!(role))
        );
    }
    assert_eq!(give(&owner, chat, &owner, "owner").await, 403, "it is another's now");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_leaves_passes_the_group_on_and_the_last_one_out_ends_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let People { owner, admin, member, chat, .. } = People::of(&server).await;
    let mut socket = Socket::open(&owner).await;
    let mut listener = Socket::open(&member).await;
    owner.delete(&member_of(chat, &owner)).await.expect(204);
    assert_eq!(socket.next().await, json!({"type": "chat.deleted", "chat": chat}));
    let passed = listener.next().await;
    assert_eq!(
        (&passed["type"], &passed["member"]["role"]),
        (&json!("member.updated"), &json!("owner"))
    );
    assert_eq!(passed["member"]["user"]["id"], admin.id, "the senior admin");
    let left = listener.next().await;
    assert_eq!(
        (&left["type"], &left["member"]["user"]["id"]),
        (&json!("member.left"), &json!(owner.id))
    );
    let expected = [(admin.id, "owner".to_owned()), (member.id, "member".to_owned())];
    assert_eq!(roles(&admin, chat).await, expected);

    admin.say(chat, "still here").await;
    assert_eq!(listener.next().await["type"], "message.created");
    assert!(socket.drain().await.is_empty(), "one who left hears nothing");
    let gone = owner.post("/api/sync/", json!({"versions": {chat.to_string(): 1}})).await;
    assert_eq!(gone.json["gone"], json!([chat]));
    admin.delete(&member_of(chat, &admin)).await.expect(204);
    assert_eq!(roles(&member, chat).await, [(member.id, "owner".to_owned())]);
    member.delete(&member_of(chat, &member)).await.expect(204);
    while listener.next().await["type"] != "chat.deleted" {}
    member.get(&format!("/api/chats/{chat}/")).await.expect(404);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_returns_receives_the_chat_again_and_sees_all_of_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let People { owner, member, chat, .. } = People::of(&server).await;
    let mut socket = Socket::open(&member).await;
    for _ in 0..3 {
        owner.delete(&member_of(chat, &member)).await.expect(204);
        owner.say(chat, "behind your back").await;
        assert_eq!(add(&owner, chat, &member).await, 201);
        owner.say(chat, "welcome").await;
        assert_eq!(socket.next().await["type"], "chat.deleted");
        let created = socket.next().await;
        assert_eq!(
            (&created["type"], &created["chat"]["unread_count"]),
            (&json!("chat.created"), &json!(0))
        );
        let event = socket.next().await;
        assert_eq!(event["message"]["content"], "welcome");
        assert_eq!(event["version"], created["chat"]["version"].as_i64().expect("a version") + 1);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_changes_name_and_members_one_version_each(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let People { owner, admin, member, outsider, chat } = People::of(&server).await;
    let path = format!("/api/chats/{chat}/");
    let mut socket = Socket::open(&admin).await;
    let before = socket.version_of(chat);
    let body = json!({"name": " Garden ", "members": [admin.id, outsider.id, owner.id]});
    let view = owner.put(&path, body.clone()).await.expect(200).json;
    assert_eq!((&view["name"], &view["version"]), (&json!("Garden"), &json!(before + 3)));
    assert_eq!(view["members"].as_array().expect("members").len(), 3);
    assert_eq!(view["members_count"], 3);
    let mut events = Vec::new();
    for version in 1..=3 {
        let event = socket.next().await;
        assert_eq!(event["version"], before + version);
        events.push(event);
    }
    let types: Vec<_> =
        events.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["member.left", "member.joined", "chat.updated"]);
    assert_eq!(
        events[2],
        json!({"type": "chat.updated", "chat": chat, "version": before + 3,
        "name": "Garden", "description": "", "avatar": null})
    );
    let again = owner.put(&path, body).await.expect(200).json;
    assert_eq!(again["version"], view["version"], "nothing changed");

    // An admin cannot remove the owner or other admins; members cannot change anything.
    let without = json!({"members": [outsider.id]});
    admin.patch(&path, without.clone()).await.expect(403);
    assert_eq!(
        admin.patch(&path, json!({"members": [owner.id]})).await.expect(200).json["members_count"],
        2
    );
    outsider.patch(&path, json!({"name": ""})).await.expect(404);
    member.patch(&path, without).await.expect(404);
    assert_eq!(add(&owner, chat, &member).await, 201);
    member.patch(&path, json!({"name": ""})).await.expect(403);
    owner
        .put(&path, json!({"description": "x"}))
        .await
        .expect_body(400, json!({"name": ["This field is required."]}));
    let wrong = json!({"name": " ", "description": 5, "members": [999_999]});
    let wrong = owner.patch(&path, wrong).await.expect(400).json;
    assert_eq!(wrong["name"], json!(["This field may not be blank."]));
    assert_eq!(wrong["description"], json!(["Not a valid string."]));
    assert_eq!(wrong["members"], json!(["Invalid pk \"999999\" - object does not exist."]));
    let private = owner.private_chat(&admin).await;
    owner.patch(&format!("/api/chats/{private}/"), json!({"name": "Us"})).await.expect(403);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_holds_as_many_as_allowed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("MAX_GROUP_MEMBERS", "3")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (a, b, c, d) = (
        server.user("a").await,
        server.user("b").await,
        server.user("c").await,
        server.user("d").await,
    );
    let chat = a.group(&[&b, &c]).await;
    let full = json!({"members": ["A group has at most 3 members."]});
    a.post(&members_of(chat), json!({"user": d.id})).await.expect_body(400, full.clone());
    let all = json!({"members": [b.id, c.id, d.id]});
    a.patch(&format!("/api/chats/{chat}/"), all).await.expect_body(400, full);
    a.post(&members_of(chat), json!({"user": b.id})).await.expect(201);
    let exchanged = json!({"members": [b.id, d.id]});
    a.patch(&format!("/api/chats/{chat}/"), exchanged).await.expect(200);
    for (body, field, text) in [
        (json!({}), "user", "This field is required."),
        (json!({"users": []}), "users", "This list may not be empty."),
        (json!({"user": 999_999}), "user", "Invalid pk \"999999\" - object does not exist."),
        (json!({"user": "b"}), "user", "Incorrect type. Expected pk value, received str."),
    ] {
        a.post(&members_of(chat), body).await.expect_body(400, json!({field: [text]}));
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_members_is_paged_by_rank(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let People { owner, admin, member, outsider, chat } = People::of(&server).await;
    assert_eq!(add(&owner, chat, &outsider).await, 201);
    let path = format!("{}?page_size=1", members_of(chat));
    let id = |member: &Value| member["user"]["id"].as_i64().expect("an id");
    let forth: Vec<_> = owner.walk(&path, "next").await.iter().map(id).collect();
    assert_eq!(forth, [owner.id, admin.id, member.id, outsider.id]);
    let one = owner.get(&member_of(chat, &admin)).await.expect(200).json;
    assert_eq!((&one["role"], id(&one)), (&json!("admin"), admin.id));
    owner.get(&format!("{}?cursor=x", members_of(chat))).await.expect(404);
}
