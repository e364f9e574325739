//! The socket's handshake: who may open one, from which origin, and the first frame.

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Answer, Backend, Client, Socket, TestApp};

/// The status and body of a refusal before the upgrade.
#[track_caller]
fn refused(dialled: Result<Socket, Error>) -> (u16, Value) {
    match dialled {
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null))
        }
        Err(other) => panic!("no answer: {other}"),
        Ok(_) => panic!("upgraded"),
    }
}

async fn ticket(client: &Client) -> String {
    let answer = client.post("/api/auth/ws-ticket/", json!({})).await.expect(201);
    assert_eq!(answer.json["expires_in"], 30);
    format!("/ws/?ticket={}", answer.json["ticket"].as_str().expect("a ticket"))
}

#[rstest]
#[tokio::test]
async fn ready_tells_who_one_is_and_where_every_chat_stands(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (quiet, busy) = (alice.private_chat(&bob).await, alice.group(&[]).await);
    alice.say(busy, "meow").await;

    let ready = Socket::open(&alice).await.ready;
    let mut names: Vec<_> = ready.as_object().expect("an object").keys().collect();
    names.sort();
    let expected =
        ["account", "epoch", "heartbeat", "server_time", "session", "type", "user", "versions"];
    assert_eq!(names, expected);
    assert_eq!(ready["heartbeat"], 30);
    assert!(ready["session"].is_i64() && !ready["epoch"].as_str().expect("text").is_empty());
    assert!(ready["server_time"].as_str().expect("a time").ends_with('Z'));
    assert_eq!(ready["versions"], json!({quiet.to_string(): 1, busy.to_string(): 2}));

    let me = alice.get("/api/auth/me/").await.expect(200).json;
    for field in ["id", "username", "email", "is_staff", "is_superuser", "availability"] {
        assert_eq!(ready["user"][field], me[field], "{field}");
    }

    let again = Socket::open(&alice).await.ready;
    assert_eq!(again["epoch"], ready["epoch"]);
    assert_eq!(again["session"], ready["session"]);
    assert_eq!(Socket::open(&bob).await.ready["versions"], json!({quiet.to_string(): 1}));
}

#[rstest]
#[tokio::test]
async fn a_token_in_the_header_or_in_the_first_frame_opens_a_socket(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let mut by_header = Socket::open(&alice).await;
    let mut by_frame = Socket::open_by_frame(&alice).await;
    assert_eq!(by_header.ready["user"], by_frame.ready["user"]);
    // Both sockets work.
    assert!(by_header.drain().await.is_empty() && by_frame.drain().await.is_empty());

    // The path also works without a trailing slash.
    let token = format!("Bearer {}", alice.access);
    let mut bare =
        Socket::dial(&alice, "/ws", &[("authorization", &token)]).await.expect("upgraded");
    assert_eq!(bare.next().await["type"], "ready");
}

#[rstest]
#[tokio::test]
async fn a_ticket_opens_one_socket_on_any_node(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let other = server.second_node().await;
    let elsewhere = Client { base: other.base.clone(), ..alice.clone() };

    let path = ticket(&alice).await;
    let mut socket = Socket::dial(&elsewhere, &path, &[]).await.expect("upgraded");
    let ready = socket.next().await;
    assert_eq!((&ready["type"], &ready["user"]["id"]), (&json!("ready"), &json!(alice.id)));
    for node in [&alice, &elsewhere] {
        let (status, body) = refused(Socket::dial(node, &path, &[]).await);
        assert_eq!((status, &body["code"]), (401, &json!("token_not_valid")));
    }

    // Of many concurrent handshakes with the same ticket, one succeeds.
    let path = ticket(&alice).await;
    let race = (0..8).map(|n| {
        let node = if n % 2 == 0 { &alice } else { &elsewhere };
        Socket::dial(node, &path, &[])
    });
    let dialled = futures_util::future::join_all(race).await;
    assert_eq!(dialled.iter().filter(|socket| socket.is_ok()).count(), 1);
}

