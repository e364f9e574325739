//! Invalid input never causes a 5xx, and unusual text is stored unchanged.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, PASSWORD, TestApp};

/// Texts that some layer could trim, escape, normalise or truncate.
const TEXTS: [&str; 16] = [
    " leading and trailing \n",
    "\ttabs\r\nand lines\u{2028}of\u{2029}all\u{85}kinds",
    "<script>alert('meow')</script> &amp; \"quotes\" \\ / %00 ${x} {{y}}",
    "'; drop table messages; --",
    "\u{202e}right to left override\u{202c}",
    "\u{2066}isolated \u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{2069} \u{627}\u{644}\u{633}\u{644}\u{627}\u{645}",
    "zero\u{200b}width\u{200c}non\u{200d}joiner\u{2060}\u{feff}",
    "👨‍👩‍👧‍👦 🏳️‍🌈 🇺🇦 👍🏽 \u{1f408}\u{200d}\u{2b1b}",
    "Zoe\u{308} is not Zo\u{eb}",
    "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}a\u{36b}\u{33d}\u{34f}lgo",
    "\u{fdfd}\u{1242b}\u{12219}",
    "\u{1}\u{7}\u{8}\u{b}\u{1b}[31mred\u{7f}\u{9f}",
    "\u{fffd}\u{fffe}\u{ffff}\u{10ffff}\u{e000}",
    "ﬃ ＭＥＯＷ ²½Ⅷ",
    "\u{200b}",
    "null",
];

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_kept_exactly(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let edited = tom.say(chat, "meow").await;
    let path = format!("/api/messages/{}/", edited["id"]);
    let longest = "👩‍🚀".repeat(3_333);
    for text in TEXTS.into_iter().chain([longest.as_str()]) {
        let body = json!({"content": text, "client_id": &text[..text.floor_char_boundary(20)]});
        let list = format!("/api/chats/{chat}/messages/");
        let sent = tom.post(&list, body.clone()).await.expect(201).json;
        assert_eq!(sent["content"], text);
        assert_eq!(sent["client_id"], body["client_id"]);
        tom.post(&list, body).await.expect(200);
        let read = kitty.get(&format!("{list}?page_size=1")).await.expect(200);
        assert_eq!(read.results()[0]["content"], text);
        let read = kitty.get("/api/chats/").await.expect(200);
        assert_eq!(read.results()[0]["last_message"]["content"], text);
        tom.put(&path, json!({"content": text})).await.expect(200);
        assert_eq!(kitty.get(&path).await.json["content"], text);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_is_too_much(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let message = tom.say(chat, "meow").await["id"].clone();
    let calls = [
        (
            Method::POST,
            "/api/auth/register/".to_owned(),
            json!({
                "username": "spike", "password": PASSWORD, "email": "a@example.org",
                "first_name": "a", "last_name": "b",
            }),
        ),
        (Method::POST, "/api/auth/login/".to_owned(), json!({"username": "a", "password": "b"})),
        (Method::POST, "/api/auth/refresh/".to_owned(), json!({"refresh": "a"})),
        (Method::POST, "/api/auth/verify/".to_owned(), json!({"token": "a"})),
        (
            Method::POST,
            "/api/chats/".to_owned(),
            json!({
                "type": "group", "name": "a", "description": "b", "members": [kitty.id],
            }),
        ),
        (
            Method::POST,
            format!("/api/chats/{chat}/messages/"),
            json!({
                "content": "a", "reply_to": message, "client_id": "b",
            }),
        ),
        (Method::PUT, format!("/api/messages/{message}/"), json!({"content": "a"})),
        (Method::PATCH, format!("/api/messages/{message}/"), json!({"content": "a"})),
    ];
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let values = [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "123456789012345678901234567890",
        "1e308",
        "1e400",
        "-1e400",
        "\"\"",
        "\" \"",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\uffff\"",
        "\"\u{202e}\"",
        "[]",
        "[[]]",
        "[null]",
        "[1.5]",
        "[9223372036854775807]",
        "[-1, \"1\", {}]",
        "{}",
        "{\"id\": 1}",
        "NaN",
        "Infinity",
        "01",
        "'a'",
        &deep,
        &deep_object,
    ];
    for (method, path, good) in &calls {
        let fields = good.as_object().expect("an object");
        for (field, value) in fields.keys().flat_map(|field| values.map(|value| (field, value))) {
            let mut body = good.clone();
            body[field] = json!("$value");
            let body = body.to_string().replace("\"$value\"", value);
            let answer = tom.raw(method.clone(), path, "application/json", body).await;
            let shown = &value[..value.len().min(60)];
            assert!(answer.status.as_u16() < 500, "{path} {field} {shown}: {answer:?}");
            assert!(!answer.json.is_null(), "{path} {field} {shown}: {answer:?}");
        }
        // The last duplicate key wins, as in Python; unknown keys are ignored.
        let field = fields.keys().next().expect("a field");
        let body = format!("{{\"{field}\": 5, {}", &good.to_string()[1..]);
        let twice = tom.raw(method.clone(), path, "application/json", body).await;
        assert!(twice.json.get(field).is_none_or(|texts| !texts.is_array()), "{twice:?}");
        let mut many = good.clone();
        for n in 0..3_000 {
            many[format!("field {n}")] = json!(n);
        }
        let many = tom.raw(method.clone(), path, "application/json", many.to_string()).await;
        assert!(many.status.as_u16() < 500, "{many:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_or_query_is_too_much(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let chat = tom.group(&[]).await;
    let messages = format!("/api/chats/{chat}/messages/");
    let long = "a".repeat(8_000);
    let junk = [
        "%",
        "%zz",
        "%00",
        "%ff",
        "%2e%2e",
        "%2f",
        "..",
        ".",
        "//",
        "*",
        "1%00",
        "\u{202e}",
        "🐈",
        "1;2",
        "1'--",
        "%F0%9F%90%88",
        "9223372036854775808",
        &long,
    ];
    for junk in junk {
        for path in [
            format!("/{junk}"),
            format!("/api/users/{junk}"),
            format!("/api/chats/{junk}/messages/"),
            format!("/api/docs/{junk}"),
            format!("{messages}?{junk}"),
            format!("{messages}?page_size={junk}"),
            format!("{messages}?before={junk}"),
            format!("{messages}?cursor={junk}"),
            format!("/api/users/?cursor={junk}&cursor=&=&&"),
            format!("/ws/?ticket={junk}"),
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let answer = Answer::of(tom.request(method, &path)).await;
                assert!(answer.status.as_u16() < 500, "{path}: {answer:?}");
            }
        }
    }
    assert_eq!(tom.get(&messages).await.expect(200).results(), &[] as &[Value]);
}
