//! A chat's settings: muted, pinned, archived. Only the member sees them, on all devices and nodes.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, Socket, TestApp};

fn path(chat: i64) -> String {
    format!("/api/chats/{chat}/settings/")
}

async fn set(client: &Client, chat: i64, change: Value) -> Value {
    client.patch(&path(chat), change).await.expect(200).json
}

async fn account(client: &Client) -> Value {
    client.post("/api/sync/", json!({"versions": {}})).await.expect(200).json["account"].take()
}

async fn listed(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/api/chats/?{query}")).await.expect(200).column("id")
}

const NONE: fn() -> Value = || json!({"muted_until": null, "pinned": false, "archived": false});

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_read_and_changed_field_by_field(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    tom.get(&path(chat)).await.expect_body(200, NONE());
    let later = "2999-01-01T00:00:00.000001Z";
    for (change, muted_until, pinned, archived) in [
        (json!({}), json!(null), false, false),
        (json!({"pinned": true, "color": 7}), json!(null), true, false),
        (json!({"muted_until": later}), json!(later), true, false),
        (json!({"archived": true}), json!(later), true, true),
        (json!({"muted_until": "2999-01-01T01:30:00.0000019+01:30"}), json!(later), true, true),
        (json!({"muted_until": "forever"}), json!("9999-12-31T23:59:59.000000Z"), true, true),
        (json!({"muted_until": "2020-01-01T00:00:00Z"}), json!(null), true, true),
        (
            json!({"muted_until": "9999-12-31T23:59:59.999999-10:00", "pinned": false}),
            json!("9999-12-31T23:59:59.000000Z"),
            false,
            true,
        ),
        (json!({"muted_until": null, "archived": false}), json!(null), false, false),
    ] {
        let expected = json!({"muted_until": muted_until, "pinned": pinned, "archived": archived});
        assert_eq!(set(&tom, chat, change.clone()).await, expected, "{change}");
        tom.get(&path(chat)).await.expect_body(200, expected.clone());
        // PUT needs no field, and keeps what is not sent.
        tom.put(&path(chat), json!({})).await.expect_body(200, expected.clone());
        let (one, list) = (format!("/api/chats/{chat}/"), tom.get("/api/chats/").await);
        for chat in [tom.get(&one).await.expect(200).json, list.results()[0].clone()] {
            for name in ["muted_until", "pinned", "archived"] {
                assert_eq!(chat[name], expected[name], "{name}");
            }
        }
        // The other member sees nothing of it.
        kitty.get(&path(chat)).await.expect_body(200, NONE());
    }
    let not_a_time = "Datetime has wrong format. Use one of these formats instead: \
                      YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
    let wrong = json!({"muted_until": "tomorrow", "pinned": null, "archived": "yes"});
    let errors = json!({
        "muted_until": [not_a_time], "pinned": ["This field may not be null."],
        "archived": ["Must be a valid boolean."],
    });
    tom.patch(&path(chat), wrong.clone()).await.expect_body(400, errors);
    tom.put(&path(chat), json!({"muted_until": 5})).await.expect_fault("muted_until", not_a_time);
    // Who is no member learns nothing, whatever is sent.
    let stranger = server.user("stranger").await;
    stranger.patch(&path(chat), wrong).await.expect_not_found();
    stranger.get(&path(chat)).await.expect_not_found();
    tom.get(&path(chat)).await.expect_body(200, NONE());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_one_of_the_account_and_none_of_the_chat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let before = tom.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    let mut devices = [Socket::open(&tom).await, Socket::open(&tom).await];
    let mut peer = Socket::open(&kitty).await;
    let start = devices[0].ready["account"].as_i64().expect("a version");
    for (n, change) in [(1, json!({"pinned": true})), (2, json!({"muted_until": "forever"}))] {
        let settings = set(&tom, chat, change.clone()).await;
        for device in &mut devices {
            let frame = device.next_of("chat.settings").await;
            let mut expected = settings.clone();
            expected["type"] = json!("chat.settings");
            (expected["chat"], expected["account"]) = (json!(chat), json!(start + n));
            assert_eq!(frame, expected);
        }
        // The same again changes nothing.
        set(&tom, chat, change).await;
        assert_eq!(account(&tom).await["version"], start + n);
    }
    for device in &mut devices {
        assert!(device.drain().await.is_empty(), "each change once");
    }
    assert!(peer.drain().await.is_empty(), "nobody else is told");
    assert_eq!(account(&kitty).await["version"], 0);
    let after = tom.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    assert_eq!(after["version"], before["version"]);
    assert_eq!(after["pinned"], true);

    let since = json!({"versions": {(chat.to_string()): after["version"]}, "account": start});
    let answer = tom.post("/api/sync/", since).await.expect(200).json;
    let expected = json!([{
        "chat": chat, "last_read_seq": 0, "unread_count": 0, "unread_mentions": 0,
        "muted_until": "9999-12-31T23:59:59.000000Z", "pinned": true, "archived": false,
    }]);
    assert_eq!(answer["account"]["chats"], expected);
    assert_eq!(answer["changes"], json!([]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_sums_know_the_settings(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (me, tom) = (server.user("me").await, server.user("tom").await);
    let mut chats = Vec::new();
    for _ in 0..4 {
        chats.push(tom.group(&[&me]).await);
    }
    for chat in &chats {
        tom.say(*chat, "meow").await;
    }
    let [plain, pinned, muted, archived] = chats[..] else { panic!("four") };
    set(&me, pinned, json!({"pinned": true})).await;
    set(&me, muted, json!({"muted_until": "2999-01-01T00:00:00Z"})).await;
    set(&me, archived, json!({"archived": true})).await;
    for (query, expected) in [
        ("", &[archived, muted, pinned, plain][..]),
        ("archived=true", &[archived]),
        ("archived=false", &[muted, pinned, plain]),
        ("pinned=true", &[pinned]),
        ("pinned=false", &[archived, muted, plain]),
        ("muted=true", &[muted]),
        ("muted=false&archived=false", &[pinned, plain]),
        ("muted=true&pinned=true", &[]),
        ("unread=true&archived=True&type=group", &[archived]),
        ("pinned=", &[archived, muted, pinned, plain]),
    ] {
        assert_eq!(listed(&me, query).await, expected, "{query}");
    }
    for name in ["archived", "pinned", "muted"] {
        let answer = me.get(&format!("/api/chats/?{name}=perhaps")).await;
        answer.expect_fault(name, "Must be a valid boolean.");
    }
    let sums = |count: i64| json!({"messages": count, "chats": count, "mentions": 0});
    me.get("/api/chats/unread/").await.expect_body(200, sums(2));

    // A mute ends by itself. It stays visible as it was set, so that every device knows the same.
    let soon = server.app.clock.now().plus(std::time::Duration::from_secs(60)).to_string();
    set(&me, muted, json!({"muted_until": soon})).await;
    me.get("/api/chats/unread/").await.expect_body(200, sums(2));
    server.app.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(listed(&me, "muted=true").await, [0; 0]);
    me.get("/api/chats/unread/").await.expect_body(200, sums(3));
    assert_eq!(me.get(&path(muted)).await.expect(200).json["muted_until"], soon);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_end_with_the_membership(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    set(&kitty, chat, json!({"archived": true, "muted_until": "forever"})).await;
    let known = account(&kitty).await["version"].clone();
    kitty.delete(&format!("/api/chats/{chat}/members/{}/", kitty.id)).await.expect(204);
    kitty.get(&path(chat)).await.expect_not_found();
    kitty.patch(&path(chat), json!({"pinned": true})).await.expect_not_found();
    let mut socket = Socket::open(&kitty).await;
    tom.post(&format!("/api/chats/{chat}/members/"), json!({"user": kitty.id})).await.expect(201);
    let joined = socket.next_of("chat.created").await;
    assert_eq!(
        (&joined["chat"]["archived"], &joined["chat"]["muted_until"]),
        (&json!(false), &json!(null))
    );
    kitty.get(&path(chat)).await.expect_body(200, NONE());
    let since = json!({"versions": {}, "account": known});
    let answer = kitty.post("/api/sync/", since).await.expect(200).json;
    assert_eq!(answer["changes"][0]["chat"]["archived"], false);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_reach_the_devices_on_other_nodes_without_a_bus(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let elsewhere = server.second_node().await;
    let tom = server.user("tom").await;
    let chat = tom.group(&[]).await;
    let there = Client { base: elsewhere.base.clone(), ..tom.clone() };
    let mut device = Socket::open(&there).await;
    let start = device.ready["account"].as_i64().expect("a version");
    set(&tom, chat, json!({"pinned": true})).await;
    set(&tom, chat, json!({"archived": true})).await;
    // Found by the sweep, in one frame or in two.
    let mut frame = device.next_of("chat.settings").await;
    if frame["account"] == start + 1 {
        frame = device.next_of("chat.settings").await;
    }
    assert_eq!((&frame["account"], &frame["archived"]), (&json!(start + 2), &json!(true)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_changes_take_a_version_each_and_the_last_one_stays(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    kitty.say(chat, "meow").await;
    let mut device = Socket::open(&tom).await.loud();
    let start = device.ready["account"].as_i64().expect("a version");
    let path = path(chat);
    // Together with a read marker, and with a name: all take versions of the same account.
    let changes = (0..12).map(|n| {
        let (tom, path) = (&tom, &path);
        let time = format!("2999-01-01T00:00:{n:02}Z");
        async move {
            match n {
                0 => drop(tom.post(&format!("/api/chats/{chat}/read/"), json!({"seq": 1})).await),
                1 => drop(tom.patch("/api/auth/me/", json!({"first_name": "Tom"})).await),
                _ => drop(tom.patch(path, json!({"muted_until": time})).await.expect(200)),
            }
        }
    });
    futures_util::future::join_all(changes).await;
    assert_eq!(account(&tom).await["version"], start + 12);
    let (mut version, mut last) = (start, json!(null));
    let mut take = |frame: &Value| {
        if let Some(account) = frame["account"].as_i64() {
            assert!(account >= version, "in their order");
            version = account;
        }
        if frame["type"] == "chat.settings" {
            last = frame["muted_until"].clone();
        }
        version
    };
    while take(&device.next().await) < start + 12 {}
    for frame in device.drain().await {
        take(&frame);
    }
    assert_eq!(tom.get(&path).await.json["muted_until"], last);
}
