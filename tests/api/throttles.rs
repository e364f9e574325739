//! Rate limits: a client over its limit gets 429, and nobody else does.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use rstest::rstest;
use serde_json::json;

use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp};

/// A server behind a proxy, so that tests can use any address. Its clock is stopped, so that no limit
/// recovers during a test.
async fn start(backend: Backend, settings: &[(&str, &str)]) -> Option<TestApp> {
    let proxied = [("THROTTLE", "on"), ("TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = TestApp::start_with(backend, &[&proxied, settings].concat()).await?;
    server.app.clock.stop();
    Some(server)
}

/// Another node, with a stopped clock as well.
async fn second(server: &TestApp) -> TestApp {
    let second = server.second_node().await;
    second.app.clock.stop();
    second
}

/// A client at an address, according to the trusted proxy.
pub fn at(server: &TestApp, address: &str) -> Client {
    let address = HeaderValue::from_str(address).expect("a header");
    let headers = HeaderMap::from_iter([("x-forwarded-for".parse().expect("a name"), address)]);
    let http = reqwest::Client::builder().default_headers(headers).build().expect("a client");
    Client { http, ..server.anonymous() }
}

#[track_caller]
fn expect_throttled(answer: Answer, seconds: u64) {
    let unit = if seconds == 1 { "second" } else { "seconds" };
    let text = format!("Request was throttled. Expected available in {seconds} {unit}.");
    let answer = answer.expect_detail(429, &text);
    assert_eq!(answer.header("retry-after"), Some(seconds.to_string().as_str()));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_a_password_are_counted_on_every_node_together(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(one) = start(backend, &[]).await else { return };
    let two = second(&one).await;
    at(&one, "192.0.2.1").register("tom", PASSWORD).await;
    let nodes = [at(&one, "198.51.100.1"), at(&two, "198.51.100.1")];
    for guess in 0..25 {
        // Logging in to the attacker's own account in between gains nothing.
        let (password, status) = if guess % 8 == 7 { (PASSWORD, 200) } else { ("wrong", 401) };
        nodes[guess % 2].login("tom", password).await.expect(status);
    }
    for (node, guesser) in [&one, &two].iter().zip(&nodes) {
        for name in ["tom", " TOM "] {
            let refused = guesser.login(name, PASSWORD).await.expect(429);
            let wait: u64 =
                refused.header("retry-after").expect("a time").parse().expect("seconds");
            assert!((1..=6).contains(&wait), "{wait}");
        }
        // Neither another address nor another account is limited.
        at(node, "192.0.2.1").login("tom", PASSWORD).await.expect(200);
        guesser.login("jerry", PASSWORD).await.expect(401);
    }
    for node in [&one, &two] {
        node.app.clock.advance(Duration::from_secs(6));
    }
    nodes[0].login("tom", "wrong").await.expect(401);
    nodes[1].login("tom", "wrong").await.expect(429);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_guess_at_once_get_no_more_than_is_allowed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(one) = start(backend, &[("THROTTLE_LOGIN", "2/hour")]).await else { return };
    let two = second(&one).await;
    let guessers = [at(&one, "198.51.100.1"), at(&two, "198.51.100.1")];
    let guesses = (0..20).map(|guess| guessers[guess % 2].login("tom", "wrong"));
    let answers = futures_util::future::join_all(guesses).await;
    let count = |status: u16| answers.iter().filter(|a| a.status.as_u16() == status).count();
    assert_eq!((count(401), count(429)), (5, 15));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_guesses_at_an_account_is_stopped_and_its_owner_is_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("THROTTLE_LOGIN", "2/hour"), ("THROTTLE_ANON", "off")];
    let Some(server) = start(backend, &settings).await else { return };
    let owner = at(&server, "192.0.2.1");
    owner.register("tom", PASSWORD).await;
    for host in 0..10 {
        for _ in 0..5 {
            at(&server, &format!("198.51.100.{host}")).login("tom", "wrong").await.expect(401);
        }
    }
    at(&server, "198.51.100.99").login("tom", "wrong").await.expect(429);
    owner.login("tom", PASSWORD).await.expect(200);
    at(&server, "198.51.100.99").login("jerry", "wrong").await.expect(401);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_guesses_at_many_accounts_is_stopped(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("THROTTLE_LOGIN", "2/hour"), ("THROTTLE_ANON", "off")];
    let Some(server) = start(backend, &settings).await else { return };
    let sprayer = at(&server, "2001:db8:1:2::1");
    for account in 0..50 {
        sprayer.login(&format!("cat{account}"), PASSWORD).await.expect(401);
    }
    // A whole /64 belongs to one customer.
    at(&server, "2001:db8:1:2:3:4:5:6").login("cat99", PASSWORD).await.expect(429);
    at(&server, "2001:db8:1:3::1").login("cat99", PASSWORD).await.expect(401);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ones_own_password_cannot_be_guessed_with_a_stolen_token(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_LOGIN", "2/hour")]).await else { return };
    let tom = server.user("tom").await;
    let body = json!({"old_password": "wrong", "new_password": "ten-lives-2027"});
    let guess = async || tom.post("/api/auth/password/change/", body.clone()).await;
    for _ in 0..5 {
        guess().await.expect(400);
    }
    guess().await.expect(429);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_a_token_are_counted_by_address(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_ANON", "2/min")]).await else { return };
    let tom = at(&server, "192.0.2.1").register("tom", PASSWORD).await;
    let stranger = at(&server, "198.51.100.1");
    let forger = stranger.with_access("forged");
    let verify = async || stranger.post("/api/auth/verify/", json!({"token": "forged"})).await;
    verify().await.expect(401);
    stranger.get("/api/users/").await.expect_no_credentials();
    forger.get("/api/users/").await.expect_bad_token();
    forger.post("/api/users/", json!({})).await.expect_bad_token();
    Socket::dial(&stranger, "/ws/?ticket=forged", &[("x-forwarded-for", "198.51.100.1")])
        .await
        .err()
        .expect("refused");

    expect_throttled(verify().await, 30);
    expect_throttled(forger.get("/api/users/").await, 30);
    expect_throttled(stranger.post("/api/auth/login/", json!([])).await, 30);
    for path in ["/", "/favicon.ico", "/api/docs/", "/api/schema/", "/api/schema/socket/"] {
        expect_throttled(stranger.get(path).await, 30);
    }
    for path in ["/healthz", "/readyz"] {
        stranger.get(path).await.expect(200);
    }
    for path in ["/api/users/", "/api/auth/login/"] {
        stranger.options(path).await.expect(200);
    }
    let mine = Client { http: stranger.http.clone(), ..tom };
    mine.get("/api/users/").await.expect(200);
    at(&server, "198.51.100.2").post("/api/auth/login/", json!({})).await.expect(400);

    server.app.clock.advance(Duration::from_secs(30));
    verify().await.expect(401);
    expect_throttled(verify().await, 30);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_user_are_counted_by_user(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_USER", "2/second")]).await else { return };
    let (tom, jerry) = (server.user("tom").await, server.user("jerry").await);
    let again = server.anonymous().login(&tom.username, PASSWORD).await.expect(200);
    let tom_again = tom.with_session(&again.json);
    let mut refused = None;
    for _ in 0..50 {
        let answer = tom_again.get("/api/auth/me/").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    expect_throttled(refused.expect("refused at last"), 1);
    jerry.get("/api/auth/me/").await.expect(200);
    tom_again.options("/api/auth/me/").await.expect(200);
    server.app.clock.advance(Duration::from_secs(3));
    // Whatever the body is, which is not read.
    tom.put("/api/auth/me/", json!("rubbish")).await.expect(400);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_are_counted_by_address(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_REGISTER", "2/hour")]).await else { return };
    let spammer = at(&server, "198.51.100.1");
    for number in 0..5 {
        spammer.register(&format!("spam{number}"), PASSWORD).await;
    }
    let body = json!({"username": "spam5", "password": PASSWORD});
    expect_throttled(spammer.post("/api/auth/register/", body).await, 1800);
    at(&server, "198.51.100.2").register("tom", PASSWORD).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_are_counted_by_user_over_rest_and_socket_together(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_MESSAGES", "4/min")]).await else { return };
    let (tom, jerry) = (server.user("tom").await, server.user("jerry").await);
    let chat = tom.private_chat(&jerry).await;
    let mut socket = Socket::open(&tom).await;
    let frame = json!({"type": "message.send", "chat": chat, "content": "meow"});
    for _ in 0..5 {
        tom.say(chat, "meow").await;
        assert_eq!(socket.request(frame.clone()).await["type"], "ack");
    }
    let path = format!("/api/chats/{chat}/messages/");
    expect_throttled(tom.post(&path, json!({"content": "meow"})).await, 15);
    let error = socket.request(frame.clone()).await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("throttled")));
    let detail = "Request was throttled. Expected available in 15 seconds.";
    assert_eq!(error["detail"], detail);

    assert_eq!(jerry.get(&path).await.expect(200).results().len(), 10);
    assert_eq!(jerry.say(chat, "purr").await["seq"], 11);
    // Everything else keeps working on the same socket.
    assert_eq!(socket.request(json!({"type": "ping"})).await["type"], "pong");
    server.app.clock.advance(Duration::from_secs(15));
    assert_eq!(socket.request(frame).await["type"], "ack");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_and_deletions_count_as_sends(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_MESSAGES", "4/min")]).await else { return };
    let (tom, jerry) = (server.user("tom").await, server.user("jerry").await);
    let chat = tom.private_chat(&jerry).await;
    let mut socket = Socket::open(&tom).await;
    let id = tom.say(chat, "meow").await["id"].clone();
    let path = format!("/api/messages/{id}/");
    let (body, unknown) = (json!({"content": "purr"}), "/api/messages/999999/");
    let frame = |kind: &str| json!({"type": kind, "message": id, "content": "purr"});
    for _ in 0..2 {
        tom.put(&path, body.clone()).await.expect(200);
        tom.patch(&path, body.clone()).await.expect(200);
        tom.delete(unknown).await.expect(404);
        assert_eq!(socket.request(frame("message.edit")).await["type"], "ack");
    }
    assert_eq!(socket.request(frame("message.delete")).await["type"], "ack");
    expect_throttled(tom.put(&path, body.clone()).await, 15);
    expect_throttled(tom.patch(&path, body).await, 15);
    expect_throttled(tom.delete(&path).await, 15);
    for kind in ["message.edit", "message.delete", "message.send"] {
        let frame = json!({"type": kind, "message": id, "chat": chat, "content": "purr"});
        assert_eq!(socket.request(frame).await["code"], "throttled", "{kind}");
    }
    assert_eq!(jerry.say(chat, "meow").await["seq"], 2);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_count_as_calls_over_all_sockets_together(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    // A burst of 50, of which the two handshakes take two.
    let Some(server) = start(backend, &[("THROTTLE_USER", "20/min")]).await else { return };
    let (tom, jerry) = (server.user("tom").await, server.user("jerry").await);
    let mut sockets = [Socket::open(&tom).await, Socket::open(&tom).await];
    for n in 0..4 {
        let heavy = match n % 2 {
            0 => json!({"type": "sync", "versions": {}}),
            _ => json!({"type": "status.watch", "users": []}),
        };
        assert_eq!(sockets[n / 2].request(heavy).await["type"], "ack");
    }
    for n in 0..8 {
        let light = match n % 4 {
            0 => json!({"type": "ping"}),
            1 => json!({"type": "typing", "chat": 1, "active": true}),
            2 => json!({"type": "message.read", "chat": 1, "seq": 1}),
            _ => json!({"type": "rubbish"}),
        };
        assert_ne!(sockets[n / 4].request(light).await["code"], "throttled");
    }
    for socket in &mut sockets {
        let refused = socket.request(json!({"type": "ping"})).await;
        assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("throttled")));
        let detail = "Request was throttled. Expected available in 3 seconds.";
        assert_eq!(refused["detail"], detail);
        let refused = socket.request(json!({"type": "sync", "versions": {}})).await;
        let detail = "Request was throttled. Expected available in 30 seconds.";
        assert_eq!(refused["detail"], detail);
    }
    expect_throttled(tom.get("/api/auth/me/").await, 3);
    jerry.get("/api/auth/me/").await.expect(200);
    server.app.clock.advance(Duration::from_secs(30));
    let answer = sockets[0].request(json!({"type": "sync", "versions": {}})).await;
    assert_eq!(answer["type"], "ack");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_socket_gets_errors_and_is_then_closed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[]).await else { return };
    let tom = server.user("tom").await;
    for frame in ["{\"type\": \"ping\", \"id\": 7}", "rubbish"] {
        let mut socket = Socket::open(&tom).await;
        for _ in 0..5_000 {
            let message = tokio_tungstenite::tungstenite::Message::text(frame);
            // The socket may already be closed.
            if futures_util::SinkExt::feed(&mut socket.stream, message).await.is_err() {
                break;
            }
        }
        futures_util::SinkExt::flush(&mut socket.stream).await.ok();
        let mut throttled = 0;
        let end = loop {
            match socket.next_or_end().await {
                Ok(frame) if frame["code"] == "throttled" => throttled += 1,
                Ok(_) => {}
                Err(end) => break end,
            }
        };
        assert_eq!(end.expect("closed in order").0, 4029);
        assert!(throttled >= 200, "{throttled}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_evades_by_making_up_addresses() {
    let settings = [("THROTTLE", "on"), ("THROTTLE_ANON", "2/hour")];
    let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
    for host in 0..5 {
        at(&server, &format!("198.51.100.{host}")).get("/api/users/").await.expect(401);
    }
    expect_throttled(at(&server, "198.51.100.9").get("/api/users/").await, 1800);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_devices_and_links_are_the_clients() {
    let server = start(Backend::Sqlite, &[]).await.expect("always there");
    let tom = at(&server, "6.6.6.6, 198.51.100.7").register("tom", PASSWORD).await;
    tom.login("tom", PASSWORD).await.expect(200);
    let path = "/api/auth/sessions/?page_size=1";
    let request = tom.request(Method::GET, path).header("x-forwarded-proto", "https");
    let page = Answer::of(request).await.expect(200);
    assert_eq!(page.results()[0]["ip"], "198.51.100.7");
    let next = page.json["next"].as_str().expect("a link");
    assert!(next.starts_with("https://127.0.0.1:"), "{next}");
}
