//! The account's version: what only the user sees is right on every device, after any absence.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Answer, Backend, Chance, Client, Socket, TestApp};

/// What another node or program did is known here after a sweep of 5 seconds, without any bus.
const LATE: Duration = Duration::from_secs(10);

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

/// The account's version that a socket's `ready` named.
fn ready_version(socket: &Socket) -> i64 {
    socket.ready["account"].as_i64().expect("a version")
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_receipts_carry_the_account_s_version_and_others_do_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (one, two) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    tom.say(one, "meow").await;
    tom.say(two, "meow").await;
    let mut device = Socket::open(&kitty).await.loud();
    let mut peer = Socket::open(&tom).await.loud();
    let start = ready_version(&device);
    assert_eq!(start, version(&kitty).await);

    kitty.get(&format!("/api/chats/{one}/messages/")).await.expect(200);
    assert_eq!(device.next_of("receipt").await.get("account"), None, "delivered only");
    for (chat, expected) in [(one, start + 1), (two, start + 2)] {
        read(&kitty, chat, 1).await;
        let own = device.next_of("receipt").await;
        assert_eq!((&own["chat"], &own["account"]), (&json!(chat), &json!(expected)));
        assert_eq!(own["last_read_seq"], 1);
    }
    for _ in 0..3 {
        assert_eq!(peer.next_of("receipt").await.get("account"), None);
    }
    assert_eq!(since(&kitty, start + 2).await["chats"], json!([]));
    let chats = since(&kitty, start + 1).await;
    assert_eq!(chats["chats"], json!([entry(two, 1, 0)]));
    // The frame `sync` answers alike.
    let ask = json!({"type": "sync", "versions": {}, "account": start + 1});
    assert_eq!(device.request(ask).await["account"], chats);
    let wrong = device.request(json!({"type": "sync", "versions": {}, "account": "x"})).await;
    assert_eq!(wrong["errors"]["account"], json!(["A valid integer is required."]));
    assert_eq!(ready_version(&Socket::open(&kitty).await), start + 2);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_profile_reaches_the_user_s_devices_with_the_version(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    tom.private_chat(&kitty).await;
    let mut device = Socket::open(&tom).await.loud();
    let mut peer = Socket::open(&kitty).await.loud();
    let start = ready_version(&device);
    let me = "/api/auth/me/";

    tom.patch(me, json!({"first_name": "Thomas"})).await.expect(200);
    let own = device.next_of("user.updated").await;
    assert_eq!(
        (&own["account"], &own["user"]["first_name"]),
        (&json!(start + 1), &json!("Thomas"))
    );
    assert_eq!(peer.next_of("user.updated").await.get("account"), None);
    // Nobody else sees the address.
    tom.patch(me, json!({"email": "tom@cat.example"})).await.expect(200);
    assert_eq!(device.next_of("user.updated").await["account"], start + 2);

    tom.patch(me, json!({"availability": "busy"})).await.expect(200);
    let own = device.next_status_of(&tom).await;
    assert_eq!((&own["account"], &own["status"]), (&json!(start + 3), &json!("busy")));
    let seen = peer.next_status_of(&tom).await;
    assert_eq!((seen.get("account"), &seen["status"]), (None, &json!("busy")));

    // By a device: all others get it, the one that asked does not.
    let mut other = Socket::open(&tom).await.loud();
    device.request(json!({"type": "status", "status": "invisible"})).await;
    let own = other.next_status_of(&tom).await;
    assert_eq!((&own["account"], &own["status"]), (&json!(start + 4), &json!("offline")));
    for socket in [&mut device, &mut other] {
        let mut again = socket.drain().await;
        again.retain(|frame| frame["account"] == start + 4);
        assert!(again.is_empty(), "each change once: {again:?}");
    }
    // What changes nothing that others see is a change of the account all the same.
    device.request(json!({"type": "status", "status": "online"})).await;
    assert_eq!(other.next_status_of(&tom).await["account"], start + 5);
    assert_eq!(since(&tom, start + 4).await["user"]["availability"], "online");
    let mut again = other.drain().await;
    again.retain(|frame| frame["account"] == start + 5);
    assert!(again.is_empty(), "{again:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_elsewhere_without_a_bus_reaches_the_devices_here(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let elsewhere = server.second_node().await;
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chats = [tom.private_chat(&kitty).await, tom.group(&[&kitty]).await];
    for chat in chats {
        tom.say(chat, "meow").await;
    }
    let mut device = Socket::open(&kitty).await.loud();
    let start = ready_version(&device);
    let there = Client { base: elsewhere.base.clone(), ..kitty.clone() };
    read(&there, chats[0], 1).await;
    there.patch("/api/auth/me/", json!({"first_name": "Kit"})).await.expect(200);
    // A later change on this node does not hide them.
    read(&kitty, chats[1], 1).await;
    let mut found = BTreeMap::new();
    while found.len() < 3 {
        let frame = timeout(LATE, device.next()).await.expect("in time");
        if let Some(version) = frame["account"].as_i64() {
            found.entry(version).or_insert(frame["type"].clone());
        }
    }
    let expected = [(1, "receipt"), (2, "user.updated"), (3, "receipt")];
    let expected = expected.map(|(n, kind)| (start + n, json!(kind)));
    assert_eq!(found, BTreeMap::from(expected));
}

/// What only the user sees of a chat.
fn own(chat: &Value) -> Value {
    let names =
        ["last_read_seq", "unread_count", "unread_mentions", "muted_until", "pinned", "archived"];
    names.into_iter().map(|name| (name.to_owned(), chat[name].clone())).collect()
}

/// What a device keeps, by the rules of `docs/realtime.md`.
#[derive(Default)]
struct Device {
    versions: BTreeMap<String, Value>,
    /// Chat by chat: read marker, unread count and settings.
    chats: BTreeMap<String, Value>,
    account: Option<i64>,
    me: Value,
    blocked: bool,
}

impl Device {
    /// Comes back after an absence: one sync, in as many answers as that takes.
    async fn come_back(&mut self, client: &Client) {
        loop {
            let mut body = json!({"versions": self.versions, "limit": 3});
            if let Some(version) = self.account {
                body["account"] = json!(version);
            }
            let answer = sync(client, body).await;
            let account = &answer["account"];
            for entry in account["chats"].as_array().into_iter().flatten() {
                self.chats.insert(entry["chat"].to_string(), own(entry));
            }
            if !account["user"].is_null() {
                self.me = account["user"].clone();
            }
            for block in account["blocks"].as_array().into_iter().flatten() {
                self.blocked = block["blocked"] == true;
            }
            self.account = account["version"].as_i64();
            for chat in answer["gone"].as_array().expect("gone") {
                self.versions.remove(&chat.to_string());
                self.chats.remove(&chat.to_string());
            }
            for change in answer["changes"].as_array().expect("changes") {
                let (chat, last) =
                    (&change["chat"], change["messages"].as_array().expect("list").last());
                let id = chat["id"].to_string();
                let version =
                    if change["more"] == true { last.map(|m| &m["version"]) } else { None };
                self.versions.insert(id.clone(), version.unwrap_or(&chat["version"]).clone());
                self.chats.insert(id, own(chat));
            }
            if answer["more"] == false && account["more"] != true {
                return;
            }
        }
    }
}

/// Does something at random that changes what a user sees; `path` is of one of the chats.
async fn stir(chance: &mut Chance, (me, peer): (&Client, &Client), chats: &[i64]) {
    let chat = chats[chance.below(chats.len())];
    let list = peer.get(&format!("/api/chats/{chat}/messages/?page_size=4")).await;
    let newest = list.json["results"].as_array().cloned().unwrap_or_default();
    match chance.below(12) {
        0..3 => {
            let content = ["x", &format!("@{}", me.username), "@all"][chance.below(3)].to_owned();
            let body = json!({"content": content});
            drop(peer.post(&format!("/api/chats/{chat}/messages/"), body).await);
        }
        3 => drop(me.post(&format!("/api/chats/{chat}/messages/"), json!({"content": "y"})).await),
        4 if chance.one_in(2) && !newest.is_empty() => {
            let message = &newest[chance.below(newest.len())]["id"];
            let content = ["z", &format!("@{}", me.username)][chance.below(2)].to_owned();
            let body = json!({"content": content});
            drop(peer.put(&format!("/api/messages/{message}/"), body).await);
        }
        4 if !newest.is_empty() => {
            let message = &newest[chance.below(newest.len())]["id"];
            drop(peer.delete(&format!("/api/messages/{message}/")).await);
        }
        5 => {
            let path = format!("/api/chats/{chat}/members/");
            if chance.one_in(2) {
                drop(peer.delete(&format!("{path}{}/", me.id)).await);
            } else if chance.one_in(2) {
                drop(peer.post(&path, json!({"user": me.id})).await);
            } else {
                let invites = format!("/api/chats/{chat}/invites/");
                let invite = peer.post(&invites, json!({})).await.json;
                let code = invite["code"].as_str().unwrap_or("none").to_owned();
                drop(me.post(&format!("/api/invites/{code}/accept/"), json!({})).await);
            }
        }
        6 => {
            let name = format!("n{}", chance.below(3));
            me.patch("/api/auth/me/", json!({"first_name": name})).await.expect(200);
        }
        9 | 10 => {
            let method = if chance.one_in(2) { Method::PUT } else { Method::DELETE };
            let request = me.request(method, &format!("/api/blocks/{}/", peer.id));
            Answer::of(request).await.expect(204);
        }
        7 | 8 => {
            let (what, until) =
                (["pinned", "archived"][chance.below(2)], ["forever", "2020-01-01T00:00:00Z"]);
            let change = json!({what: chance.one_in(2), "muted_until": until[chance.below(2)]});
            drop(me.patch(&format!("/api/chats/{chat}/settings/"), change).await);
        }
        _ => {
            let seq = newest.first().map_or(0, |message| message["seq"].as_i64().unwrap_or(0));
            let seq = seq - i64::try_from(chance.below(3)).expect("small");
            drop(me.post(&format!("/api/chats/{chat}/read/"), json!({"seq": seq.max(0)})).await);
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_come_and_go_agree_with_the_server_after_one_sync(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut chance = Chance::new("devices that come and go");
    let (me, peer) = (server.user("tom").await, server.user("kitty").await);
    let mut chats = vec![peer.private_chat(&me).await];
    for _ in 0..3 {
        chats.push(peer.group(&[&me]).await);
    }
    let mut devices = [Device::default(), Device::default(), Device::default()];
    for _ in 0..40 {
        for _ in 0..chance.below(6) {
            stir(&mut chance, (&me, &peer), &chats).await;
        }
        let device = &mut devices[chance.below(3)];
        let is_first = device.account.is_none();
        device.come_back(&me).await;
        let listed = me.get("/api/chats/").await.expect(200);
        let chats = listed.results().iter().map(|chat| (chat["id"].to_string(), own(chat)));
        assert_eq!(device.chats, chats.collect());
        let blocks = me.get("/api/blocks/").await.expect(200);
        assert!(is_first || device.blocked != blocks.results().is_empty());
        if is_first {
            device.me = me.get("/api/auth/me/").await.expect(200).json;
            device.blocked = !me.get("/api/blocks/").await.expect(200).results().is_empty();
        }
        assert_eq!(device.me["first_name"], me.get("/api/auth/me/").await.json["first_name"]);
    }
}
