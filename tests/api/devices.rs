//! Sessions of a user: listing and ending them, and changing the password.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp, eventually, tokens};

const ME: &str = "/api/auth/me/";
const SESSIONS: &str = "/api/auth/sessions/";
const CHANGE: &str = "/api/auth/password/change/";

/// The id of a client's session.
fn session(client: &Client) -> i64 {
    tokens::claims(&client.access)["sid"].as_i64().expect("a session")
}

/// The same user on another device.
async fn another(client: &Client) -> Client {
    let login = client.login(&client.username, PASSWORD).await.expect(200);
    client.with_session(&login.json)
}

async fn expect_dead(client: &Client) {
    client.get(ME).await.expect_bad_token();
    client.spend(&client.refresh).await.expect_bad_token();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_listed_newest_first(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let login = json!({"username": tom.username, "password": PASSWORD});
    let request = server.anonymous().request(reqwest::Method::POST, "/api/auth/login/");
    let request = request.header("user-agent", "Cat/9 'purr'").json(&login);
    let phone = tom.with_session(&Answer::of(request).await.expect(200).json);
    let (tablet, gone) = (another(&tom).await, another(&tom).await);
    gone.post("/api/auth/logout/", json!({})).await.expect(204);

    let list = phone.get(SESSIONS).await.expect(200);
    let ids = [&tablet, &phone, &tom].map(session);
    assert_eq!(list.column("id"), ids);
    assert_eq!(list.column("current"), [false, true, false]);
    assert_eq!((&list.json["next"], &list.json["previous"]), (&Value::Null, &Value::Null));
    let row = &list.results()[1];
    let expected = json!({
        "id": session(&phone), "created_at": row["created_at"], "last_used_at": row["created_at"],
        "ip": "127.0.0.1", "user_agent": "Cat/9 'purr'", "current": true,
    });
    assert_eq!(*row, expected);
    assert!(row["created_at"].as_str().expect("a time").ends_with('Z'), "{row}");
    assert_eq!(kitty.get(SESSIONS).await.column("id"), [session(&kitty)]);

    // Page by page, forward and back.
    let page = tom.get(&format!("{SESSIONS}?page_size=2")).await.expect(200);
    assert_eq!(page.column("id"), ids[..2]);
    let last = tom.get(page.json["next"].as_str().expect("more")).await.expect(200);
    assert_eq!((last.column("id"), &last.json["next"]), (vec![json!(ids[2])], &Value::Null));
    let first = tom.get(last.json["previous"].as_str().expect("more")).await.expect(200);
    assert_eq!((first.column("id"), &first.json["previous"]), (page.column("id"), &Value::Null));
    // A cursor is valid only for the user's own list.
    kitty.get(page.json["next"].as_str().expect("more")).await.expect_detail(404, "Invalid cursor");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_sent_away_is_out_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let phone = another(&tom).await;
    let mut socket = Socket::open(&phone).await;
    let path = format!("{SESSIONS}{}/", session(&phone));
    // Another user's session is 404, like one that does not exist.
    for stranger in [path.as_str(), "/api/auth/sessions/999999/", "/api/auth/sessions/0/"] {
        kitty.delete(stranger).await.expect_not_found();
    }
    phone.get(ME).await.expect(200);

    assert_eq!(tom.delete(&path).await.expect(204).text, "");
    expect_dead(&phone).await;
    assert_eq!(socket.closed().await.0, 4001);
    tom.delete(&path).await.expect_not_found();
    assert_eq!(tom.get(SESSIONS).await.column("id"), [session(&tom)]);
    // Also the current one.
    tom.delete(&format!("{SESSIONS}{}/", session(&tom))).await.expect(204);
    expect_dead(&tom).await;
    kitty.get(ME).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_other_devices_can_be_sent_away_together(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (phone, tablet) = (another(&tom).await, another(&tom).await);
    let mut sockets = [Socket::open(&tom).await, Socket::open(&tablet).await];
    let mut stays = Socket::open(&phone).await;
    phone.delete(SESSIONS).await.expect(204);
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, 4001);
    }
    expect_dead(&tom).await;
    expect_dead(&tablet).await;
    assert_eq!(stays.request(json!({"type": "ping"})).await["type"], "pong");
    assert_eq!(phone.get(SESSIONS).await.expect(200).column("id"), [session(&phone)]);
    // Also if none is left.
    phone.delete(SESSIONS).await.expect(204);
    phone.spend(&phone.refresh).await.expect(200);
    kitty.get(ME).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_the_password_ends_every_other_session(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let phone = another(&tom).await;
    let (mut ends, mut stays) = (Socket::open(&tom).await, Socket::open(&phone).await);
    let new = "ten-lives-2027";
    let body = json!({"old_password": PASSWORD, "new_password": new});
    server.anonymous().post(CHANGE, body.clone()).await.expect_no_credentials();
    assert_eq!(phone.post(CHANGE, body).await.expect(204).text, "");

    assert_eq!(ends.closed().await.0, 4001);
    expect_dead(&tom).await;
    assert_eq!(stays.request(json!({"type": "ping"})).await["type"], "pong");
    phone.get(ME).await.expect(200);
    tom.login(&tom.username, PASSWORD).await.expect(401);
    tom.login(&tom.username, new).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_that_was_stolen_before_the_password_changed_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    // Two tokens were stolen: the current one, and the one before, still in its grace period.
    let next = tom.spend(&tom.refresh).await.expect(200).json;
    let stolen = [tom.refresh.as_str(), next["refresh"].as_str().expect("a token")];
    let mut socket = Socket::open(&tom).await;
    let body = json!({"old_password": PASSWORD, "new_password": "ten-lives-2027"});
    tom.post(CHANGE, body).await.expect(204);

    let body = |new: &str, wanted: Value| json!({"old_password": "ten-lives-2027", "new_password": new, "new_tokens": wanted});
    let text = "Must be a valid boolean.";
    tom.post(CHANGE, body("more-lives-2028", json!("x"))).await.expect_fault("new_tokens", text);
    let pair = tom.post(CHANGE, body("more-lives-2028", json!(true))).await.expect(200).json;
    for wait in [0, 10, 3_600] {
        server.app.clock.advance(Duration::from_secs(wait));
        for token in stolen {
            tom.spend(token).await.expect_bad_token();
            let body = json!({"token": token});
            tom.post("/api/auth/verify/", body).await.expect_bad_token();
        }
    }
    // It may have been the owner's other tab, so the session is not revoked.
    let refresh = pair["refresh"].as_str().expect("a token");
    let renewed = tom.spend(refresh).await.expect(200).json;
    for token in stolen {
        tom.spend(token).await.expect_bad_token();
    }
    let access = renewed["access"].as_str().expect("a token");
    tom.with_access(access).get(ME).await.expect(200);
    assert_eq!(socket.request(json!({"type": "ping"})).await["type"], "pong");
    // Reuse of a token that was rotated afterwards still revokes the session.
    server.app.clock.advance(Duration::from_secs(10));
    tom.spend(refresh).await.expect_bad_token();
    tom.with_access(access).get(ME).await.expect_bad_token();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_changed_by_who_knows_the_old_one_to_a_good_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.anonymous().register("thomascat", PASSWORD).await;
    let phone = another(&tom).await;
    let wrong = "Your old password was entered incorrectly. Please enter it again.";
    let body = |old: &str, new: &str| json!({"old_password": old, "new_password": new});
    let answer = tom.post(CHANGE, body("meow", "ten-lives-2027")).await;
    answer.expect_fault("old_password", wrong);
    for (new, text) in [
        ("", "This field may not be blank."),
        ("thomascat-", "The password is too similar to the username."),
        ("7hfy38d", "This password is too short. It must contain at least 8 characters."),
        ("qwertyuiop", "This password is too common."),
        ("8274619305", "This password is entirely numeric."),
    ] {
        let answer = tom.post(CHANGE, body(PASSWORD, new)).await.expect(400);
        let texts = answer.json["new_password"].as_array().expect("texts");
        assert!(texts[0].as_str().is_some_and(|told| told.starts_with(text)), "{answer:?}");
    }
    let both = json!({"old_password": [wrong], "new_password": ["This field may not be blank."]});
    tom.post(CHANGE, body("meow", "")).await.expect_body(400, both);
    let missing = json!(["This field is required."]);
    let both = json!({"old_password": missing, "new_password": missing});
    tom.post(CHANGE, json!({})).await.expect_body(400, both);
    let answer = tom.post(CHANGE, json!({"old_password": 5, "new_password": null})).await;
    let both = json!({
        "old_password": ["Not a valid string."], "new_password": ["This field may not be null."],
    });
    answer.expect_body(400, both);
    // Nothing has changed.
    phone.get(ME).await.expect(200);
    tom.login("thomascat", PASSWORD).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_use_of_devices_is_stored_together(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let phone = another(&tom).await;
    let used = async || tom.get(SESSIONS).await.expect(200).column("last_used_at");
    let before = used().await;
    server.app.clock.advance(Duration::from_secs(90));
    phone.get(ME).await.expect(200);
    // Both change: the request itself is a use, too.
    let look =
        async || used().await.iter().zip(&before).all(|(now, before)| now != before).then_some(());
    eventually(Duration::from_secs(20), "the last use of both devices is stored", look).await;
}
