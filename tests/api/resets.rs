//! Password reset, with a real mail server.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, MailServer, PASSWORD, Socket, TestApp};

const RESET: &str = "/api/auth/password/reset/";
const CONFIRM: &str = "/api/auth/password/reset/confirm/";
const ADDRESS: &str = "Tom@Example.org";
const NEW: &str = "ten-lives-2027";

/// A server with a mail server, and a user with an address.
struct Site {
    server: TestApp,
    mails: MailServer,
    tom: Client,
}

impl Site {
    async fn start(backend: Backend, mails: MailServer) -> Option<Self> {
        let server = TestApp::start_with(backend, &[("EMAIL_URL", &mails.url)]).await?;
        let anonymous = server.anonymous();
        let body = json!({"username": "tom", "email": ADDRESS, "password": PASSWORD});
        let session = anonymous.post("/api/auth/register/", body).await.expect(201).json;
        Some(Self { tom: anonymous.with_session(&session), server, mails })
    }

    async fn request(&self, email: &str) -> Answer {
        self.server.anonymous().post(RESET, json!({"email": email})).await
    }

    /// A link from a new mail.
    async fn link(&mut self) -> (String, String) {
        self.request(ADDRESS).await.expect(204);
        loop {
            let mail = self.mails.next().await;
            // Skips notices of changes.
            if mail.text.contains("Subject: Reset your password") {
                return mail.link();
            }
        }
    }

    async fn confirm(&self, (uid, token): &(String, String), password: &str) -> Answer {
        let body = json!({"uid": uid, "token": token, "new_password": password});
        self.server.anonymous().post(CONFIRM, body).await
    }

    async fn login(&self, password: &str) -> Answer {
        self.server.anonymous().login("tom", password).await
    }
}

