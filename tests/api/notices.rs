//! Mails to an account's owner about changes that somebody else may have made.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, MailServer, PASSWORD, TestApp};

const ME: &str = "/api/auth/me/";
const CHANGE: &str = "/api/auth/password/change/";
const RESET: &str = "/api/auth/password/reset/";
const CONFIRM: &str = "/api/auth/password/reset/confirm/";
const OLD: &str = "tom@example.org";

/// A server with a mail server, and a user with an address.
async fn start(
    backend: Backend,
    settings: &[(&str, &str)],
) -> Option<(TestApp, MailServer, Client)> {
    let mails = MailServer::start().await;
    let settings = [&[("EMAIL_URL", mails.url.as_str())], settings].concat();
    let server = TestApp::start_with(backend, &settings).await?;
    server.app.clock.stop();
    let body = json!({"username": "tom", "email": OLD, "password": PASSWORD});
    let session = server.anonymous().post("/api/auth/register/", body).await.expect(201).json;
    let tom = server.anonymous().with_session(&session);
    Some((server, mails, tom))
}

/// Asserts that the next mail is a notice of this kind to this address, without a link.
async fn expect_notice(mails: &mut MailServer, to: &str, subject: &str) {
    let mail = mails.next().await;
    assert_eq!(mail.to, to);
    assert!(mail.text.contains(&format!("Subject: {subject}\r\n")), "{}", mail.text);
    assert!(mail.text.contains("the account tom"), "{}", mail.text);
    assert!(!mail.text.contains("http") && !mail.text.contains("token="), "{}", mail.text);
}

const PASSWORD_CHANGED: &str = "Your password was changed";
const EMAIL_CHANGED: &str = "Your e-mail address was changed";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_previous_address_is_notified_of_changes_that_lock_its_owner_out(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some((server, mut mails, tom)) = start(backend, &[]).await else { return };
    let staff = server.user("staff").await;
    server.make_staff(&staff, false).await;
    let to = |email: &str| json!({"email": email});

    tom.patch(ME, to("new@example.org")).await.expect(200);
    expect_notice(&mut mails, OLD, EMAIL_CHANGED).await;
    // The same address in another case, or sent again, is not a change.
    tom.patch(ME, to("NEW@example.org")).await.expect(200);
    tom.patch(ME, json!({"email": "NEW@example.org", "first_name": "Tom"})).await.expect(200);
    staff.patch(&format!("/api/users/{}/", tom.id), to("theirs@example.org")).await.expect(200);
    expect_notice(&mut mails, "NEW@example.org", EMAIL_CHANGED).await;
    tom.patch(ME, to("")).await.expect(200);
    expect_notice(&mut mails, "theirs@example.org", EMAIL_CHANGED).await;
    // There is no address to send to.
    tom.patch(ME, to(OLD)).await.expect(200);

    let change = |old: &str, new: &str| json!({"old_password": old, "new_password": new});
    tom.post(CHANGE, change("wrong", "ten-lives-2027")).await.expect(400);
    tom.post(CHANGE, change(PASSWORD, "ten-lives-2027")).await.expect(204);
    expect_notice(&mut mails, OLD, PASSWORD_CHANGED).await;
    tom.post(RESET, to(OLD)).await.expect(204);
    let (uid, token) = mails.next().await.link();
    let body = json!({"uid": uid, "token": token, "new_password": "more-lives-2028"});
    tom.post(CONFIRM, body.clone()).await.expect(204);
    expect_notice(&mut mails, OLD, PASSWORD_CHANGED).await;
    tom.post(CONFIRM, body).await.expect(400);
    assert!(mails.ready().is_none());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_fill_no_mailbox_and_take_nothing_from_reset_links(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("THROTTLE", "on"), ("THROTTLE_REGISTER", "off"), ("THROTTLE_LOGIN", "off")];
    let Some((server, mut mails, tom)) = start(backend, &settings).await else { return };
    let change = async |email: &str| {
        tom.patch(ME, json!({"email": email})).await.expect(200);
    };
    for _ in 0..12 {
        change("").await;
        expect_notice(&mut mails, OLD, EMAIL_CHANGED).await;
        change(OLD).await;
    }
    change("").await;
    change(OLD).await;
    tom.post(RESET, json!({"email": OLD})).await.expect(204);
    mails.next().await.link();
    drop(server);
    assert!(mails.ready().is_none());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_is_away_holds_up_no_change(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("EMAIL_URL", "smtp://127.0.0.1:1")];
    let Some((_server, _, tom)) = start(backend, &settings).await else { return };
    tom.patch(ME, json!({"email": "new@example.org"})).await.expect(200);
    let me: Value = tom.get(ME).await.expect(200).json;
    assert_eq!(me["email"], "new@example.org");
}
