//! A session of the admin site ends with everything that ends the user's sessions, with the right to be there, and by
//! itself; on every node.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use crate::support::operator::Operator;
use crate::support::{Backend, Client, MailServer, PASSWORD, TestApp};

/// A staff member with a session of the admin site, and a superuser.
async fn people(server: &TestApp) -> (Client, Operator, Client) {
    let (amy, root) = (server.user("amy").await, server.user("root").await);
    server.make_staff(&amy, false).await;
    server.make_staff(&root, true).await;
    let mut browser = Operator::of(server, &amy).await;
    browser.get("/admin/").await.expect(200);
    (amy, browser, root)
}

#[rstest]
#[tokio::test]
async fn it_ends_with_the_users_sessions_and_with_the_right(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    for way in ["password", "inactive", "staff", "others", "account"] {
        let (amy, mut browser, root) = people(&server).await;
        let url = format!("/api/users/{}/", amy.id);
        match way {
            "password" => {
                let body = json!({"old_password": PASSWORD, "new_password": "an other 1 entirely"});
                amy.post("/api/auth/password/change/", body).await.expect(204);
            }
            "inactive" => {
                root.patch(&url, json!({"is_active": false})).await.expect(200);
                root.patch(&url, json!({"is_active": true})).await.expect(200);
            }
            "staff" => {
                root.patch(&url, json!({"is_staff": false})).await.expect(200);
                root.patch(&url, json!({"is_staff": true})).await.expect(200);
            }
            "others" => drop(amy.delete("/api/auth/sessions/").await.expect(204)),
            _ => {
                let request = amy.request(reqwest::Method::DELETE, "/api/auth/me/");
                let request = request.json(&json!({"password": PASSWORD}));
                crate::support::Answer::of(request).await.expect(204);
            }
        }
        browser.get("/admin/").await.expect(302);
        let refused = browser.post("/admin/sessions/end-others/", &[]).await.expect(302);
        assert_eq!(refused.text, "", "{way}");
    }
}

#[rstest]
#[tokio::test]
async fn it_ends_with_a_new_password_by_mail(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut mails = MailServer::start().await;
    let mail = [("EMAIL_URL", mails.url.as_str())];
    let Some(server) = TestApp::start_with(backend, &mail).await else { return };
    let (amy, mut browser, _) = people(&server).await;
    let email = "amy@example.org";
    amy.patch("/api/auth/me/", json!({"email": email})).await.expect(200);
    amy.post("/api/auth/password/reset/", json!({"email": email})).await.expect(204);
    let (uid, token) = loop {
        let mail = mails.next().await;
        if mail.text.contains("/reset?uid=") {
            break mail.link();
        }
    };
    browser.get("/admin/").await.expect(200);
    let body = json!({"uid": uid, "token": token, "new_password": "an other 1 entirely"});
    amy.post("/api/auth/password/reset/confirm/", body).await.expect(204);
    browser.get("/admin/").await.expect(302);
}

#[rstest]
#[tokio::test]
async fn flags_that_are_taken_in_the_database_count_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (amy, mut browser, _) = people(&server).await;
    for flag in ["is_staff", "is_active"] {
        server.script(&format!("update users set {flag} = false where id = {}", amy.id)).await;
        browser.get("/admin/").await.expect(302);
        server.script(&format!("update users set {flag} = true where id = {}", amy.id)).await;
        browser.get("/admin/").await.expect(200);
    }
}

#[rstest]
#[tokio::test]
async fn it_ends_after_twelve_hours_of_use(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (_, mut browser, _) = people(&server).await;
    server.app.clock.advance(Duration::from_secs(12 * 3_600 - 60));
    browser.get("/admin/").await.expect(200);
    server.app.clock.advance(Duration::from_secs(120));
    browser.get("/admin/").await.expect(302);
}

#[rstest]
#[tokio::test]
async fn it_works_and_ends_on_every_node(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let other = server.second_node().await;
    let (_, mut browser, _) = people(&server).await;
    let mut there = browser.on(&other);
    there.get("/admin/sessions/").await.expect(200);
    there.post("/admin/logout/", &[]).await.expect(302);
    browser.get("/admin/").await.expect(302);
}

/// The cookie of the admin site is worth nothing to the API: it has no tokens.
#[rstest]
#[tokio::test]
async fn it_is_listed_among_the_users_sessions_and_ended_there(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (amy, mut browser, _) = people(&server).await;
    let listed = amy.get("/api/auth/sessions/").await.expect(200);
    let newest = &listed.results()[0];
    assert_eq!(newest["current"], false);
    let path = format!("/api/auth/sessions/{}/", newest["id"]);
    amy.delete(&path).await.expect(204);
    browser.get("/admin/").await.expect(302);
    let cookie = browser.cookies["meowsenger_admin"].clone();
    amy.with_access(&cookie).get("/api/auth/me/").await.expect(401);
}
