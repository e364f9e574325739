//! Sessions: tokens, rotation, reuse, logout, and tickets for sockets.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::services::SECRET_KEY;
use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp, tokens};

const ME: &str = "/api/auth/me/";
const VERIFY: &str = "/api/auth/verify/";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_buys_one_pair(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let first = server.user("tom").await;
    let second = renewed(&first, first.spend(&first.refresh).await);
    assert!(second.access != first.access && second.refresh != first.refresh);
    second.get(ME).await.expect(200);

    // The answer was lost: the same token is sent again, also after the next one was used.
    let repeated = renewed(&first, first.spend(&first.refresh).await);
    repeated.get(ME).await.expect(200);
    let third = renewed(&second, second.spend(&repeated.refresh).await);
    let repeated = renewed(&first, first.spend(&first.refresh).await);
    third.get(ME).await.expect(200);
    renewed(&first, first.spend(&repeated.refresh).await).get(ME).await.expect(200);

    let faults = [
        (json!({}), "This field is required."),
        (json!({"refresh": null}), "This field may not be null."),
        (json!({"refresh": ""}), "This field may not be blank."),
        (json!({"refresh": 1}), "Not a valid string."),
    ];
    for (body, text) in faults {
        first.post("/api/auth/refresh/", body).await.expect_fault("refresh", text);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reuse_of_a_refresh_token_revokes_the_session(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let first = server.user("tom").await;
    let other = server.anonymous().login(&first.username, PASSWORD).await.expect(200);
    let other = first.with_session(&other.json);
    let second = renewed(&first, first.spend(&first.refresh).await);

    server.app.clock.advance(Duration::from_secs(10));
    second.get(ME).await.expect(200);
    first.spend(&first.refresh).await.expect_bad_token();
    for access in [&first.access, &second.access] {
        first.with_access(access).get(ME).await.expect_bad_token();
    }
    second.spend(&second.refresh).await.expect_bad_token();
    other.get(ME).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_tells_whether_a_token_of_either_kind_is_good(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let anonymous = server.anonymous();
    for token in [&tom.access, &tom.refresh] {
        anonymous.post(VERIFY, json!({"token": token})).await.expect_body(200, json!({}));
    }
    anonymous.post(VERIFY, json!({})).await.expect_fault("token", "This field is required.");
    anonymous.post(VERIFY, json!({"token": "meow"})).await.expect_bad_token();
    server.deactivate(&tom).await;
    for token in [&tom.access, &tom.refresh] {
        anonymous.post(VERIFY, json!({"token": token})).await.expect_bad_token();
    }
    tom.get(ME).await.expect_bad_token();
    anonymous.spend(&tom.refresh).await.expect_bad_token();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_out_ends_this_session_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let phone = server.user("tom").await;
    let laptop = phone.login(&phone.username, PASSWORD).await.expect(200);
    let laptop = server.anonymous().with_session(&laptop.json);

    let mut socket = Socket::open(&phone).await;
    let answer = phone.post("/api/auth/logout/", json!({})).await.expect(204);
    assert_eq!(answer.text, "");
    assert_eq!(socket.closed().await.0, 4001);
    phone.get(ME).await.expect_bad_token();
    phone.post("/api/auth/logout/", json!({})).await.expect_bad_token();
    phone.spend(&phone.refresh).await.expect_bad_token();
    for token in [&phone.access, &phone.refresh] {
        laptop.post(VERIFY, json!({"token": token})).await.expect_bad_token();
    }
    laptop.get(ME).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_begins_after_a_logout_is_answered_on_any_node_however_many_ask(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let mut nodes = vec![server.base.clone()];
    let other = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => Some(server.second_node().await),
    };
    nodes.extend(other.iter().map(|node| node.base.clone()));
    // Requests that arrive together share a look-up.
    let (answered, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ask = async |number: usize| {
        let client = Client { base: nodes[number % nodes.len()].clone(), ..tom.clone() };
        loop {
            let is_refused = is_over.load(Ordering::SeqCst);
            let answer = client.get(ME).await;
            if is_refused {
                return drop(answer.expect_bad_token());
            }
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    let end = async {
        while answered.load(Ordering::SeqCst) < 200 {
            tokio::task::yield_now().await;
        }
        tom.post("/api/auth/logout/", json!({})).await.expect(204);
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(join_all((0..32).map(ask)), end);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_unused_sessions_run_out(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    server.app.clock.advance(Duration::from_secs(890));
    tom.get(ME).await.expect(200);
    server.app.clock.advance(Duration::from_secs(10));
    tom.get(ME).await.expect_bad_token();

    let next = renewed(&tom, tom.spend(&tom.refresh).await);
    next.get(ME).await.expect(200);
    server.app.clock.advance(Duration::from_secs(30 * 86_400));
    next.post(VERIFY, json!({"token": next.refresh})).await.expect_bad_token();
    next.spend(&next.refresh).await.expect_bad_token();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_at_its_greatest_age_however_much_it_is_used(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("SESSION_MAX_AGE", "2h"), ("ACCESS_TOKEN_LIFETIME", "1d")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let mut socket = Socket::open(&tom).await;
    server.app.clock.advance(Duration::from_secs(3_600));
    let next = renewed(&tom, tom.spend(&tom.refresh).await);
    server.app.clock.advance(Duration::from_secs(3_590));
    let last = renewed(&next, next.spend(&next.refresh).await);
    last.get(ME).await.expect(200);
    let ticket = last.post("/api/auth/ws-ticket/", json!({})).await.expect(201).json;
    let young = server.anonymous().login(&tom.username, PASSWORD).await.expect(200);

    server.app.clock.advance(Duration::from_secs(10));
    last.get(ME).await.expect_bad_token();
    for token in [&last.access, &last.refresh] {
        last.post(VERIFY, json!({"token": token})).await.expect_bad_token();
    }
    last.spend(&last.refresh).await.expect_bad_token();
    refused(&last, &format!("/ws/?ticket={}", ticket["ticket"].as_str().expect("a text"))).await;
    assert_eq!(socket.closed().await.0, 4001);
    tom.with_session(&young.json).get(ME).await.expect(200);

    // A shorter setting applies to existing sessions as well.
    let mut server = server;
    server.variables.insert("SESSION_MAX_AGE".to_owned(), "5s".to_owned());
    let other = server.second_node().await;
    other.app.clock.advance(Duration::from_secs(7_210));
    let there = Client { base: other.base.clone(), ..tom.with_session(&young.json) };
    there.get(ME).await.expect_bad_token();
    there.spend(&there.refresh).await.expect_bad_token();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_tokens_and_those_of_the_other_kind_are_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, eve) = (server.user("tom").await, server.user("eve").await);
    let good = tokens::claims(&tom.access);
    // The forged token is accepted, so only the changes below make the difference.
    let key = tokens::key(SECRET_KEY);
    let copy = tokens::sign(&good, &key, Algorithm::HS256);
    tom.with_access(&copy).get(ME).await.expect(200);

    let mut forged = vec![
        tom.refresh.clone(),
        tokens::sign(&good, "another-key-".repeat(5), Algorithm::HS256),
        // `SECRET_KEY` itself is not a signing key.
        tokens::sign(&good, SECRET_KEY, Algorithm::HS256),
        tokens::sign(&good, &key, Algorithm::HS512),
        tokens::with_header(&tom.access, r#"{"alg":"none","typ":"JWT"}"#),
        tokens::with_header(&tom.access, r#"{"alg":"RS256","typ":"JWT"}"#),
        tom.access.rsplit_once('.').expect("three parts").0.to_owned() + ".",
        "meow".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(5_000),
    ];
    let changes = [
        ("exp", json!(4_000_000_000.5)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(-1)),
        ("exp", json!(0)),
        ("exp", json!("4000000000")),
        ("exp", Value::Null),
        ("exp", json!(i64::MAX)),
        ("iat", json!(0.5)),
        ("iat", json!(-1)),
        ("iat", json!("0")),
        ("iat", json!(i64::MAX)),
        ("nbf", json!(4_000_000_000_i64)),
        ("nbf", json!("now")),
        ("aud", json!("somebody else")),
        ("iss", json!("https://evil.example")),
        ("sid", json!(i64::MAX)),
        ("sid", json!(-1)),
        ("sid", json!("1")),
        ("sid", tokens::claims(&eve.access)["sid"].clone()),
        ("user_id", json!(eve.id.to_string())),
        ("user_id", json!("meow")),
        ("user_id", json!("99999999999999999999")),
        ("token_type", json!("sliding")),
    ];
    for (name, value) in changes {
        let mut claims = good.clone();
        claims[name] = value;
        forged.push(tokens::sign(&claims, &key, Algorithm::HS256));
    }
    for name in ["exp", "iat", "sid", "user_id", "token_type", "jti"] {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(name);
        forged.push(tokens::sign(&claims, &key, Algorithm::HS256));
    }
    for token in &forged {
        tom.with_access(token).get(ME).await.expect_bad_token();
        tom.spend(if *token == tom.refresh { &tom.access } else { token }).await.expect_bad_token();
    }
    tom.get(ME).await.expect(200);
    renewed(&tom, tom.spend(&tom.refresh).await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_one_socket_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let anonymous = server.anonymous();
    let ticket = async || {
        let made = tom.post("/api/auth/ws-ticket/", json!({})).await.expect(201).json;
        assert_eq!(made["expires_in"], 30);
        format!("/ws/?ticket={}", made["ticket"].as_str().expect("a ticket"))
    };

    let path = ticket().await;
    let opened = join_all((0..3).map(|_| Socket::dial(&anonymous, &path, &[]))).await;
    let mut opened: Vec<_> = opened.into_iter().filter_map(Result::ok).collect();
    assert_eq!(opened.len(), 1, "one ticket, one socket");
    assert_eq!(opened[0].next_of("ready").await["user"]["id"], tom.id);
    refused(&anonymous, &path).await;

    refused(&anonymous, "/ws/?ticket=meow").await;
    let late = ticket().await;
    server.app.clock.advance(Duration::from_secs(30));
    refused(&anonymous, &late).await;
    let ended = ticket().await;
    tom.post("/api/auth/logout/", json!({})).await.expect(204);
    refused(&anonymous, &ended).await;
}

/// The client with the pair of this answer.
#[track_caller]
fn renewed(client: &Client, answer: Answer) -> Client {
    let pair = answer.expect(200).json;
    let token = |name: &str| pair[name].as_str().expect("a token").to_owned();
    Client { access: token("access"), refresh: token("refresh"), ..client.clone() }
}

/// Asserts that the socket is refused before the upgrade.
async fn refused(client: &Client, path: &str) {
    match Socket::dial(client, path, &[]).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
            assert_eq!(answer.status(), 401);
        }
        Err(other) => panic!("{path}: {other}"),
        Ok(_) => panic!("{path}: upgraded"),
    }
}
