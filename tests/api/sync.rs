//! Sync over REST: everything that is newer than what a client has, once.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Map, Value, json};

use crate::support::replica::lasting;
use crate::support::{Backend, Chance, Client, TestApp};

const SYNC: &str = "/api/sync/";

async fn sync(client: &Client, body: Value) -> Value {
    client.post(SYNC, body).await.expect(200).json
}

/// The version of a chat.
async fn version(client: &Client, chat: i64) -> i64 {
    let chat = client.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    chat["version"].as_i64().expect("a version")
}

/// The field `versions` for these chats.
fn versions(of: &[(i64, i64)]) -> Value {
    of.iter()
        .map(|(chat, version)| (chat.to_string(), json!(version)))
        .collect::<Map<_, _>>()
        .into()
}

/// The change of a chat.
fn change(answer: &Value, chat: i64) -> Option<&Value> {
    let changes = answer["changes"].as_array().expect("changes");
    let mut found = changes.iter().filter(|change| change["chat"]["id"] == chat);
    let first = found.next();
    assert!(found.next().is_none(), "told twice: {answer}");
    first
}

/// The versions of a chat's messages in an answer, and `more`.
#[track_caller]
fn told(answer: &Value, chat: i64) -> (Vec<i64>, bool) {
    let change = change(answer, chat).unwrap_or_else(|| panic!("not told: {answer}"));
    let messages = change["messages"].as_array().expect("messages");
    assert!(messages.iter().all(|message| message["chat"] == chat), "{change}");
    let versions = messages.iter().map(|m| m["version"].as_i64().expect("a version")).collect();
    (versions, change["more"].as_bool().expect("more"))
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_since_comes_in_version_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (chat, quiet) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    let mut ids = Vec::new();
    for n in 1..=4 {
        ids.push(tom.say(chat, &n.to_string()).await["id"].clone());
    }
    let path = |index: usize| format!("/api/messages/{}/", ids[index]);
    tom.put(&path(0), json!({"content": "one"})).await.expect(200); // Version 6.
    tom.delete(&path(2)).await.expect(204); // Version 7.
    let newest = version(&tom, quiet).await;
    let ask = async |from: i64| {
        sync(&kitty, json!({"versions": versions(&[(chat, from), (quiet, newest)])})).await
    };

    for (from, expected) in [(0, &[3, 5, 6, 7][..]), (1, &[3, 5, 6, 7]), (3, &[5, 6, 7]), (6, &[7])]
    {
        let answer = ask(from).await;
        assert_eq!(told(&answer, chat), (expected.to_vec(), false), "from {from}");
        assert!(change(&answer, quiet).is_none(), "it is not newer");
    }
    assert_eq!(ask(7).await["changes"], json!([]));

    // Chats and messages are as in GET, except for fields that lists leave out.
    let answer = ask(1).await;
    let fields: Vec<_> = answer.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(fields, ["account", "changes", "epoch", "gone", "more"]);
    assert_eq!(answer["more"], false);
    let told = change(&answer, chat).expect("told");
    assert_eq!(told["chat"], kitty.get("/api/chats/").await.results()[0]);
    for message in told["messages"].as_array().expect("messages") {
        kitty
            .get(&format!("/api/messages/{}/", message["id"]))
            .await
            .expect_body(200, message.clone());
    }
    // A chat can be newer without a message.
    let change = sync(&kitty, json!({"versions": versions(&[(chat, 7), (quiet, 0)])})).await;
    assert_eq!(self::told(&change, quiet), (vec![], false));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_chat_comes_with_its_newest_message_outside_the_limit(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (named, unnamed) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    let (ahead, empty) = (tom.group(&[&kitty]).await, tom.group(&[&kitty]).await);
    for chat in [ahead, named, unnamed] {
        for n in 0..3 {
            tom.say(chat, &n.to_string()).await;
        }
    }
    let body = json!({"versions": versions(&[(named, 1), (ahead, 5)]), "limit": 2});
    let answer = sync(&kitty, body).await;
    assert_eq!(told(&answer, named), (vec![2, 3], true));
    assert_eq!(told(&answer, unnamed), (vec![4], false));
    assert_eq!(told(&answer, ahead), (vec![4], false), "a version that is still to come");
    assert_eq!(told(&answer, empty), (vec![], false));
    // A client without any state.
    let answer = sync(&kitty, json!({"versions": {}, "limit": 1})).await;
    for (chat, expected) in [(named, &[4][..]), (unnamed, &[4]), (ahead, &[4]), (empty, &[])] {
        assert_eq!(told(&answer, chat), (expected.to_vec(), false));
    }
    assert_eq!(answer["gone"], json!([]));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_is_said_of_the_chats_that_have_more_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut chats = Vec::new();
    // The last one has the newest activity; the first has never had a message.
    for messages in [0, 2, 3] {
        let chat = tom.group(&[&kitty]).await;
        for _ in 0..messages {
            tom.say(chat, "meow").await;
        }
        chats.push((chat, 0));
    }
    let [(empty, _), (second, _), (first, _)] = chats[..] else { panic!("three chats") };
    for (limit, in_first, in_second, more) in [
        (1, &[2][..], &[][..], (true, true)),
        (3, &[2, 3, 4], &[], (false, true)),
        (4, &[2, 3, 4], &[2], (false, true)),
        (5, &[2, 3, 4], &[2, 3], (false, false)),
    ] {
        let answer = sync(&kitty, json!({"versions": versions(&chats), "limit": limit})).await;
        assert_eq!(told(&answer, first), (in_first.to_vec(), more.0), "limit {limit}");
        assert_eq!(told(&answer, second), (in_second.to_vec(), more.1), "limit {limit}");
        assert_eq!(told(&answer, empty), (vec![], false), "limit {limit}");
        assert_eq!(answer["more"], more.0 || more.1, "limit {limit}");
    }
}

/// Well over the limit of an answer, which counts messages but not the chats' own fields.
const LARGE: usize = 1_300_000;

/// A client's state of a chat: its version, and messages by id.
type Had = (i64, BTreeMap<i64, Value>);

/// Syncs once, like a client with these chats. Returns whether it has to sync again.
async fn catch_up(client: &Client, had: &mut BTreeMap<i64, Had>, limit: usize) -> bool {
    let versions: Map<_, _> =
        had.iter().map(|(chat, (version, _))| (chat.to_string(), json!(version))).collect();
    let answer = client.post(SYNC, json!({"versions": versions, "limit": limit})).await.expect(200);
    assert!(answer.json.to_string().len() < LARGE, "{} bytes", answer.json.to_string().len());
    let answer = answer.json;
    let changes = answer["changes"].as_array().expect("changes");
    let mut got_on = false;
    for change in changes {
        let chat = change["chat"]["id"].as_i64().expect("an id");
        let new = !had.contains_key(&chat);
        let (version, messages) = had.entry(chat).or_default();
        let now = change["chat"]["version"].as_i64().expect("a version");
        let mut reached = if change["more"] == true { *version } else { now };
        for message in change["messages"].as_array().expect("messages") {
            let at = message["version"].as_i64().expect("a version");
            if at <= now {
                messages.insert(message["id"].as_i64().expect("an id"), lasting(message));
                reached = reached.max(at);
            }
        }
        got_on |= new || reached > *version;
        *version = reached;
    }
    assert!(got_on || changes.is_empty(), "it does not get on: {answer}");
    assert!(!changes.is_empty() || answer["more"] == false, "{answer}");
    answer["more"] == true
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_bounded_in_bytes_and_lead_to_everything(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut chance = Chance::new("bytes");
    // A character in JSON has one, four or six bytes.
    let contents = ["x".repeat(10_000), "🐈".repeat(10_000), "\u{1}".repeat(10_000), "meow".into()];
    let mut chats = Vec::new();
    for _ in 0..40 {
        let chat = tom.group(&[&kitty]).await;
        chats.push(chat);
        for _ in 0..1 + chance.below(3) {
            tom.say(chat, chance.pick(&contents).expect("some")).await;
        }
    }
    // The client knows a third of them at some version, and the rest not at all.
    let mut had: BTreeMap<i64, Had> = BTreeMap::new();
    let mut from: BTreeMap<i64, i64> = BTreeMap::new();
    for chat in &chats {
        if chance.one_in(3) {
            let version = i64::try_from(chance.below(3)).expect("small");
            had.insert(*chat, (version, BTreeMap::new()));
            from.insert(*chat, version);
        }
    }
    // Meanwhile the chats change.
    for _ in 0..15 {
        let limit = 1 + chance.below(20);
        catch_up(&kitty, &mut had, limit).await;
        let chat = *chance.pick(&chats).expect("some");
        tom.say(chat, chance.pick(&contents).expect("some")).await;
        let known: Vec<_> = had.values().flat_map(|(_, messages)| messages.keys()).collect();
        if let Some(id) = chance.pick(&known) {
            let path = format!("/api/messages/{id}/");
            match chance.one_in(2) {
                true => tom.put(&path, json!({"content": "purr"})).await,
                false => tom.delete(&path).await,
            };
        }
    }
    let mut answers = 0;
    while catch_up(&kitty, &mut had, 1 + chance.below(50)).await {
        answers += 1;
        assert!(answers < 1_000, "it does not end");
    }
    assert_eq!(had.keys().copied().collect::<Vec<_>>(), chats);
    for chat in chats {
        let (version, messages) = &had[&chat];
        assert_eq!(*version, self::version(&tom, chat).await);
        let all = tom.messages(chat).await;
        let newest = all.len() - 1;
        for (n, message) in all.iter().enumerate() {
            let told = messages.get(&message["id"].as_i64().expect("an id"));
            let is_due = match from.get(&chat) {
                Some(from) => message["version"].as_i64() > Some(*from),
                None => n == newest,
            };
            if is_due {
                assert_eq!(told, Some(&lasting(message)), "chat {chat}");
            } else if let Some(told) = told {
                assert_eq!(*told, lasting(message), "chat {chat}");
            }
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_until_done_loses_and_repeats_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut chance = Chance::new("sync");
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut chats = vec![tom.private_chat(&kitty).await];
    for _ in 0..3 {
        chats.push(tom.group(&[&kitty]).await);
    }
    let mut ids = Vec::new();
    for step in 0..80 {
        let some = chance.pick(&ids).map(|id| format!("/api/messages/{id}/"));
        match some {
            Some(path) if chance.one_in(6) => {
                tom.delete(&path).await.expect(204);
            }
            Some(path) if chance.one_in(4) => {
                // A tombstone cannot be edited.
                tom.put(&path, json!({"content": step.to_string()})).await;
            }
            _ => {
                let chat = chats[chance.below(chats.len())];
                ids.push(tom.say(chat, "meow").await["id"].as_i64().expect("an id"));
            }
        }
    }
    for _ in 0..4 {
        let mut starts = Vec::new();
        for chat in &chats {
            let newest = usize::try_from(version(&kitty, *chat).await).expect("positive");
            starts.push((*chat, i64::try_from(chance.below(newest + 1)).expect("small")));
        }
        let found = until_done(&kitty, &starts, &mut chance).await;
        for (chat, start) in starts {
            // Read by the sender, which moves no marker.
            let mut expected = tom.messages(chat).await;
            expected.retain(|message| message["version"].as_i64() > Some(start));
            expected.sort_by_key(|message| message["version"].as_i64());
            let found = found.get(&chat).cloned().unwrap_or_default();
            assert_eq!(found, expected, "chat {chat} since {start}");
        }
    }
}

/// Everything that a client receives if it syncs until there is no more, in order.
async fn until_done(
    client: &Client,
    starts: &[(i64, i64)],
    chance: &mut Chance,
) -> BTreeMap<i64, Vec<Value>> {
    let mut known: BTreeMap<_, _> = starts.iter().copied().collect();
    let mut found: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    loop {
        let limit = 1 + chance.below(12);
        let have: Vec<_> = known.iter().map(|(chat, version)| (*chat, *version)).collect();
        let answer = sync(client, json!({"versions": versions(&have), "limit": limit})).await;
        let changes = answer["changes"].as_array().expect("changes");
        let count: usize =
            changes.iter().map(|change| change["messages"].as_array().map_or(0, Vec::len)).sum();
        assert!(count <= limit, "{count} of {limit}: {answer}");
        if changes.is_empty() {
            return found;
        }
        let mut open = false;
        for change in changes {
            let chat = change["chat"]["id"].as_i64().expect("an id");
            let messages = change["messages"].as_array().expect("messages");
            found.entry(chat).or_default().extend_from_slice(messages);
            let more = change["more"] == true;
            open |= more;
            let reached = if more { messages.last() } else { Some(&change["chat"]) };
            if let Some(version) = reached.and_then(|reached| reached["version"].as_i64()) {
                known.insert(chat, version);
            }
        }
        assert!(!open || count == limit, "more could have come: {answer}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_that_one_is_not_in_are_gone_and_another_epoch_forgets_all_versions(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, eve) =
        (server.user("tom").await, server.user("kitty").await, server.user("eve").await);
    let (mine, theirs) = (tom.private_chat(&kitty).await, eve.private_chat(&kitty).await);
    for n in 0..3 {
        tom.say(mine, &n.to_string()).await;
        eve.say(theirs, "secret").await;
    }
    let named = versions(&[(mine, 2), (theirs, 2), (999_999, 1)]);
    let answer = sync(&tom, json!({"versions": named})).await;
    assert_eq!(answer["gone"], json!([theirs, 999_999]));
    assert_eq!(told(&answer, mine), (vec![3, 4], false));
    assert!(change(&answer, theirs).is_none());

    // With the same epoch, or without one, nothing changes.
    for epoch in [answer["epoch"].clone(), Value::Null] {
        assert_eq!(sync(&tom, json!({"versions": named, "epoch": epoch})).await, answer);
    }
    let other = sync(&tom, json!({"versions": named, "epoch": "another"})).await;
    assert_eq!((&other["epoch"], &other["gone"]), (&answer["epoch"], &answer["gone"]));
    assert_eq!(told(&other, mine), (vec![4], false));
    // Also if the client has the current version.
    let other = sync(&tom, json!({"versions": versions(&[(mine, 4)]), "epoch": "another"})).await;
    assert_eq!(told(&other, mine), (vec![4], false));

    // The database has a different history.
    let mut tx = server.app.db.begin().await.expect("begun");
    let sql = "update site set epoch = 'restored'";
    tx.query(sql).execute().await.expect("updated");
    tx.commit().await.expect("committed");
    let restored = sync(&tom, json!({"versions": named, "epoch": answer["epoch"]})).await;
    assert_eq!(restored["epoch"], "restored");
    assert_eq!(told(&restored, mine), (vec![4], false));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_requests_are_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    server.anonymous().post(SYNC, json!({"versions": {}})).await.expect_no_credentials();
    let integer = "A valid integer is required.";
    let least = "Ensure this value is greater than or equal to 1.";
    for (limit, text) in [
        (json!(0), least),
        (json!(-1), least),
        (json!(1001), "Ensure this value is less than or equal to 1000."),
        (json!("x"), integer),
        (json!("5"), integer),
        (json!(1.5), integer),
        (json!(null), "This field may not be null."),
    ] {
        let body = json!({"versions": {}, "limit": limit});
        tom.post(SYNC, body).await.expect_fault("limit", text);
    }
    for limit in [1, 1000] {
        tom.post(SYNC, json!({"versions": {}, "limit": limit})).await.expect(200);
    }
    for (named, text) in [
        (json!(null), "This field may not be null."),
        (json!([]), "Expected a dictionary of items but got type \"list\"."),
        (json!("x"), "Expected a dictionary of items but got type \"str\"."),
        (json!({"x": 1}), integer),
        (json!({"1": "1"}), integer),
        (json!({"1": null}), integer),
        (json!({"1": 1.5}), integer),
    ] {
        tom.post(SYNC, json!({"versions": named})).await.expect_fault("versions", text);
    }
    tom.post(SYNC, json!({})).await.expect_fault("versions", "This field is required.");
    let all = json!({
        "versions": ["This field is required."], "limit": [least], "epoch": ["Not a valid string."],
    });
    tom.post(SYNC, json!({"limit": 0, "epoch": 5})).await.expect_body(400, all);
}
