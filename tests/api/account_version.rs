//! The account's version: what only the user sees is right on every device, after any absence.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, TestApp};

async fn sync(client: &Client, body: Value) -> Value {
    client.post("/api/sync/", body).await.expect(200).json
}

/// What changed in the account after a version.
async fn since(client: &Client, version: i64) -> Value {
    sync(client, json!({"versions": {}, "account": version})).await["account"].take()
}

async fn version(client: &Client) -> i64 {
    let account = sync(client, json!({"versions": {}})).await["account"].take();
    assert_eq!(account.as_object().expect("an object").len(), 1, "the version alone: {account}");
    account["version"].as_i64().expect("a version")
}

async fn read(client: &Client, chat: i64, seq: i64) {
    client.post(&format!("/api/chats/{chat}/read/"), json!({"seq": seq})).await.expect(200);
}

/// An entry of a sync's `account.chats`.
fn entry(chat: i64, last_read_seq: i64, unread_count: i64) -> Value {
    json!({
        "chat": chat, "last_read_seq": last_read_seq, "unread_count": unread_count,
        "unread_mentions": 0, "muted_until": null, "pinned": false, "archived": false,
    })
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_markers_that_moved_while_a_device_was_away_are_in_its_sync(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (one, two) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    for chat in [one, one, one, two] {
        tom.say(chat, "meow").await;
    }
    let start = version(&kitty).await;
    assert_eq!(since(&kitty, start).await["chats"], json!([]));

    // By GET only the delivery marker moves; to read what is read already changes nothing.
    kitty.get(&format!("/api/chats/{one}/messages/")).await.expect(200);
    read(&kitty, one, 0).await;
    assert_eq!(version(&kitty).await, start);
    read(&kitty, one, 1).await;
    read(&kitty, two, 5).await;
    read(&kitty, one, 2).await;
    let answer = since(&kitty, start).await;
    let expected = json!({
        "version": start + 3, "user": null, "chats": [entry(two, 1, 0), entry(one, 2, 1)],
        "blocks": [], "more": false,
    });
    assert_eq!(answer, expected);
    assert_eq!(since(&kitty, start + 2).await["chats"], json!([entry(one, 2, 1)]));
    assert_eq!(since(&kitty, start + 3).await["chats"], json!([]));

    // Sending reads, but other devices learn that from the message.
    kitty.say(one, "purr").await;
    assert_eq!(version(&kitty).await, start + 3);
    // Others' markers are others'.
    read(&tom, one, 4).await;
    assert_eq!(version(&kitty).await, start + 3);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_is_in_the_sync_where_it_changed_whoever_changed_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, staff) = (server.user("tom").await, server.user("staff").await);
    server.make_staff(&staff, true).await;
    let path = format!("/api/users/{}/", tom.id);
    let mut known = version(&tom).await;
    for (by, change) in [
        (&tom, json!({"first_name": "Thomas"})),
        (&tom, json!({"availability": "busy"})),
        (&tom, json!({"email": "tom@cat.example"})),
        (&staff, json!({"status_text": "moderated"})),
        (&staff, json!({"is_staff": true})),
    ] {
        by.patch(&path, change.clone()).await.expect(200);
        let answer = since(&tom, known).await;
        assert_eq!(answer["version"], known + 1, "{change}");
        let me = tom.get("/api/auth/me/").await.expect(200).json;
        assert_eq!((&answer["user"], &answer["chats"]), (&me, &json!([])), "{change}");
        known += 1;
        // The same again changes nothing.
        by.patch(&path, change.clone()).await.expect(200);
        assert_eq!(version(&tom).await, known, "{change}");
    }
    assert_eq!(since(&tom, known).await["user"], json!(null));
    // A password is not seen by anybody.
    let change = json!({"old_password": crate::support::PASSWORD, "new_password": "nine lives, 9"});
    tom.post("/api/auth/password/change/", change).await.expect(204);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_not_count_is_answered_with_the_version_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    tom.patch("/api/auth/me/", json!({"first_name": "Thomas"})).await.expect(200);
    let now = version(&tom).await;
    let alone = json!({"version": now});
    assert_eq!(since(&tom, now + 1).await, alone, "beyond the server's");
    assert_eq!(since(&tom, i64::MAX).await, alone);
    let other = json!({"versions": {}, "account": 0, "epoch": "another"});
    assert_eq!(sync(&tom, other).await["account"], alone);
    let epoch = sync(&tom, json!({"versions": {}})).await["epoch"].clone();
    let same = json!({"versions": {}, "account": 0, "epoch": epoch});
    assert_eq!(sync(&tom, same).await["account"]["user"]["first_name"], "Thomas");

    for (wrong, text) in [
        (json!(-1), "Ensure this value is greater than or equal to 0."),
        (json!("1"), "A valid integer is required."),
        (json!(1.5), "A valid integer is required."),
        (json!(true), "A valid integer is required."),
        (json!([]), "A valid integer is required."),
        (json!(null), "This field may not be null."),
    ] {
        let body = json!({"versions": {}, "account": wrong});
        tom.post("/api/sync/", body).await.expect_fault("account", text);
    }
    let both = json!({"versions": {}, "account": "x", "limit": 0});
    let answer = tom.post("/api/sync/", both).await.expect(400).json;
    assert_eq!(answer.as_object().expect("faults").len(), 2, "{answer}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_thousand_chats_come_in_several_answers(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let first = tom.group(&[&kitty]).await;
    // 2,100 chats; batches of 300 markers share a version.
    server
        .script(&format!(
            "insert into chats (id, type, name, created_at, members_count, version, last_seq, active_at) \
             with recursive s (n) as (select 1 union all select n + 1 from s where n < 2100) \
             select {first} + n, 'group', 'Kitchen', c.created_at, 1, 4, 3, c.active_at \
             from s cross join chats c where c.id = {first}; \
             insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq, \
                                  account_version) \
             select id, {0}, 'member', created_at, 3, 1, 1 + (id - {first} - 1) / 300 \
             from chats where id > {first}; \
             update users set account_version = 7 where id = {0};",
            kitty.id
        ))
        .await;
    let (mut known, mut found, mut reached) = (0, Vec::new(), Vec::new());
    loop {
        let answer = since(&kitty, known).await;
        known = answer["version"].as_i64().expect("a version");
        reached.push(known);
        found.extend(answer["chats"].as_array().expect("chats").clone());
        if answer["more"] == false {
            break;
        }
    }
    assert_eq!(reached, [3, 6, 7]);
    let expected: Vec<_> = (1..=2_100).map(|n| entry(first + n, 1, 2)).collect();
    assert_eq!(found, expected);
}
