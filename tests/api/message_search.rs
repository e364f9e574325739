//! Searching messages. What matches what, in every script, is tested in `src/domain/fulltext/tests.rs`, too.

use std::time::Duration;

use futures_util::future::join_all;
use meowsenger::actions::doctor::{self, Checkup, Outcome};
use meowsenger::domain::fulltext::{MessageQuery, Tokenizer};
use meowsenger::store::fulltext::segments;
use meowsenger::store::fulltext::state::state;
use rstest::rstest;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::attachments::{self, upload};
use crate::support::{Answer, Backend, Chance, Client, PASSWORD, TestApp, eventually};

/// How long a test waits until something is found. That it takes a second at most is tested in `message_index`.
pub(super) const SEARCHABLE: Duration = Duration::from_secs(10);

/// Waits until everything is indexed.
pub(super) async fn indexed(server: &TestApp) {
    eventually(SEARCHABLE, "the index has everything", async || {
        let state = state(&server.app.db).await.expect("the state");
        (state.indexed_upto >= state.newest && !state.has_changes).then_some(())
    })
    .await;
}

pub(super) fn path(query: &str, more: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    format!("/api/messages/search/?{}", text.append_pair("q", query).extend_pairs(more).finish())
}

async fn search(user: &Client, query: &str) -> Answer {
    user.get(&path(query, &[])).await
}

pub(super) fn contents(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["message"]["content"].as_str().expect("a content")).collect()
}