#[rstest]
#[tokio::test]
async fn a_ticket_dies_with_its_time_and_its_session(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let late = ticket(&alice).await;
    server.app.clock.advance(Duration::from_secs(31));
    assert_eq!(refused(Socket::dial(&alice, &late, &[]).await).0, 401);

    let ended = ticket(&alice).await;
    alice.post("/api/auth/logout/", json!({})).await.expect(204);
    assert_eq!(refused(Socket::dial(&alice, &ended, &[]).await).0, 401);
}

#[rstest]
#[tokio::test]
async fn bad_credentials_are_refused_before_the_upgrade(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let expected =
        json!({"detail": "Given token not valid for any token type", "code": "token_not_valid"});

    let bearers = ["rubbish", "a.b.c", &alice.refresh, "eyJhbGciOiJub25lIn0.e30."];
    for bearer in bearers.map(|token| format!("Bearer {token}")) {
        let dialled = Socket::dial(&alice, "/ws/", &[("authorization", &bearer)]).await;
        assert_eq!(refused(dialled), (401, expected.clone()), "{bearer}");
    }
    let not_tickets = ["", "rubbish", &alice.access, &"x".repeat(5_000)];
    for path in not_tickets.map(|ticket| format!("/ws/?ticket={ticket}")) {
        assert_eq!(refused(Socket::dial(&alice, &path, &[]).await).0, 401, "{path}");
    }

    server.app.clock.advance(Duration::from_secs(16 * 60));
    let bearer = format!("Bearer {}", alice.access);
    let dialled = Socket::dial(&alice, "/ws/", &[("authorization", &bearer)]).await;
    assert_eq!(refused(dialled), (401, expected), "expired");
}

