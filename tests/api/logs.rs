//! The log as an operator reads it: who did what, why it was refused, and when sockets open and close.

use std::path::Path;

use meowsenger::config::Variables;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::services::variables;
use crate::support::{Backend, PASSWORD, Program, Socket};

/// The lines of a JSON log with these values.
fn lines(log: &str, values: &[(&str, Value)]) -> Vec<Value> {
    let parse = |line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}"));
    let fits = |line: &Value| values.iter().all(|(name, value)| line[name] == *value);
    log.lines().map(parse).filter(fits).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_logged_with_its_user_and_why_it_was_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let folder = TempDir::new().expect("a folder");
    let Some(mut variables) = variables(backend, folder.path()).await else { return };
    variables.insert("LOG_FORMAT".to_owned(), "json".to_owned());
    variables.insert("TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned());
    let program = Program::start(&variables, folder.path());
    let tom = program.client.register("tom", PASSWORD).await;
    let kitty = program.client.register("kitty", PASSWORD).await;
    let chat = tom.private_chat(&kitty).await;
    let path = format!("/api/chats/{chat}/messages/");
    let long_agent = format!("Cat/9 \"{}", "x".repeat(1_000));
    let request = tom.request(Method::POST, &format!("{path}?token=hunter2"));
    let request = request.header("user-agent", &long_agent).header("x-request-id", "nine");
    let request = request.header("x-forwarded-for", "203.0.113.9");
    request.json(&json!({"content": "", "reply_to": "hunter2"})).send().await.expect("sent");
    tom.get("/api/users/tom@example.org/").await.expect(404);
    tom.raw(Method::POST, &path, "application/json", "{").await.expect(400);

    let mut socket = Socket::open(&tom).await;
    socket.request(json!({"type": "ping"})).await;
    drop(socket);
    let mut socket = Socket::open_by_frame(&kitty).await;
    kitty.post("/api/auth/logout/", json!({})).await.expect(204);
    assert_eq!(socket.closed().await.0, 4001);
    let log = program.end();

    let [refused] = &lines(&log, &[("request_id", json!("nine"))])[..] else { panic!("{log}") };
    for (name, value) in [
        ("message", json!("request")),
        ("level", json!("INFO")),
        ("method", json!("POST")),
        ("path", json!(path)),
        ("route", json!("/api/chats/{id}/messages/")),
        ("status", json!(400)),
        ("code", json!("invalid")),
        ("user", json!(tom.id)),
        ("client", json!("203.0.113.9")),
    ] {
        assert_eq!(refused[name], value, "{name}: {refused}");
    }
    let why = refused["why"].as_str().expect("a reason");
    assert!(why.contains("content: This field may not be blank.") && why.contains("reply_to: "));
    assert_eq!(refused["agent"].as_str().map(str::len), Some(200), "{refused}");
    assert!(refused["bytes"].as_u64() > Some(20) && refused["ms"].is_number(), "{refused}");
    let malformed = lines(&log, &[("code", json!("malformed"))]);
    assert!(malformed[0]["why"].as_str().expect("why").starts_with("JSON parse error"));
    assert_eq!(lines(&log, &[("path", json!("/api/users/…/"))]).len(), 1, "{log}");

    let socket = |message: &str, user| {
        lines(&log, &[("message", json!(message)), ("user", json!(user))]).remove(0)
    };
    let (opened, closed) = (socket("socket opened", tom.id), socket("socket closed", tom.id));
    assert!(opened["session"].is_number() && opened["client"] == "127.0.0.1", "{opened}");
    assert_eq!(closed["request_id"], opened["request_id"]);
    assert_eq!((&closed["code"], &closed["reason"]), (&json!(1006), &json!("connection lost")));
    assert!(closed["seconds"].is_number() && closed["received"] == 1, "{closed}");
    let ended = socket("socket closed", kitty.id);
    assert_eq!((&ended["code"], &ended["reason"]), (&json!(4001), &json!("not authenticated")));
    for secret in ["hunter2", "tom@example.org", PASSWORD, &tom.access, &tom.refresh] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

fn make_superuser(variables: &Variables, log: &Path) {
    let mut variables = variables.clone();
    for (name, value) in [("USERNAME", "boss"), ("PASSWORD", PASSWORD)] {
        variables.insert(format!("DJANGO_SUPERUSER_{name}"), value.to_owned());
    }
    let mut command = Program::command(&["createsuperuser", "--noinput"], &variables, log);
    assert!(command.status().expect("run").success());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_login_is_logged_with_its_reason(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("hash", "name")] accounts: &str,
) {
    let folder = TempDir::new().expect("a folder");
    let Some(mut variables) = variables(backend, folder.path()).await else { return };
    for (name, value) in [
        ("LOG_FORMAT", "json"),
        ("LOG_ACCOUNTS", accounts),
        ("THROTTLE", "on"),
        ("THROTTLE_LOGIN", "1/hour"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    let program = Program::start(&variables, folder.path());
    make_superuser(&variables, &folder.path().join("other"));
    let boss = program.client.login("boss", PASSWORD).await.expect(200).json;
    let kitty = program.client.register("kitty", PASSWORD).await;
    let boss = program.client.with_session(&boss);
    let inactive = json!({"is_active": false});
    boss.patch(&format!("/api/users/{}/", kitty.id), inactive).await.expect(200);
    program.client.login("kitty", PASSWORD).await.expect(401);
    let tom = program.client.register("tom", PASSWORD).await;
    program.client.login("TOM", "hunter2").await.expect(401);
    program.client.login("nobody@example.org", "hunter2").await.expect(401);
    program.client.login("tom", PASSWORD).await.expect(200);
    program.client.login("tom", PASSWORD).await.expect(429);
    let log = program.end();

    let failed = lines(&log, &[("message", json!("login failed")), ("level", json!("WARN"))]);
    let expected = [
        (json!("inactive user"), json!(kitty.id)),
        (json!("wrong password"), json!(tom.id)),
        (json!("unknown user"), Value::Null),
        (json!("throttled"), json!(tom.id)),
    ];
    assert_eq!(failed.len(), expected.len(), "{log}");
    for (line, (reason, user)) in failed.iter().zip(expected) {
        assert_eq!((&line["reason"], &line["user"]), (&reason, &user), "{line}");
        assert_eq!(line["client"], "127.0.0.1", "{line}");
    }
    assert_eq!(failed[1]["account"], failed[3]["account"], "{log}");
    assert_eq!(log.contains("nobody@example.org"), accounts == "name", "{log}");
    assert_eq!(failed[1]["account"] == "tom", accounts == "name", "{log}");
    let refused = lines(&log, &[("code", json!("login_failed"))]);
    assert_eq!(refused[1]["why"], "wrong password");
    assert_eq!(lines(&log, &[("message", json!("logged in"))]).len(), 2);
    assert!(!log.contains("hunter2") && !log.contains(PASSWORD), "{log}");
}
