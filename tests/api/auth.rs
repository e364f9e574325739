//! Registration and login.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, PASSWORD, TestApp, tokens};

const REGISTER: &str = "/api/auth/register/";
const TAKEN: &str = "A user with that username already exists.";
const BAD_NAME: &str = "Enter a valid username. This value may contain only letters, numbers, and \
                        @/./+/-/_ characters.";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registering_opens_a_session(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    let body = json!({
        "username": "ＭＥＯＷ", "password": PASSWORD, "email": "Meow@Example.ORG",
        "first_name": " Tom ", "last_name": "Cat", "id": 77, "is_staff": true,
        "is_superuser": true, "is_active": false, "surprise": [1],
    });
    let session = anonymous.post(REGISTER, body).await.expect(201).json;

    let user = &session["user"];
    let expected = json!({
        "id": user["id"], "username": "MEOW", "first_name": "Tom", "last_name": "Cat",
        "avatar": null, "status": "offline", "status_text": "", "last_seen": null,
        "date_joined": user["date_joined"], "email": "Meow@example.org", "is_staff": false,
        "is_superuser": false, "availability": "online",
    });
    assert_eq!(*user, expected);
    let joined = user["date_joined"].as_str().expect("a time");
    assert!(joined.len() == "2026-01-02T03:04:05.678901Z".len() && joined.ends_with('Z'));
    let client = anonymous.with_session(&session);
    client.get("/api/auth/me/").await.expect_body(200, expected);

    for (token, kind, seconds) in
        [(&client.access, "access", 900), (&client.refresh, "refresh", 30 * 86_400)]
    {
        assert_eq!(tokens::header(token)["alg"], "HS256");
        let claims = tokens::claims(token);
        assert_eq!(claims["token_type"], kind);
        assert_eq!(claims["user_id"], user["id"].to_string());
        let time = |name: &str| claims[name].as_i64().expect("a time");
        assert_eq!(time("exp") - time("iat"), seconds);
        assert!(claims["jti"].is_string() && claims["sid"].is_i64(), "{claims}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_errors_of_a_registration_are_reported_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let whiskers = server.anonymous().register("whiskers", PASSWORD).await;
    let faults = async |body: Value| whiskers.post(REGISTER, body).await.expect(400).json;

    let long = "x".repeat(151);
    let body = json!({
        "username": "Whiskers", "password": "12345", "email": "nonsense", "first_name": long,
        "last_name": null,
    });
    assert_eq!(
        faults(body).await,
        json!({
            "username": [TAKEN],
            "password": [
                "This password is too short. It must contain at least 8 characters.",
                "This password is too common.",
                "This password is entirely numeric.",
            ],
            "email": ["Enter a valid email address."],
            "first_name": ["Ensure this field has no more than 150 characters."],
            "last_name": ["This field may not be null."],
        })
    );
    for (username, password, name_text, password_text) in [
        (json!(5), json!([]), "Not a valid string.", "Not a valid string."),
        (json!(" "), json!(""), "This field may not be blank.", "This field may not be blank."),
        (json!(null), json!(null), "This field may not be null.", "This field may not be null."),
        (json!("a b"), json!("sunshine"), BAD_NAME, "This password is too common."),
        (
            json!("a\u{0}b"),
            json!("ab\u{0}12345678"),
            "Null characters are not allowed.",
            "Null characters are not allowed.",
        ),
        (
            json!(long),
            json!("x".repeat(1025)),
            "Ensure this field has no more than 150 characters.",
            "Ensure this field has no more than 1024 characters.",
        ),
    ] {
        let answer = faults(json!({"username": username, "password": password})).await;
        let expected = json!({"username": [name_text], "password": [password_text]});
        assert_eq!(answer, expected);
    }
    let required = json!(["This field is required."]);
    assert_eq!(faults(json!({})).await, json!({"username": required, "password": required}));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_not_like_its_owner(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    for (field, value, name) in [
        ("first_name", "Bartholomew", "first name"),
        ("last_name", "Bartholomew", "last name"),
        ("email", "bartholomew@example.org", "email address"),
    ] {
        let mut body = json!({"username": "tom", "password": "Bartholomew7"});
        body[field] = json!(value);
        let answer = server.anonymous().post(REGISTER, body).await;
        answer.expect_fault("password", &format!("The password is too similar to the {name}."));
    }
    let body = json!({"username": "bartholomew", "password": "Bartholomew7"});
    let answer = server.anonymous().post(REGISTER, body).await;
    answer.expect_fault("password", "The password is too similar to the username.");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_names_are_unique_without_regard_to_case_width_or_composition(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    let register = async |username: &str, email: &str| {
        let body = json!({"username": username, "email": email, "password": PASSWORD});
        anonymous.post(REGISTER, body).await
    };
    for (one, other) in [("Straße", "STRASSE"), ("Zoë", "ZOE\u{308}"), ("ＭＥＯＷ", "meow")] {
        register(one, "").await.expect(201);
        register(other, "").await.expect_fault("username", TAKEN);
    }
    register("Tom@Example.org", "zoe@example.org").await.expect(201);
    register("ZOE@example.ORG", "").await.expect_fault("username", TAKEN);
    register("tom", "tom@EXAMPLE.org").await.expect_fault("email", "This field must be unique.");
    register("tom", "ZOE@example.org").await.expect_fault("email", "This field must be unique.");
    // A user's address and username may be the same; many users may have no address.
    register("a@example.org", "A@example.org").await.expect(201);
    register("tom", " ").await.expect(201);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_logs_in_by_name_or_address_in_any_case(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    let body = json!({"username": "Zoë", "email": "Zoe@Example.org", "password": PASSWORD});
    let registered = anonymous.post(REGISTER, body).await.expect(201).json;
    for name in ["Zoë", "ZOE\u{308}", "zoe@example.org", "ZOE@EXAMPLE.ORG", " zoë "] {
        let session = anonymous.login(name, PASSWORD).await.expect(200).json;
        assert_eq!(session["user"], registered["user"], "{name}");
        anonymous.with_session(&session).get("/api/auth/me/").await.expect(200);
    }
    anonymous.post("/api/auth/login/", json!({"username": ""})).await.expect_body(
        400,
        json!({
            "username": ["This field may not be blank."], "password": ["This field is required."],
        }),
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_wrong_and_inactive_are_refused_alike(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    server.deactivate(&bob).await;

    let anonymous = server.anonymous();
    let mut refusals = Vec::new();
    for (name, password) in [
        (alice.username.as_str(), "wrong-lives-2026"),
        ("nobody", PASSWORD),
        (&bob.username, PASSWORD),
        (&bob.username, "wrong-lives-2026"),
    ] {
        let refusal = anonymous.login(name, password).await;
        let refusal =
            refusal.expect_detail(401, "No active account found with the given credentials");
        assert_eq!(refusal.header("www-authenticate"), Some("Bearer realm=\"api\""));
        refusals.push(visible_headers(&refusal));
    }
    assert!(refusals.windows(2).all(|pair| pair[0] == pair[1]), "{refusals:?}");
}

/// The headers, without those that differ in each answer.
fn visible_headers(answer: &Answer) -> Vec<(String, String)> {
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    headers.map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect()
}
