//! `…/avatar/`: the picture as a resource of its own, of an account, a user and a chat.

use reqwest::{Body, Method};
use rstest::rstest;
use serde_json::{Value, json};

use crate::avatars::{FORBIDDEN, NO_PICTURE, NOT_A_FILE, file, gone, part, png, send, text};
use crate::support::{Answer, Backend, Client, Socket, TestApp};

const MINE: &str = "/api/auth/me/avatar/";
const NO_FILE: &str = "No file was submitted.";

async fn put(client: &Client, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
    client.raw(Method::PUT, path, kind, body).await
}

fn of_user(user: &Client) -> String {
    format!("/api/users/{}/avatar/", user.id)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_replaced_by_a_form_or_by_its_bytes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let group = format!("/api/chats/{}/", tom.group(&[]).await);
    for (object, path) in [
        ("/api/auth/me/", MINE.to_owned()),
        ("/api/auth/me/", of_user(&tom)),
        (group.as_str(), format!("{group}avatar/")),
    ] {
        let mut last = Value::Null;
        let mut changed = async |answer: Answer| {
            let shown = answer.expect(200).json;
            assert_eq!(shown, tom.get(object).await.json, "as PUT of the object answers");
            let url = shown["avatar"].as_str().expect("a URL").to_owned();
            tom.get(&url).await.expect(200);
            assert_ne!(shown["avatar"], last);
            if let Some(before) = last.as_str() {
                gone(&tom, before).await;
            }
            last = shown["avatar"].clone();
        };
        changed(send(&tom, Method::PUT, &path, &[text("x", "y"), file(png(8, 8))]).await).await;
        for kind in ["image/png", "image/jpeg", "IMAGE/x-unknown; q=1", "image/*"] {
            changed(put(&tom, &path, kind, png(9, 9)).await).await;
        }
        // Without a length, and without the slash at the end.
        let whole = png(10, 10);
        let pieces = whole.chunks(16).map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
        let pieces: Vec<_> = pieces.collect();
        let stream = Body::wrap_stream(futures_util::stream::iter(pieces));
        changed(put(&tom, path.trim_end_matches('/'), "image/png", stream).await).await;

        for _ in 0..2 {
            let shown = tom.delete(&path).await.expect(200).json;
            assert_eq!(shown["avatar"], Value::Null);
            assert_eq!(shown, tom.get(object).await.json);
        }
        gone(&tom, last.as_str().expect("a URL")).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_picture_is_refused_and_changes_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("AVATAR_MAX_BYTES", "100000")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let group = format!("/api/chats/{}/avatar/", tom.group(&[]).await);
    for path in [MINE.to_owned(), of_user(&tom), group] {
        let before = send(&tom, Method::PUT, &path, &[file(png(8, 8))]).await.expect(200).json;
        let untouched = part("avatar", Some(""), "");
        for (parts, fault) in [
            (vec![], NO_FILE),
            (vec![text("picture", "x")], NO_FILE),
            (vec![untouched], NO_FILE),
            (vec![text("avatar", "")], NO_FILE),
            (vec![text("avatar", "cat.png")], NOT_A_FILE),
            (vec![file("")], "The submitted file is empty."),
            (vec![file("meow")], NO_PICTURE),
        ] {
            send(&tom, Method::PUT, &path, &parts).await.expect_fault("avatar", fault);
        }
        for (body, fault) in [("", "The submitted file is empty."), ("meow", NO_PICTURE)] {
            put(&tom, &path, "image/png", body).await.expect_fault("avatar", fault);
        }
        Answer::of(tom.request(Method::PUT, &path)).await.expect_fault("avatar", NO_FILE);
        for (kind, body) in [
            ("application/json", "{\"avatar\": null}"),
            ("application/octet-stream", "meow"),
            ("text/plain", "meow"),
            ("image", "meow"),
        ] {
            let detail = format!("Unsupported media type \"{kind}\" in request.");
            put(&tom, &path, kind, body).await.expect_detail(415, &detail);
        }
        let mut large = png(8, 8);
        large.resize(100_000, 0);
        put(&tom, &path, "image/png", large.clone()).await.expect(200);
        large.push(0);
        let too_large = "The file is too large.";
        put(&tom, &path, "image/png", large.clone()).await.expect_detail(413, too_large);
        send(&tom, Method::PUT, &path, &[file(large)]).await.expect_detail(413, too_large);
        put(&tom, &path, "multipart/form-data", "meow").await.expect(400);
        for method in [Method::GET, Method::POST, Method::PATCH, Method::HEAD] {
            let answer = Answer::of(tom.request(method.clone(), &path)).await.expect(405);
            assert_eq!(answer.header("allow"), Some("PUT, DELETE, OPTIONS"), "{method}");
        }
        let answer = tom.options(&path).await.expect(200);
        assert_eq!(answer.header("allow"), Some("PUT, DELETE, OPTIONS"));
        let after = tom.delete(&path).await.expect(200).json;
        if let Some(version) = before["version"].as_i64() {
            assert_eq!(after["version"], json!(version + 2), "replaced once more, and removed");
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_come_before_the_picture_and_are_those_of_the_object(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, root) =
        (server.user("tom").await, server.user("kitty").await, server.user("root").await);
    server.make_staff(&root, false).await;
    let group = format!("/api/chats/{}/avatar/", tom.group(&[&kitty]).await);
    let private = format!("/api/chats/{}/avatar/", tom.private_chat(&kitty).await);
    let (unknown, own) = ("/api/users/999999/avatar/", of_user(&tom));
    for (client, path, status) in [
        (&kitty, own.as_str(), 403),
        (&kitty, unknown, 404),
        (&root, unknown, 404),
        (&kitty, &group, 403),
        (&kitty, &private, 403),
        (&root, &private, 404),
        (&root, &group, 404),
        (&server.anonymous(), MINE, 401),
        (&server.anonymous(), &own, 401),
    ] {
        for (kind, body) in [("image/png", "meow"), ("text/plain", "meow"), ("image/png", "")] {
            let answer = put(client, path, kind, body).await.expect(status);
            assert!(status != 403 || answer.json["detail"] == FORBIDDEN, "{answer:?}");
        }
        client.delete(path).await.expect(status);
    }
    let shown = put(&root, &own, "image/png", png(8, 8)).await.expect(200).json;
    assert!(shown["avatar"].is_string() && shown.get("email").is_none(), "{shown}");
    assert_eq!(root.delete(&own).await.expect(200).json["avatar"], Value::Null);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_picture_is_one_event_and_none_where_nothing_changed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    tom.private_chat(&kitty).await;
    let path = format!("/api/chats/{chat}/avatar/");
    let mut own = Socket::open(&tom).await.loud();
    let mut other = Socket::open(&kitty).await.loud();

    // Removing what is not there is no change: the next event is the picture.
    tom.delete(&path).await.expect(200);
    let shown = put(&tom, &path, "image/png", png(8, 8)).await.expect(200).json;
    let event = other.next_of("chat.updated").await;
    assert_eq!((&event["avatar"], &event["version"]), (&shown["avatar"], &json!(2)));
    tom.delete(&path).await.expect(200);
    let event = other.next_of("chat.updated").await;
    assert_eq!((&event["avatar"], &event["version"]), (&Value::Null, &json!(3)));

    tom.delete(MINE).await.expect(200);
    let shown = put(&tom, MINE, "image/png", png(8, 8)).await.expect(200).json;
    let event = other.next_of("user.updated").await;
    assert_eq!(event["user"]["avatar"], shown["avatar"]);
    let event = own.next_of("user.updated").await;
    assert_eq!((&event["user"]["avatar"], &event["account"]), (&shown["avatar"], &json!(1)));
    tom.delete(MINE).await.expect(200);
    let event = own.next_of("user.updated").await;
    assert_eq!((&event["user"]["avatar"], &event["account"]), (&Value::Null, &json!(2)));
}