#[track_caller]
fn expect_bad(answer: Answer) {
    answer.expect_fault("token", "Invalid or expired token.");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailed_link_sets_a_new_password_and_ends_every_session(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(mut site) = Site::start(backend, MailServer::start().await).await else { return };
    let mut socket = Socket::open(&site.tom).await;
    site.request("TOM@EXAMPLE.ORG").await.expect(204);
    let mail = site.mails.next().await;
    assert_eq!(mail.to, "Tom@example.org");
    let (base, text) = (&site.server.base, &mail.text);
    assert!(text.contains(&format!("{base}/reset?uid=")), "{text}");
    assert!(text.contains("Subject: Reset your password\r\n"), "{text}");
    assert!(text.contains("The link is good for one hour, and for one use."), "{text}");

    site.confirm(&mail.link(), NEW).await.expect(204);
    site.tom.get("/api/auth/me/").await.expect_bad_token();
    assert_eq!(socket.closed().await.0, 4001);
    site.login(PASSWORD).await.expect(401);
    site.login(NEW).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_good_once_even_where_two_race(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(mut site) = Site::start(backend, MailServer::start().await).await else { return };
    let link = site.link().await;
    let (one, other) = join(site.confirm(&link, NEW), site.confirm(&link, "other-lives-1")).await;
    let (won, lost) = if one.status == 204 { (one, other) } else { (other, one) };
    won.expect(204);
    expect_bad(lost);
    expect_bad(site.confirm(&link, NEW).await);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_dies_with_a_login_a_new_password_another_address_and_in_an_hour(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(mut site) = Site::start(backend, MailServer::start().await).await else { return };
    let link = site.link().await;
    site.login(PASSWORD).await.expect(200);
    expect_bad(site.confirm(&link, NEW).await);

    let link = site.link().await;
    let body = json!({"old_password": PASSWORD, "new_password": "other-lives-1"});
    site.tom.post("/api/auth/password/change/", body).await.expect(204);
    expect_bad(site.confirm(&link, NEW).await);

    let link = site.link().await;
    site.tom.patch("/api/auth/me/", json!({"email": "new@example.org"})).await.expect(200);
    expect_bad(site.confirm(&link, NEW).await);
    site.tom.patch("/api/auth/me/", json!({"email": ADDRESS})).await.expect(200);

    let link = site.link().await;
    site.server.app.clock.advance(Duration::from_secs(3_600));
    expect_bad(site.confirm(&link, NEW).await);

    let link = site.link().await;
    site.server.deactivate(&site.tom).await;
    expect_bad(site.confirm(&link, NEW).await);
    site.login("other-lives-1").await.expect(401);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_errors_of_a_new_password_are_reported_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(mut site) = Site::start(backend, MailServer::start().await).await else { return };
    let (uid, token) = site.link().await;
    let anonymous = site.server.anonymous();
    let confirm = async |body: Value| anonymous.post(CONFIRM, body).await;
    let required = json!(["This field is required."]);
    confirm(json!({}))
        .await
        .expect_body(400, json!({"uid": required, "token": required, "new_password": required}));
    let short = "This password is too short. It must contain at least 8 characters.";
    let numeric = "This password is entirely numeric.";
    let common = "This password is too common.";
    confirm(json!({"uid": uid, "token": "nonsense", "new_password": "12345"})).await.expect_body(
        400,
        json!({
            "token": ["Invalid or expired token."], "new_password": [short, common, numeric],
        }),
    );
    // Without a valid link, the answer does not reveal what the password would be too similar to.
    let similar = "tom@example.org1";
    confirm(json!({"uid": uid, "token": "1-x", "new_password": similar}))
        .await
        .expect_fault("token", "Invalid or expired token.");
    confirm(json!({"uid": uid, "token": token, "new_password": similar}))
        .await
        .expect_fault("new_password", "The password is too similar to the email address.");
    for uid in ["", " ", "%", "LTE", "MA", "OTk5OTk5", "7", "MQ=="] {
        let body = json!({"uid": uid, "token": token, "new_password": NEW});
        let answer = confirm(body).await.expect(400);
        let field = if uid.trim().is_empty() { "uid" } else { "token" };
        assert!(answer.json[field].is_array(), "{uid:?}: {answer:?}");
    }
    site.confirm(&(uid, token), NEW).await.expect(204);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_does_not_reveal_whether_an_account_exists(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(mut site) = Site::start(backend, MailServer::start().await).await else { return };
    // A user whose username looks like an address, which is not the account's.
    let eve = site.server.anonymous().register("eve@example.org", PASSWORD).await;
    let gone = site.server.user("gone").await;
    gone.patch("/api/auth/me/", json!({"email": "gone@example.org"})).await.expect(200);
    site.server.deactivate(&gone).await;
    for email in ["nobody@example.org", &eve.username, "gone@example.org"] {
        let answer = site.request(email).await.expect(204);
        assert!(answer.text.is_empty());
    }
    site.request("rubbish").await.expect_fault("email", "Enter a valid email address.");
    site.link().await;
    assert!(site.mails.ready().is_none(), "nobody else got a mail");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_has_no_time_is_asked_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mails = MailServer::start_refusing(1).await;
    let Some(mut site) = Site::start(backend, mails).await else { return };
    let link = site.link().await;
    assert_eq!(site.mails.refused.load(Ordering::SeqCst), 1);
    site.confirm(&link, NEW).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobodys_mailbox_is_filled() {
    let mut mails = MailServer::start().await;
    let url = mails.url.clone();
    // Password attempts have a separate limit.
    let settings = [("EMAIL_URL", url.as_str()), ("THROTTLE", "on"), ("THROTTLE_LOGIN", "off")];
    let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
    server.app.clock.stop();
    let (tom, jerry) = (server.user("tom").await, server.user("jerry").await);
    for (name, user) in [("tom", &tom), ("jerry", &jerry)] {
        let email = format!("{name}@example.org");
        user.patch("/api/auth/me/", json!({"email": email})).await.expect(200);
    }
    let request = async |name: &str| {
        let body = json!({"email": format!("{name}@example.org")});
        server.anonymous().post(RESET, body).await.expect(204);
    };
    for _ in 0..12 {
        request("tom").await;
        assert_eq!(mails.next().await.to, "tom@example.org");
    }
    request("tom").await;
    request("jerry").await;
    assert_eq!(mails.next().await.to, "jerry@example.org");
    // The limit is per mailbox, whichever account contains the address.
    server.app.clock.advance(Duration::from_secs(60));
    tom.patch("/api/auth/me/", json!({"email": ""})).await.expect(200);
    assert!(mails.next().await.text.contains("Subject: Your e-mail address was changed"));
    let other = server.user("other").await;
    other.patch("/api/auth/me/", json!({"email": "TOM@example.org"})).await.expect(200);
    request("tom").await;
    request("jerry").await;
    assert_eq!(mails.next().await.to, "jerry@example.org");
    assert!(mails.ready().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_where_the_operator_says_not_where_the_request_does() {
    let own = "this node's own address";
    for (allowed, public, host, origin) in [
        ("*", "", "evil.example", own),
        ("*", "https://chat.example.org", "evil.example", "https://chat.example.org"),
        (".example.org,127.0.0.1", "", "evil.example.org", own),
        (
            ".example.org,chat.example.org,127.0.0.1",
            "",
            "Chat.example.org:81",
            "http://Chat.example.org:81",
        ),
    ] {
        let mut mails = MailServer::start().await;
        let url = mails.url.clone();
        let settings = [("ALLOWED_HOSTS", allowed), ("PUBLIC_URL", public), ("EMAIL_URL", &url)];
        let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
        let tom = server.user("tom").await;
        tom.patch("/api/auth/me/", json!({"email": ADDRESS})).await.expect(200);
        let request = server.anonymous().request(reqwest::Method::POST, RESET);
        let request = request.header("host", host).json(&json!({"email": ADDRESS}));
        Answer::of(request).await.expect(204);
        let origin = if origin == own { &server.base } else { origin };
        let text = mails.next().await.text;
        assert!(text.contains(&format!("{origin}/reset?uid=")), "{text}");
        assert!(!text.contains("evil"), "{text}");
    }
}
