//! Invites: links by which users join a group by themselves, counted exactly.

use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, Socket, TestApp};

fn list(chat: i64) -> String {
    format!("/api/chats/{chat}/invites/")
}

async fn invite(by: &Client, chat: i64, body: Value) -> String {
    let invite = by.post(&list(chat), body).await.expect(201).json;
    invite["code"].as_str().expect("a code").to_owned()
}

fn accept(code: &str) -> String {
    format!("/api/invites/{code}/accept/")
}

/// The lifetime of an invite in seconds.
fn lifetime(invite: &Value) -> i64 {
    let time = |name: &str| {
        let text = invite[name].as_str().expect("a time");
        meowsenger::domain::time::Timestamp::parse(text).expect("a time").micros()
    };
    (time("expires_at") - time("created_at")) / 1_000_000
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_and_admins_create_list_and_revoke_invites(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (owner, admin, member) =
        (server.user("owner").await, server.user("admin").await, server.user("member").await);
    let chat = owner.group(&[&admin, &member]).await;
    let role = format!("/api/chats/{chat}/members/{}/", admin.id);
    owner.put(&role, json!({"role": "admin"})).await.expect(200);

    let made = owner.post(&list(chat), json!({})).await.expect(201).json;
    let code = made["code"].as_str().expect("a code");
    assert!(code.len() >= 22, "{code}");
    assert_eq!(made["url"], format!("{}/invite/{code}", server.base));
    assert_eq!(made["created_by"]["id"], owner.id);
    assert_eq!((&made["max_uses"], &made["uses"]), (&json!(null), &json!(0)));
    assert_eq!(lifetime(&made), 7 * 86_400);
    let limited = json!({"expires_in": 2_592_000, "max_uses": 1, "uses": 9, "code": "meow"});
    let second = admin.post(&list(chat), limited).await.expect(201).json;
    assert_eq!((lifetime(&second), &second["max_uses"]), (2_592_000, &json!(1)));
    assert_ne!(second["code"], "meow");
    for (body, field, text) in [
        (
            json!({"expires_in": 0}),
            "expires_in",
            "Ensure this value is greater than or equal to 1.",
        ),
        (
            json!({"expires_in": 2_592_001}),
            "expires_in",
            "Ensure this value is less than or equal to 2592000.",
        ),
        (json!({"max_uses": 0}), "max_uses", "Ensure this value is greater than or equal to 1."),
        (json!({"max_uses": "many"}), "max_uses", "A valid integer is required."),
    ] {
        owner.post(&list(chat), body).await.expect_fault(field, text);
    }
    // The latest first, in pages.
    let listed = admin.get(&list(chat)).await.expect(200);
    assert_eq!(listed.column("code"), [second["code"].clone(), made["code"].clone()]);
    assert_eq!(listed.results()[1], made);
    let page = admin.get(&format!("{}?page_size=1", list(chat))).await.expect(200);
    let next = admin.get(page.json["next"].as_str().expect("more")).await.expect(200);
    assert_eq!(next.column("code"), [made["code"].clone()]);
    let back = admin.get(next.json["previous"].as_str().expect("a page before")).await;
    assert_eq!(back.column("code"), [second["code"].clone()]);

    // Others who ask, whatever they send.
    let stranger = server.user("stranger").await;
    let one = format!("{}{code}/", list(chat));
    let denied = "You do not have permission to perform this action.";
    let wrong = json!({"max_uses": 0});
    member.get(&list(chat)).await.expect_detail(403, denied);
    member.post(&list(chat), wrong.clone()).await.expect_detail(403, denied);
    member.delete(&one).await.expect_detail(403, denied);
    stranger.get(&list(chat)).await.expect_not_found();
    stranger.post(&list(chat), wrong).await.expect_not_found();
    stranger.delete(&one).await.expect_not_found();
    let private = owner.private_chat(&member).await;
    owner.get(&list(private)).await.expect_detail(403, denied);
    owner.post(&list(private), json!({})).await.expect_detail(403, denied);

    // Another group's owner cannot revoke it, and nobody twice.
    let other = member.group(&[]).await;
    member.delete(&format!("{}{code}/", list(other))).await.expect_not_found();
    admin.delete(&one).await.expect(204);
    admin.delete(&one).await.expect_not_found();
    stranger.post(&accept(code), json!({})).await.expect_not_found();
    assert_eq!(admin.get(&list(chat)).await.column("code"), [second["code"].clone()]);

    server
        .script(&format!(
            "insert into invites (code, chat_id, created_by, created_at, expires_at) \
         with recursive s (n) as (select 1 union all select n + 1 from s where n < 99) \
         select 'x' || s.n, i.chat_id, i.created_by, i.created_at, i.expires_at \
         from s cross join invites i where i.chat_id = {chat};"
        ))
        .await;
    let full = owner.post(&list(chat), json!({"max_uses": 0})).await;
    full.expect_detail(409, "The group has too many invites.");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_code_sees_the_group_and_joins_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (owner, member, guest) =
        (server.user("owner").await, server.user("member").await, server.user("guest").await);
    let chat = owner.group(&[&member]).await;
    owner.say(chat, "meow").await;
    let code = invite(&owner, chat, json!({"max_uses": 1})).await;
    let path = format!("/api/invites/{code}/");
    let preview = guest.get(&path).await.expect(200).json;
    let group = owner.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    let expected = json!({
        "name": group["name"], "description": "", "avatar": null, "members_count": 2,
    });
    assert_eq!(preview["chat"], expected);
    assert_eq!(preview["created_by"]["id"], owner.id);
    assert_eq!(preview.as_object().expect("an object").len(), 3, "nothing else: {preview}");
    server.anonymous().get(&path).await.expect_no_credentials();

    let mut members = Socket::open(&member).await;
    let mut guests = Socket::open(&guest).await;
    let joined = guest.post(&accept(&code), json!({})).await.expect(200).json;
    assert_eq!((&joined["id"], &joined["my_role"]), (&json!(chat), &json!("member")));
    assert_eq!(joined["version"], group["version"].as_i64().expect("a version") + 1);
    let event = members.next_of("member.joined").await;
    assert_eq!(
        (&event["version"], &event["member"]["user"]["id"]),
        (&joined["version"], &json!(guest.id))
    );
    assert_eq!(guests.next_of("chat.created").await["chat"]["id"], chat);

    // A lost answer is repeated, also now that the invite is used up; nothing is counted.
    for client in [&guest, &member, &owner] {
        let again = client.post(&accept(&code), json!({})).await.expect(200).json;
        assert_eq!((&again["id"], &again["version"]), (&json!(chat), &joined["version"]));
    }
    assert_eq!(owner.get(&list(chat)).await.json["results"][0]["uses"], 1);
    // For all others it is as if there were none.
    let late = server.user("late").await;
    late.get(&path).await.expect_not_found();
    late.post(&accept(&code), json!({})).await.expect_not_found();

    // A former member comes back by a link.
    let code = invite(&owner, chat, json!({})).await;
    owner.delete(&format!("/api/chats/{chat}/members/{}/", guest.id)).await.expect(204);
    guest.post(&accept(&code), json!({})).await.expect(200);
    // A block between the two is no reason against a shared group.
    owner.put(&format!("/api/blocks/{}/", late.id), json!({})).await.expect(204);
    late.post(&accept(&code), json!({})).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_that_does_not_count_is_not_found(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("MAX_GROUP_MEMBERS", "3"), ("THROTTLE", "on")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (owner, member, guest) =
        (server.user("owner").await, server.user("member").await, server.user("guest").await);
    let chat = owner.group(&[&member]).await;
    let (short, long) = (
        invite(&owner, chat, json!({"expires_in": 60})).await,
        invite(&owner, chat, json!({})).await,
    );
    let code = long.as_str();
    server.app.clock.advance(Duration::from_secs(61));
    for client in [&guest, &member] {
        client.get(&format!("/api/invites/{short}/")).await.expect_not_found();
        client.post(&accept(&short), json!({})).await.expect_not_found();
    }
    assert_eq!(owner.get(&list(chat)).await.column("code"), [code]);

    // The creator's role does not matter any more.
    let path = format!("/api/chats/{chat}/members/{}/", member.id);
    owner.put(&path, json!({"role": "owner"})).await.expect(200);
    owner.delete(&format!("/api/chats/{chat}/members/{}/", owner.id)).await.expect(204);
    guest.post(&accept(code), json!({})).await.expect(200);
    owner.post(&accept(code), json!({})).await.expect(200);
    // A full group: those who are in get it, others a conflict.
    let late = server.user("late").await;
    late.post(&accept(code), json!({})).await.expect_detail(409, "The group is full.");
    guest.post(&accept(code), json!({})).await.expect(200);
    late.get(&format!("/api/invites/{code}/")).await.expect(200);

    member.delete(&format!("/api/chats/{chat}/")).await.expect(204);
    for client in [&late, &guest] {
        client.get(&format!("/api/invites/{code}/")).await.expect_not_found();
        client.post(&accept(code), json!({})).await.expect_not_found();
    }
    // Guessing is limited for each user: these are some more than a burst.
    let mut statuses = Vec::new();
    for n in 0..30 {
        statuses.push(late.get(&format!("/api/invites/{n:032}/")).await.status.as_u16());
    }
    assert!(statuses.contains(&404) && statuses.last() == Some(&429), "{statuses:?}");
    guest.get("/api/invites/meow/").await.expect_not_found();
    for odd in ["%FF", "%2F..", "a%00b"] {
        guest.get(&format!("/api/invites/{odd}/")).await.expect_not_found();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_are_counted_exactly_under_any_race(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let elsewhere = server.second_node().await;
    let owner = server.user("owner").await;
    let chat = owner.group(&[]).await;
    let code = invite(&owner, chat, json!({"max_uses": 5})).await;
    let path = accept(&code);
    let guests = join_all((0..25).map(|_| server.user("guest"))).await;
    // Each twice at once, on two nodes.
    let accepting = guests.iter().flat_map(|guest| {
        let there = Client { base: elsewhere.base.clone(), ..guest.clone() };
        [guest.clone(), there].map(|client| {
            let path = path.clone();
            async move { client.post(&path, json!({})).await.status.as_u16() }
        })
    });
    let statuses = join_all(accepting).await;
    let joined: Vec<_> = statuses.chunks(2).filter(|pair| pair.contains(&200)).collect();
    assert_eq!(joined.len(), 5, "{statuses:?}");
    assert!(joined.iter().all(|pair| **pair == [200, 200]), "a repeat is free: {statuses:?}");
    assert!(statuses.iter().all(|status| [200, 404].contains(status)), "{statuses:?}");
    let group = owner.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    assert_eq!((&group["members_count"], &group["version"]), (&json!(6), &json!(6)));
    assert_eq!(owner.get(&list(chat)).await.json["results"][0]["uses"], 5);

    // Revoked meanwhile: who joined did so before.
    let code = invite(&owner, chat, json!({})).await;
    let revoke = format!("{}{code}/", list(chat));
    let accepting = guests
        .iter()
        .map(async |guest| guest.post(&accept(&code), json!({})).await.status.as_u16());
    let revoking = async {
        owner.delete(&revoke).await.expect(204);
        owner.get(&format!("/api/chats/{chat}/")).await.expect(200).json["version"].clone()
    };
    let (_, version) = futures_util::future::join(join_all(accepting), revoking).await;
    let after = owner.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    assert_eq!(after["version"], version, "nobody joins after that");
}
