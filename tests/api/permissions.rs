//! Permissions: every call of the OpenAPI document, by every role, with a valid body, as one table to
//! read. Other tests check the content of the answers.

use std::collections::BTreeSet;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::attachments;
use crate::avatars::png;
use crate::support::openapi::{calls, check, document};
use crate::support::scene::{Cast, Of, Place, Scene, Who, actor};
use crate::support::{Answer, Backend, Client, MailServer, PASSWORD, TestApp};
use Of::{Admin, Another, Own, Owner, Superuser};

/// A call, its variant, the owner of its object, and a valid body; `null` for none. An avatar is always
/// replaced by the same picture.
type Row = (&'static str, &'static str, Of, fn(&Scene<'_>) -> Value);

const NONE: fn(&Scene<'_>) -> Value = |_| Value::Null;

/// Calls that change the caller: each is made by a new user.
const SPOILING: &[&str] = &[
    "POST /api/auth/refresh/",
    "POST /api/auth/logout/",
    "DELETE /api/auth/me/",
    "POST /api/auth/password/change/",
    "POST /api/auth/password/reset/confirm/",
    "DELETE /api/auth/sessions/{id}/",
];

/// Calls without a chat.
const ANYWHERE: &[Row] = &[
    (
        "POST /api/auth/register/",
        "",
        Own,
        |s| json!({"username": format!("new{}", s.number), "password": PASSWORD}),
    ),
    (
        "POST /api/auth/login/",
        "",
        Own,
        |s| json!({"username": s.me.username, "password": PASSWORD}),
    ),
    ("POST /api/auth/refresh/", "", Own, |s| json!({"refresh": s.me.refresh})),
    ("POST /api/auth/verify/", "", Own, |s| json!({"token": s.me.refresh})),
    (
        "POST /api/auth/password/reset/",
        "",
        Own,
        |s| json!({"email": format!("{}@example.org", s.me.username)}),
    ),
    ("POST /api/auth/password/reset/confirm/", "", Own, |s| {
        let (uid, token) = s.link.as_ref().expect("a link");
        json!({"uid": uid, "token": token, "new_password": "ten-lives-2027"})
    }),
    ("POST /api/auth/logout/", "", Own, NONE),
    ("GET /api/auth/me/", "", Own, NONE),
    ("PUT /api/auth/me/", "", Own, |s| json!({"username": s.me.username})),
    ("PATCH /api/auth/me/", "", Own, |_| json!({"first_name": "Tom"})),
    ("DELETE /api/auth/me/", "", Own, |_| json!({"password": PASSWORD})),
    ("PUT /api/auth/me/avatar/", "", Own, NONE),
    ("DELETE /api/auth/me/avatar/", "", Own, NONE),
    (
        "POST /api/auth/password/change/",
        "",
        Own,
        |_| json!({"old_password": PASSWORD, "new_password": "ten-lives-2027"}),
    ),
    ("GET /api/auth/sessions/", "", Own, NONE),
    ("DELETE /api/auth/sessions/", "", Own, NONE),
    ("DELETE /api/auth/sessions/{id}/", "one's own", Own, NONE),
    ("DELETE /api/auth/sessions/{id}/", "another's", Another, NONE),
    ("POST /api/auth/ws-ticket/", "", Own, NONE),
    ("GET /api/schema/", "", Own, NONE),
    ("GET /api/schema/socket/", "", Own, NONE),
    ("GET /api/users/", "", Own, NONE),
    ("GET /api/users/search/?q=tom", "", Own, NONE),
    ("GET /api/messages/search/?q=meow", "", Own, NONE),
    ("GET /api/users/{id}/", "one's own", Own, NONE),
    ("GET /api/users/{id}/", "another's", Another, NONE),
    ("PUT /api/users/{id}/", "one's own", Own, |s| json!({"username": s.me.username})),
    ("PUT /api/users/{id}/", "another's", Another, |s| json!({"username": s.cast.other.username})),
    (
        "PUT /api/users/{id}/",
        "a superuser's",
        Superuser,
        |s| json!({"username": format!("super{}", s.number)}),
    ),
    ("PATCH /api/users/{id}/", "one's own", Own, |_| json!({"last_name": "Cat"})),
    ("PATCH /api/users/{id}/", "another's", Another, |_| json!({"last_name": "Cat"})),
    ("PATCH /api/users/{id}/", "a superuser's", Superuser, |_| json!({"last_name": "Cat"})),
    ("PUT /api/users/{id}/avatar/", "one's own", Own, NONE),
    ("PUT /api/users/{id}/avatar/", "another's", Another, NONE),
    ("PUT /api/users/{id}/avatar/", "a superuser's", Superuser, NONE),
    ("DELETE /api/users/{id}/avatar/", "one's own", Own, NONE),
    ("DELETE /api/users/{id}/avatar/", "another's", Another, NONE),
    ("DELETE /api/users/{id}/avatar/", "a superuser's", Superuser, NONE),
    ("GET /api/blocks/", "", Own, NONE),
    ("PUT /api/blocks/{user_id}/", "another's", Another, NONE),
    ("DELETE /api/blocks/{user_id}/", "another's", Another, NONE),
    ("GET /api/chats/", "", Own, NONE),
    ("GET /api/chats/unread/", "", Own, NONE),
    (
        "POST /api/chats/",
        "",
        Own,
        |s| json!({"type": "group", "name": "Roof", "members": [s.cast.other.id]}),
    ),
    ("GET /api/reports/", "", Own, NONE),
    ("POST /api/reports/", "a user", Own, |s| json!({"user": s.cast.other.id, "reason": "spam"})),
    ("PATCH /api/reports/{id}/", "", Another, |_| json!({"status": "dismissed"})),
    ("POST /api/sync/", "", Own, |_| json!({"versions": {}})),
    ("POST /api/attachments/", "", Own, NONE),
    ("GET /api/attachments/{id}/", "one's own", Own, NONE),
    ("GET /api/attachments/{id}/", "another's", Another, NONE),
    ("GET /api/attachments/{id}/thumbnail/", "one's own", Own, NONE),
    ("GET /api/attachments/{id}/thumbnail/", "another's", Another, NONE),
    ("DELETE /api/attachments/{id}/", "one's own", Own, NONE),
    ("DELETE /api/attachments/{id}/", "another's", Another, NONE),
    ("POST /api/attachments/links/", "", Own, |_| json!({"attachments": [1]})),
];

/// Calls with a chat, made in a group and in a private chat.
const IN_A_CHAT: &[Row] = &[
    ("GET /api/chats/{id}/", "", Own, NONE),
    ("PUT /api/chats/{id}/", "", Own, |_| json!({"name": "Roof"})),
    ("PATCH /api/chats/{id}/", "", Own, |_| json!({"description": "High up"})),
    ("DELETE /api/chats/{id}/", "", Own, NONE),
    ("PUT /api/chats/{id}/avatar/", "", Own, NONE),
    ("DELETE /api/chats/{id}/avatar/", "", Own, NONE),
    ("GET /api/chats/{id}/settings/", "", Own, NONE),
    ("PUT /api/chats/{id}/settings/", "", Own, |_| json!({"pinned": true})),
    ("PATCH /api/chats/{id}/settings/", "", Own, |_| json!({"muted_until": "forever"})),
    ("GET /api/chats/{id}/invites/", "", Own, NONE),
    ("POST /api/chats/{id}/invites/", "", Own, |_| json!({"max_uses": 3})),
    ("GET /api/chats/{id}/members/", "", Own, NONE),
    ("POST /api/chats/{id}/members/", "", Own, |s| json!({"user": s.cast.newcomer.id})),
    ("GET /api/chats/{id}/members/{user_id}/", "another's", Another, NONE),
    ("PUT /api/chats/{id}/members/{user_id}/", "another's", Another, |_| json!({"role": "admin"})),
    (
        "PATCH /api/chats/{id}/members/{user_id}/",
        "another's",
        Another,
        |_| json!({"role": "admin"}),
    ),
    ("DELETE /api/chats/{id}/members/{user_id}/", "one's own", Own, NONE),
    ("DELETE /api/chats/{id}/members/{user_id}/", "another's", Another, NONE),
    ("GET /api/chats/{id}/messages/", "", Own, NONE),
    ("POST /api/chats/{id}/messages/", "", Own, |_| json!({"content": "meow"})),
    ("POST /api/chats/{id}/read/", "", Own, |_| json!({"seq": 1})),
    ("GET /api/messages/{id}/", "one's own", Own, NONE),
    ("GET /api/messages/{id}/", "another's", Another, NONE),
    ("PUT /api/messages/{id}/", "one's own", Own, |_| json!({"content": "purr"})),
    ("PUT /api/messages/{id}/", "another's", Another, |_| json!({"content": "purr"})),
    ("PATCH /api/messages/{id}/", "one's own", Own, |_| json!({"content": "purr"})),
    ("PATCH /api/messages/{id}/", "another's", Another, |_| json!({"content": "purr"})),
    ("DELETE /api/messages/{id}/", "one's own", Own, NONE),
    ("DELETE /api/messages/{id}/", "another's", Another, NONE),
    ("GET /api/messages/{id}/receipts/", "one's own", Own, NONE),
    ("GET /api/messages/{id}/receipts/", "another's", Another, NONE),
    ("POST /api/messages/{id}/forward/", "", Another, |s| json!({"chats": [s.chat]})),
    ("GET /api/chats/{id}/pins/", "", Own, NONE),
    ("PUT /api/messages/{id}/pin/", "", Another, NONE),
    ("DELETE /api/messages/{id}/pin/", "", Another, NONE),
    ("GET /api/messages/{id}/reactions/", "", Another, NONE),
    ("PUT /api/messages/{id}/reactions/{emoji}/", "", Another, NONE),
    ("DELETE /api/messages/{id}/reactions/{emoji}/", "", Another, NONE),
];

/// Calls that only groups have.
const IN_A_GROUP: &[Row] = &[
    ("DELETE /api/chats/{id}/invites/{code}/", "", Own, NONE),
    ("GET /api/invites/{code}/", "", Own, NONE),
    ("POST /api/invites/{code}/accept/", "", Own, NONE),
    (
        "PATCH /api/chats/{id}/",
        "without a member",
        Own,
        |s| json!({"members": s.all_but(&s.cast.other)}),
    ),
    (
        "PATCH /api/chats/{id}/",
        "without an admin",
        Own,
        |s| json!({"members": s.all_but(&s.cast.other_admin)}),
    ),
    (
        "PATCH /api/chats/{id}/",
        "without the owner",
        Own,
        |s| json!({"members": s.all_but(s.cast.owner())}),
    ),
    (
        "POST /api/chats/{id}/members/",
        "as admin",
        Own,
        |s| json!({"user": s.cast.newcomer.id, "role": "admin"}),
    ),
    ("POST /api/chats/{id}/members/", "who is in", Own, |s| json!({"user": s.cast.other.id})),
    (MEMBER_PUT, "to owner", Another, |_| json!({"role": "owner"})),
    (MEMBER_PUT, "an admin's", Admin, |_| json!({"role": "member"})),
    (MEMBER_PUT, "the owner's", Owner, |_| json!({"role": "owner"})),
    ("DELETE /api/chats/{id}/members/{user_id}/", "an admin's", Admin, NONE),
    ("DELETE /api/chats/{id}/members/{user_id}/", "the owner's", Owner, NONE),
];

const MEMBER_PUT: &str = "PUT /api/chats/{id}/members/{user_id}/";

/// The outcome as the snapshot shows it; `-` if there is no such user.
const LEGEND: &str = "\
Staff and superuser are no members, ex-member was one of the group; private chats have neither
owner nor admins. In a private chat, blocked and blocker are blocked by the other user, or block them;
elsewhere they do not take part.
";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_do_what(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let mut mails = MailServer::start().await;
    let settings = [("EMAIL_URL", mails.url.as_str())];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let cast = Cast::of(&server).await;
    let document = document();
    let mut table = LEGEND.to_owned();
    let mut asked = BTreeSet::new();
    for (title, place, rows) in [
        ("Anywhere", Place::Anywhere, [ANYWHERE, &[]]),
        ("In a group", Place::Group, [IN_A_CHAT, IN_A_GROUP]),
        ("In a private chat", Place::Private, [IN_A_CHAT, &[]]),
    ] {
        let names = Who::ALL.map(|who| format!("{:>10}", format!("{who:?}").to_lowercase()));
        table += &format!("\n{title:<63}{}\n", names.concat());
        for (call, note, of, body) in rows.concat() {
            let (method, url) = call.split_once(' ').expect("a method and a path");
            let path = url.split('?').next().expect("a path");
            let method = method.to_lowercase();
            table += &format!("{:<63}", format!("{call} {note}"));
            for who in Who::ALL {
                let newly = SPOILING.contains(&call);
                let me = if newly { Some(actor(&server, who).await) } else { None };
                let cell = match cast.play(&server, who, place, (of, path), me).await {
                    None => "-".to_owned(),
                    Some(mut scene) => {
                        if path.ends_with("/reset/confirm/") {
                            scene.link = Some(link(&server, &mut mails, &scene.me).await);
                        }
                        let answer = ask(&scene, &method, url, body(&scene)).await;
                        check(&document, &method, path, &answer);
                        answer.status.as_str().to_owned()
                    }
                };
                table += &format!("{cell:>10}");
            }
            table.push('\n');
            asked.insert((path.to_owned(), method));
        }
    }
    insta::assert_snapshot!("permissions", table);
    let documented = calls(&document);
    let documented = documented.map(|(path, method, _)| (path.to_owned(), method.to_owned()));
    assert_eq!(asked, documented.collect(), "a call without a row, or a row without a call");
}

/// One cell. A refusal has the right text, and no validation errors.
async fn ask(scene: &Scene<'_>, method: &str, path: &str, body: Value) -> Answer {
    let id = if path.starts_with("/api/chats/") { scene.chat } else { scene.subject };
    let path = path.replace("{id}", &id.to_string());
    let path = path.replace("{user_id}", &scene.subject.to_string()).replace("{emoji}", "🐈");
    let path = path.replace("{code}", &scene.code);
    let method: Method = method.to_uppercase().parse().expect("a method");
    let is_picture = method == Method::PUT && path.ends_with("/avatar/");
    let is_upload = method == Method::POST && path.ends_with("/attachments/");
    let request = scene.me.request(method, &path);
    let request = match body {
        Value::Null if is_upload => {
            request.header("content-type", attachments::FORM).body(attachments::form("a", b"meow"))
        }
        Value::Null if is_picture => request.header("content-type", "image/png").body(png(8, 8)),
        Value::Null => request,
        body => request.json(&body),
    };
    let answer = Answer::of(request).await;
    match answer.status.as_u16() {
        200 | 201 | 204 => answer,
        401 => answer.expect_no_credentials(),
        403 if answer.json["detail"] == "You cannot message this user." => answer,
        403 => answer.expect_detail(403, "You do not have permission to perform this action."),
        404 => answer.expect_not_found(),
        _ => panic!("{path}: {answer:?}"),
    }
}

/// The content of the mail that was just requested.
async fn link(server: &TestApp, mails: &mut MailServer, me: &Client) -> (String, String) {
    let email = format!("{}@example.org", me.username);
    let path = "/api/auth/password/reset/";
    server.anonymous().post(path, json!({"email": email})).await.expect(204);
    loop {
        let mail = mails.next().await;
        if mail.to == email {
            return mail.link();
        }
    }
}