#[rstest]
#[tokio::test]
async fn a_first_frame_that_is_no_good_auth_is_answered_and_closed_with_4001(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let first_frames = [
        Message::text("rubbish"),
        Message::text(""),
        Message::text("[]"),
        Message::text("{}"),
        Message::text(r#"{"type": "ping"}"#),
        Message::text(r#"{"type": "auth"}"#),
        Message::text(r#"{"type": "auth", "token": 5}"#),
        Message::text(r#"{"type": "auth", "token": "rubbish"}"#),
        Message::text(json!({"type": "auth", "token": alice.refresh}).to_string()),
        Message::text(r#"{"type": "message.send", "chat": 1, "content": "meow"}"#),
        Message::binary(json!({"type": "auth", "token": alice.access}).to_string()),
    ];
    for frame in first_frames {
        let mut socket = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
        socket.send_message(frame.clone()).await;
        let error = socket.next().await;
        assert_eq!(error["type"], "error", "{frame:?}");
        assert_eq!(error["code"], "not_authenticated", "{frame:?}");
        assert_eq!(socket.closed().await.0, 4001, "{frame:?}");
    }

    let mut socket = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
    let error = socket.request(json!({"type": "auth", "token": "rubbish"})).await;
    assert_eq!(error["code"], "not_authenticated", "an id is repeated: {error}");
}

#[rstest]
#[tokio::test]
async fn an_unauthenticated_socket_receives_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let mut unknown = Socket::dial(&alice, "/ws/", &[]).await.expect("upgraded");
    let chat = alice.group(&[]).await;
    alice.say(chat, "meow").await;
    unknown.send(json!({"type": "auth", "token": alice.access})).await;
    let ready = unknown.next().await;
    assert_eq!(ready["type"], "ready");
    assert_eq!(ready["versions"], json!({chat.to_string(): 2}));
}

#[rstest]
#[tokio::test]
async fn what_is_no_handshake_is_answered_as_any_other_request(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let told = |answer: &Answer| {
        assert!(answer.json["detail"].is_string(), "{answer:?}");
        assert!(!answer.text.contains("token"), "{answer:?}");
    };
    let plain = alice.get("/ws/").await;
    assert!([400, 426].contains(&plain.status.as_u16()), "{plain:?}");
    told(&plain);
    let posted = alice.post("/ws/", json!({})).await.expect(405);
    assert!(posted.header("allow").is_some_and(|allow| allow.contains("GET")), "{posted:?}");
    told(&posted);
    let anonymous = server.anonymous().post("/api/auth/ws-ticket/", json!({})).await.expect(401);
    assert_eq!(anonymous.header("www-authenticate"), Some("Bearer realm=\"api\""));
}

#[rstest]
#[tokio::test]
async fn pages_of_foreign_origins_are_refused_before_the_upgrade(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [
        ("CORS_ALLOWED_ORIGINS", "https://app.example.org"),
        ("PUBLIC_URL", "https://chat.example.org"),
    ];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let alice = server.user("alice").await;
    let token = format!("Bearer {}", alice.access);
    let dial = async |origin: &str| {
        Socket::dial(&alice, "/ws/", &[("authorization", &token), ("origin", origin)]).await
    };
    for origin in [
        &server.base,
        "https://app.example.org",
        "https://APP.example.org:443",
        "https://chat.example.org",
        "https://chat.example.org:443",
    ] {
        assert!(dial(origin).await.is_ok(), "{origin}");
    }
    let foreign = [
        "null",
        "",
        "https://evil.example",
        "https://app.example.org.evil.example",
        "https://evil-app.example.org",
        "https://evil.app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org/",
        "http://app.example.org",
        "https://app.example.org:80",
        "app.example.org",
        "https://app.example.org, https://evil.example",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "file://",
        "*",
        &format!("{}.evil.example", server.base),
        &format!("{}@evil.example", server.base),
        &format!("http://evil.example#{}", server.base),
    ];
    for origin in foreign {
        let (status, body) = refused(dial(origin).await);
        assert_eq!(status, 403, "{origin}");
        let detail = "You do not have permission to perform this action.";
        assert_eq!(body, json!({"detail": detail}), "{origin}");
    }
    // A valid ticket does not help a page of another origin, and the attempt does not use it up.
    let path = ticket(&alice).await;
    let evil = [("origin", "https://evil.example")];
    assert_eq!(refused(Socket::dial(&alice, &path, &evil).await).0, 403);
    assert!(Socket::dial(&alice, &path, &[]).await.is_ok());
}

#[rstest]
#[tokio::test]
async fn a_handshake_is_held_to_rfc_6455(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let alice = server.user("alice").await;
    let handshake = async |keys: &[&str], version: Option<&str>| {
        let mut request = alice.request(Method::GET, "/ws/");
        request =
            request.header("connection", "keep-alive, Upgrade").header("upgrade", "WebSocket");
        for key in keys {
            request = request.header("sec-websocket-key", *key);
        }
        if let Some(version) = version {
            request = request.header("sec-websocket-version", version);
        }
        Answer::of(request).await
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let good = handshake(&[key], Some("13")).await.expect(101);
    assert_eq!(good.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));

    // 16 bytes in base64, once (4.2.1, 11.3.1).
    let short = "SGVsbG8sIHdvcmxkIQ==";
    let long = "dGhlIHNhbXBsZSBub25jZSE=";
    let bad = ["", "=", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZ@==", short, long];
    for keys in bad.map(|key| vec![key]).into_iter().chain([vec![], vec![key, key]]) {
        let refused = handshake(&keys, Some("13")).await.expect(400);
        assert!(refused.json["detail"].is_string(), "{refused:?}");
    }

    // The answer names the supported version (4.2.2, 4.4).
    for version in ["12", "14", "0", "", "x", "8, 13"] {
        let refused = handshake(&[key], Some(version)).await.expect(426);
        assert_eq!(refused.header("sec-websocket-version"), Some("13"), "{version}");
        assert_eq!(refused.header("upgrade"), Some("websocket"), "{version}");
        assert!(refused.json["detail"].is_string(), "{refused:?}");
    }
    handshake(&[key], None).await.expect(400);
}