/// The contents of all that is found, newest first.
pub(super) async fn found(user: &Client, query: &str, more: &[(&str, &str)]) -> Vec<String> {
    let rows = user.walk(&path(query, more), "next").await;
    contents(&rows).into_iter().map(str::to_owned).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_script_is_found_with_highlights(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let cases = [
        ("Grüße aus Köln", "koln GRUSSE", json!([[0, 5], [10, 14]])),
        ("The cat sat, the cat slept", "\"the cat\" sle", json!([[0, 7], [13, 20], [21, 26]])),
        ("Привет, мир", "мир прив", json!([[0, 6], [8, 11]])),
        ("Γειά σου Κόσμε", "κοσμε", json!([[9, 14]])),
        ("مَرْحَبًا بالعالم", "مرحبا", json!([[0, 9]])),
        ("שָׁלוֹם עולם", "שלום", json!([[0, 7]])),
        ("नमस्ते दुनिया", "नमस्ते", json!([[0, 6]])),
        ("私は東京都に住んでいます", "東京", json!([[2, 4]])),
        ("小猫在喵喵叫", "喵喵", json!([[3, 5]])),
        ("ｶﾀｶﾅ ＷＩＤＥ", "カタカナ wide", json!([[0, 4], [5, 9]])),
        ("เขาพูดว่าสวัสดีครับ", "สวัสดี", json!([[9, 15]])),
        ("ສະບາຍດີ", "ສະບາຍ", json!([[0, 5]])),
        ("ជំរាបសួស្តី", "សួស្តី", json!([[5, 11]])),
        ("မင်္ဂလာပါ", "မင်္ဂလာ", json!([[0, 7]])),
        ("안녕하세요 세계", "세계", json!([[6, 8]])),
        ("გამარჯობა მსოფლიო", "მსოფ", json!([[10, 17]])),
        ("🐈 meow 👍🏽 ❤️", "🐈 👍 ❤", json!([[0, 1], [7, 9], [10, 12]])),
    ];
    for (content, ..) in &cases {
        tom.say(chat, content).await;
    }
    indexed(&server).await;
    for (content, query, highlights) in &cases {
        let answer = search(&kitty, query).await.expect(200);
        assert_eq!(contents(answer.results()), [*content], "{query}");
        assert_eq!(answer.results()[0]["highlights"], *highlights, "{query} in {content}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_is_the_whole_message_and_the_newest_comes_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (chat, group) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    let first = tom.say(chat, "meow one").await;
    let second = kitty.say(group, "meow two").await;
    tom.say(chat, "purr").await;
    kitty.post(&format!("/api/chats/{chat}/read/"), json!({"seq": 1})).await.expect(200);
    indexed(&server).await;
    let answer = search(&tom, "meow").await.expect(200);
    let get =
        async |message: &Value| tom.get(&format!("/api/messages/{}/", message["id"])).await.json;
    let expected = [&second, &first];
    assert_eq!(answer.results().len(), 2);
    for (row, message) in answer.results().iter().zip(expected) {
        assert_eq!(row["message"], get(message).await);
        assert_eq!(row["highlights"], json!([[0, 4]]));
    }
    assert_eq!((&answer.json["next"], &answer.json["previous"]), (&Value::Null, &Value::Null));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_chats_that_the_caller_is_in_now_are_searched(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let group = tom.group(&[]).await;
    tom.say(group, "secret").await;
    indexed(&server).await;
    let in_group = path("secret", &[("chat", &group.to_string())]);
    assert_eq!(found(&kitty, "secret", &[]).await, [""; 0]);
    kitty.get(&in_group).await.expect_not_found();
    // Permission comes before input.
    kitty.get(&path("?!", &[("chat", &group.to_string())])).await.expect_not_found();
    let members = format!("/api/chats/{group}/members/");
    tom.post(&members, json!({"user": kitty.id})).await.expect(201);
    assert_eq!(found(&kitty, "secret", &[]).await, ["secret"]);
    kitty.get(&in_group).await.expect(200);
    tom.delete(&format!("{members}{}/", kitty.id)).await.expect(204);
    assert_eq!(found(&kitty, "secret", &[]).await, [""; 0]);
    kitty.get(&in_group).await.expect_not_found();
    server.anonymous().get(&in_group).await.expect_no_credentials();
    tom.delete(&format!("/api/chats/{group}/")).await.expect(204);
    assert_eq!(found(&tom, "secret", &[]).await, [""; 0]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_replace_and_deleted_messages_are_gone_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let one = tom.say(chat, "meow one").await["id"].clone();
    let two = tom.say(chat, "meow two").await["id"].clone();
    indexed(&server).await;
    tom.delete(&format!("/api/messages/{two}/")).await.expect(204);
    assert_eq!(found(&kitty, "meow", &[]).await, ["meow one"]);
    tom.put(&format!("/api/messages/{one}/"), json!({"content": "purr one"})).await.expect(200);
    assert_eq!(found(&kitty, "meow", &[]).await, [""; 0]);
    let edited = eventually(SEARCHABLE, "the edit is found", async || {
        let found = found(&kitty, "purr", &[]).await;
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(edited.await, ["purr one"]);
    assert_eq!(found(&kitty, "meow", &[]).await, [""; 0]);
    // What somebody wrote stays when the account is gone.
    tom.say(chat, "purr two").await;
    indexed(&server).await;
    let body = json!({"password": PASSWORD}).to_string();
    tom.raw(reqwest::Method::DELETE, "/api/auth/me/", "application/json", body).await.expect(204);
    assert_eq!(found(&kitty, "purr", &[]).await, ["purr two", "purr one"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_narrow_the_results(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (chat, group) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    tom.say(chat, "meow 1").await;
    let second = kitty.say(group, "meow 2").await;
    tom.say(group, "meow 3").await;
    kitty.say(chat, "meow 4").await;
    let file = upload(&tom, "a.txt", b"a").await;
    let body = json!({"content": "meow 5", "attachments": [attachments::id(&file)]});
    tom.post(&format!("/api/chats/{chat}/messages/"), body).await.expect(201);
    indexed(&server).await;
    let (id, group, at) = (kitty.id.to_string(), group.to_string(), second["timestamp"].as_str());
    let at = at.expect("a time");
    for (more, expected) in [
        (vec![("chat", group.as_str())], vec!["meow 3", "meow 2"]),
        (vec![("sender", id.as_str())], vec!["meow 4", "meow 2"]),
        (vec![("sender", id.as_str()), ("chat", &group)], vec!["meow 2"]),
        (vec![("after", at)], vec!["meow 5", "meow 4", "meow 3"]),
        (vec![("before", at)], vec!["meow 1"]),
        (vec![("after", "2020-01-01T00:00:00Z"), ("before", "2020-01-02T01:00:00+01:00")], vec![]),
        (vec![("sender", "999999"), ("page_size", "1")], vec![]),
        (vec![("has", "attachment")], vec!["meow 5"]),
        (vec![("has", "attachment"), ("sender", id.as_str())], vec![]),
    ] {
        assert_eq!(found(&tom, "meow", &more).await, expected, "{more:?}");
    }
    let wrong = [
        ("chat", "x"),
        ("sender", "1.5"),
        ("after", "soon"),
        ("before", "2020-13-01"),
        ("has", "cats"),
    ];
    let answer = tom.get(&path("meow", &wrong)).await.expect(400);
    let integer = json!(["A valid integer is required."]);
    assert_eq!((&answer.json["chat"], &answer.json["sender"]), (&integer, &integer));
    assert_eq!(answer.json["has"], json!(["\"cats\" is not a valid choice."]));
    for name in ["after", "before"] {
        let text = answer.json[name][0].as_str().expect("a text");
        assert!(text.starts_with("Datetime has wrong format."), "{text}");
    }
    tom.get(&path("meow", &[("chat", "99999999999999999999")])).await.expect_not_found();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_query_is_refused(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    for missing in ["/api/messages/search/", "/api/messages/search/?q="] {
        tom.get(missing).await.expect_fault("q", "This field is required.");
    }
    for nothing in [" ", "?!…", "\"\"", "\0", "。、", "-_-"] {
        search(&tom, nothing).await.expect_fault("q", "Enter a word, a number or an emoji.");
    }
    let long = search(&tom, &"a".repeat(1_001)).await;
    long.expect_fault("q", "Ensure this field has no more than 1000 characters.");
    search(&tom, &"a ".repeat(500)).await.expect(200);
    search(&tom, &"東".repeat(1_000)).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_neither_skip_nor_repeat_while_messages_are_added(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (chat, group) = (tom.private_chat(&kitty).await, tom.group(&[&kitty]).await);
    let mut expected = Vec::new();
    for number in 0..11 {
        let content = format!("meow {number}");
        tom.say(if number % 3 == 0 { chat } else { group }, &content).await;
        expected.insert(0, content);
    }
    indexed(&server).await;
    let mut link = Some(path("meow", &[("page_size", "3")]));
    let (mut rows, mut last) = (Vec::new(), Value::Null);
    while let Some(path) = link {
        let page = tom.get(&path).await.expect(200);
        rows.extend(contents(page.results()).into_iter().map(str::to_owned));
        link = page.json["next"].as_str().map(str::to_owned);
        last = page.json["previous"].clone();
        tom.say(group, "meow later").await;
    }
    assert_eq!(rows, expected);
    indexed(&server).await;
    let back = tom.walk(last.as_str().expect("a page before"), "previous").await;
    let back = contents(&back);
    assert_eq!(
        back[..9],
        ["meow 2", "meow 3", "meow 4", "meow 5", "meow 6", "meow 7", "meow 8", "meow 9", "meow 10"]
    );
    assert_eq!(back[9..], ["meow later"; 4]);
    let cursor = tom.get(&path("meow", &[("page_size", "3")])).await.json["next"].clone();
    let other = cursor.as_str().expect("a page").replace("q=meow", "q=purr");
    tom.get(&other).await.expect_detail(404, "Invalid cursor");
}

/// What a search must find, by comparing the texts of all messages.
async fn expected(user: &Client, chats: &[i64], query: &str) -> Vec<i64> {
    let query = MessageQuery::parse(query).expect("a query");
    let mut ids = Vec::new();
    for chat in chats {
        for message in
            user.walk(&format!("/api/chats/{chat}/messages/?page_size=100"), "next").await
        {
            let tokens = Tokenizer::default().tokens(message["content"].as_str().expect("a text"));
            if query.highlights(&tokens).is_some() && message["deleted_at"].is_null() {
                ids.push(message["id"].as_i64().expect("an id"));
            }
        }
    }
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_what_comparing_all_messages_does(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    const WORDS: [&str; 12] =
        ["meow", "Mew", "purr", "the", "THE", "東京", "京都", "ガ", "สวัสดี", "🐈", "zoë", "m"];
    let settings = [("THROTTLE", "off")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chats = [tom.private_chat(&kitty).await, tom.group(&[&kitty]).await, tom.group(&[]).await];
    let (mut chance, mut ids) = (Chance::new("texts and edits"), Vec::new());
    for round in 0..30 {
        let mut sends = Vec::new();
        for _ in 0..10 {
            let words: Vec<_> = (0..=chance.below(5)).map(|_| WORDS[chance.below(12)]).collect();
            sends.push((chats[chance.below(3)], words.join([" ", "", ", "][chance.below(3)])));
        }
        let sent = join_all(sends.iter().map(|(chat, text)| tom.say(*chat, text))).await;
        ids.extend(sent.iter().map(|message| message["id"].as_i64().expect("an id")));
        let id = ids[chance.below(ids.len())];
        let path = format!("/api/messages/{id}/");
        match round % 3 {
            0 => drop(tom.put(&path, json!({"content": WORDS[chance.below(12)]})).await),
            1 => drop(tom.delete(&path).await.expect(204)),
            // So that there are several segments.
            _ => indexed(&server).await,
        }
    }
    indexed(&server).await;
    for query in [
        "meow",
        "mew purr",
        "the",
        "th",
        "m",
        "\"the meow\"",
        "\"the the",
        "京",
        "東京",
        "東京 zoe",
        "ガ",
        "สวัส",
        "🐈",
        "meow the m",
        "\"purr 🐈\"",
    ] {
        for (user, size) in [(&tom, "7"), (&kitty, "100")] {
            let own = if user.id == tom.id { &chats[..] } else { &chats[..2] };
            let found = user.walk(&path(query, &[("page_size", size)]), "next").await;
            let found: Vec<_> =
                found.iter().filter_map(|row| row["message"]["id"].as_i64()).collect();
            assert_eq!(found, expected(user, own, query).await, "{query}");
        }
    }
    eventually(SEARCHABLE, "segments are merged", async || {
        let current = segments::current(&server.app.db).await.expect("read");
        (current.len() < 8).then_some(())
    })
    .await;
    for query in ["the", "mew purr", "京", "m"] {
        let found = tom.walk(&path(query, &[("page_size", "7")]), "next").await;
        let found: Vec<_> = found.iter().filter_map(|row| row["message"]["id"].as_i64()).collect();
        assert_eq!(found, expected(&tom, &chats, query).await, "{query}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_of_racing_senders_is_left_out(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("THROTTLE", "off")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let other = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => Some(server.second_node().await),
    };
    let there =
        other.as_ref().map_or(tom.clone(), |node| node.anonymous().with_access(&tom.access));
    let chats = [tom.group(&[]).await, tom.group(&[]).await, tom.group(&[]).await];
    for _ in 0..8 {
        let sends = (0..30).map(|number| {
            let from = if number % 2 == 0 { &tom } else { &there };
            from.say(chats[number % 3], "meow")
        });
        join_all(sends).await;
    }
    // As by SIGKILL, in the middle of indexing.
    let server = server.restart(0).await;
    let tom = server.anonymous().with_access(&tom.access);
    indexed(&server).await;
    assert_eq!(tom.walk(&path("meow", &[("page_size", "100")]), "next").await.len(), 240);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_what_the_index_lacks_and_has_it_made_anew(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let group = tom.group(&[]).await;
    tom.say(group, "meow").await;
    tom.say(group, "東京 purr").await;
    indexed(&server).await;
    assert_eq!(check_up(&server, false).await, [] as [&str; 0]);
    server.script("delete from search_pages").await;
    assert_eq!(found(&tom, "meow", &[]).await, [""; 0]);
    assert_eq!(check_up(&server, true).await, ["message-index"]);
    indexed(&server).await;
    assert_eq!(found(&tom, "meow", &[]).await, ["meow"]);
    assert_eq!(check_up(&server, false).await, [] as [&str; 0]);
}

/// The names of the checks that found something.
pub(super) async fn check_up(server: &TestApp, fix: bool) -> Vec<&'static str> {
    let mut found = Vec::new();
    let checkup = Checkup {
        db: &server.app.db,
        files: &server.app.media.files,
        clock: &server.app.clock,
        fix,
        settle: Duration::ZERO,
        report: &mut |defect| found.push(defect.check),
        outcome: Outcome::default(),
    };
    doctor::run(checkup).await.expect("checked");
    found
}
