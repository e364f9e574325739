//! Avatars: uploaded in a form, scaled down, and served to anybody who knows their name.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use image::{ImageFormat, Rgb, RgbImage};
use meowsenger::actions::stored_files;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::bucket::Bucket;
use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp, eventually};

const ME: &str = "/api/auth/me/";
pub const FORBIDDEN: &str = "You do not have permission to perform this action.";
const FORM: &str = "multipart/form-data; boundary=meow";
pub const NO_PICTURE: &str =
    "Upload a valid image. The file you uploaded was either not an image or a corrupted image.";
pub const NOT_A_FILE: &str =
    "The submitted data was not a file. Check the encoding type on the form.";

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(width, height, Rgb([200, 100, 50]));
    picture.write_to(&mut bytes, ImageFormat::Png).expect("written");
    bytes.into_inner()
}

/// A part of a form; a file if it has a file name.
pub fn part(name: &str, file_name: Option<&str>, content: impl AsRef<[u8]>) -> Vec<u8> {
    let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
    let head = format!("--meow\r\ncontent-disposition: form-data; name=\"{name}\"{file_name}");
    [head.as_bytes(), b"\r\n\r\n", content.as_ref(), b"\r\n"].concat()
}

pub fn file(content: impl AsRef<[u8]>) -> Vec<u8> {
    part("avatar", Some("cat.png"), content)
}

pub fn text(name: &str, content: &str) -> Vec<u8> {
    part(name, None, content)
}

pub async fn send(client: &Client, method: Method, path: &str, parts: &[Vec<u8>]) -> Answer {
    let body = [parts.concat(), b"--meow--\r\n".to_vec()].concat();
    client.raw(method, path, FORM, body).await
}

pub async fn patch_me(client: &Client, parts: &[Vec<u8>]) -> Answer {
    send(client, Method::PATCH, ME, parts).await
}

/// Uploads a user's avatar and returns its URL.
async fn set_picture(client: &Client) -> String {
    let answer = patch_me(client, &[file(png(8, 8))]).await.expect(200);
    answer.json["avatar"].as_str().expect("a URL").to_owned()
}

/// Waits until a file is removed, which happens after the answer.
pub async fn gone(client: &Client, url: &str) {
    let look = async || (client.get(url).await.status == 404).then_some(());
    eventually(Duration::from_secs(10), "the file is removed", look).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_made_small_and_given_to_anybody(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, anonymous) = (server.user("tom").await, server.anonymous());
    let answer = patch_me(&tom, &[file(png(1_024, 256))]).await.expect(200);
    let url = answer.json["avatar"].as_str().expect("a URL").to_owned();
    assert!(url.starts_with(&format!("{}/media/avatars/", server.base)), "{url}");

    let response = anonymous.request(Method::GET, &url).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox",
        ),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    let length = response.headers()["content-length"].clone();
    let picture = image::load_from_memory(&response.bytes().await.expect("a body"));
    let picture = picture.expect("a picture");
    assert_eq!((picture.width(), picture.height()), (512, 128));

    let head = anonymous.head(&url).await.expect(200);
    assert_eq!((&head.headers["content-length"], head.text.as_str()), (&length, ""));
    anonymous.get(&format!("{url}/")).await.expect(200);
    anonymous.post(&url, json!({})).await.expect(405);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_absolute_url_is_in_every_object_and_event(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("PUBLIC_URL", "https://chat.example.org")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let url = json!(set_picture(&tom).await);
    let public = url.as_str().is_some_and(|url| url.starts_with("https://chat.example.org/media/"));
    assert!(public, "{url}");

    let mut socket = Socket::open(&kitty).await;
    let chat = tom.private_chat(&kitty).await;
    assert_eq!(socket.next_of("chat.created").await["chat"]["peer"]["avatar"], url);
    let message = tom.say(chat, "meow").await;
    let event = socket.next_of("message.created").await;
    assert_eq!((&message["sender"]["avatar"], &event["message"], &url), (&url, &message, &url));
    let seen = kitty.get(&format!("/api/chats/{chat}/")).await.expect(200).json;
    for picture in ["/peer/avatar", "/created_by/avatar", "/last_message/sender/avatar"] {
        assert_eq!(seen.pointer(picture), Some(&url), "{picture}");
    }
    assert_eq!(kitty.get(&format!("/api/users/{}/", tom.id)).await.json["avatar"], url);
    assert!(kitty.get("/api/users/").await.column("avatar").contains(&url));
    assert_eq!(tom.get(ME).await.json["avatar"], url);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_is_replaced_or_removed_is_gone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let first = set_picture(&tom).await;
    let second = set_picture(&tom).await;
    assert_ne!(first, second);
    gone(&tom, &first).await;
    tom.get(&second).await.expect(200);

    // A request without the field keeps the avatar; so does an empty file field of a form.
    tom.patch(ME, json!({"first_name": "Tom"})).await.expect(200);
    let untouched = part("avatar", Some(""), "");
    assert_eq!(patch_me(&tom, &[untouched]).await.expect(200).json["avatar"], json!(second));

    let answer = tom.patch(ME, json!({"avatar": null})).await.expect(200);
    assert_eq!(answer.json["avatar"], Value::Null);
    gone(&tom, &second).await;
    let third = set_picture(&tom).await;
    let answer = patch_me(&tom, &[text("avatar", "")]).await.expect(200);
    assert_eq!(answer.json["avatar"], Value::Null);
    gone(&tom, &third).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pictures_of_accounts_and_chats_that_end_are_gone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut urls = vec![set_picture(&tom).await];
    for others in [&[&kitty][..], &[]] {
        let path = format!("/api/chats/{}/", tom.group(others).await);
        let chat = send(&tom, Method::PATCH, &path, &[file(png(8, 8))]).await.expect(200).json;
        urls.push(chat["avatar"].as_str().expect("a URL").to_owned());
        if !others.is_empty() {
            tom.delete(&path).await.expect(204);
            gone(&kitty, &urls[1]).await;
        }
    }
    // The group without other members is deleted together with the account.
    let password = json!({"password": PASSWORD});
    Answer::of(tom.request(Method::DELETE, ME).json(&password)).await.expect(204);
    for url in &urls {
        gone(&kitty, url).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_picture_is_reported_in_djangos_words(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let mut truncated = png(64, 64);
    truncated.truncate(100);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    for (parts, fault) in [
        (file(svg), NO_PICTURE),
        (file(truncated), NO_PICTURE),
        (file(""), "The submitted file is empty."),
        (text("avatar", "cat.png"), NOT_A_FILE),
    ] {
        patch_me(&tom, &[parts]).await.expect_fault("avatar", fault);
    }
    for value in [json!("cat.png"), json!(""), json!(7), json!({})] {
        tom.patch(ME, json!({"avatar": value})).await.expect_fault("avatar", NOT_A_FILE);
    }
    assert_eq!(tom.get(ME).await.json["avatar"], Value::Null);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_is_read_by_the_rules_of_forms(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (root, tom) = (server.user("root").await, server.user("tom").await);
    server.make_staff(&root, true).await;
    let path = format!("/api/users/{}/", tom.id);
    let parts = [
        text("username", "Thomas"),
        text("first_name", "no"),
        text("first_name", "Tôm"),
        text("is_staff", "on"),
        text("is_active", ""),
        file(png(8, 8)),
    ];
    let changed = send(&root, Method::PUT, &path, &parts).await.expect(200).json;
    assert_eq!((&changed["username"], &changed["first_name"]), (&json!("Thomas"), &json!("Tôm")));
    assert!(changed["avatar"].is_string(), "{changed}");
    assert_eq!(tom.get(ME).await.expect(200).json["is_staff"], json!(true));

    // All validation errors are reported at once.
    let parts = [
        text("username", &root.username),
        text("status", "asleep"),
        text("is_staff", "perhaps"),
        file("meow"),
    ];
    send(&root, Method::PUT, &path, &parts).await.expect_body(
        400,
        json!({
            "username": ["A user with that username already exists."],
            "status": ["\"asleep\" is not a valid choice."],
            "is_staff": ["Must be a valid boolean."],
            "avatar": [NO_PICTURE],
        }),
    );
    let answer = send(&root, Method::PUT, &path, &[file(png(8, 8))]).await;
    answer.expect_fault("username", "This field is required.");
    send(&root, Method::PATCH, &path, &[text("is_active", "false")]).await.expect(200);
    tom.get(ME).await.expect_bad_token();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_or_a_form_that_is_too_large_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("AVATAR_MAX_BYTES", "100000")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let mut picture = png(8, 8);
    picture.resize(100_000, 0);
    patch_me(&tom, &[file(&picture)]).await.expect(200);
    picture.push(0);
    patch_me(&tom, &[file(&picture)]).await.expect_detail(413, "The file is too large.");
    let answer = patch_me(&tom, &[file(vec![0; 1 << 20])]).await;
    answer.expect_detail(413, "The body is too large.");
    let answer = patch_me(&tom, &[text("first_name", &"x".repeat(1 << 17))]).await;
    answer.expect_detail(413, "The fields are larger than 128 KiB.");
    let answer = patch_me(&tom, &vec![text("x", ""); 1_001]).await;
    answer.expect_detail(400, "Too many fields.");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_none_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let cut = part("first_name", None, "Tom");
    for (kind, body) in [
        ("multipart/form-data", cut.clone()),
        (FORM, b"meow".to_vec()),
        (FORM, cut),
        ("multipart/form-data; boundary=other", part("first_name", None, "Tom")),
    ] {
        let answer = tom.raw(Method::PATCH, ME, kind, body).await.expect(400);
        let detail = answer.json["detail"].as_str().expect("a detail");
        assert!(detail.starts_with("Multipart form parse error - "), "{detail}");
    }
    // Permission is checked first.
    let (kitty, path) = (server.user("kitty").await, format!("/api/users/{}/", tom.id));
    send(&kitty, Method::PATCH, &path, &[file("meow")]).await.expect_detail(403, FORBIDDEN);
    kitty.raw(Method::PATCH, &path, FORM, "meow").await.expect_detail(403, FORBIDDEN);
    server.anonymous().raw(Method::PATCH, ME, FORM, "meow").await.expect_no_credentials();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_group_avatar_is_an_event_for_all_members(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, tiger) =
        (server.user("tom").await, server.user("kitty").await, server.user("tiger").await);
    let path = format!("/api/chats/{}/", tom.group(&[&kitty]).await);
    let mut socket = Socket::open(&kitty).await;

    let chat = send(&tom, Method::PATCH, &path, &[file(png(8, 8))]).await.expect(200).json;
    let event = socket.next_of("chat.updated").await;
    assert!(chat["avatar"].is_string(), "{chat}");
    assert_eq!((&event["avatar"], &event["version"]), (&chat["avatar"], &json!(2)));
    let first = chat["avatar"].as_str().expect("a URL").to_owned();
    kitty.get(&first).await.expect(200);

    // Name and avatar are one version; each new member is one.
    let (kitty_id, tiger_id) = (kitty.id.to_string(), tiger.id.to_string());
    let parts = [
        text("name", "Attic"),
        text("members", &kitty_id),
        text("members", &tiger_id),
        file(png(9, 9)),
    ];
    let chat = send(&tom, Method::PUT, &path, &parts).await.expect(200).json;
    assert_eq!((&chat["version"], &chat["members_count"]), (&json!(4), &json!(3)));
    assert_eq!(
        (&chat["name"], socket.next_of("chat.updated").await["name"].clone()),
        (&json!("Attic"), json!("Attic"))
    );
    gone(&tom, &first).await;

    for version in [5, 5] {
        let chat = tom.patch(&path, json!({"avatar": null})).await.expect(200).json;
        assert_eq!((&chat["avatar"], &chat["version"]), (&Value::Null, &json!(version)));
    }
    assert_eq!(socket.next_of("chat.updated").await["avatar"], Value::Null);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_s_picture_is_for_those_who_manage_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, tiger) =
        (server.user("tom").await, server.user("kitty").await, server.user("tiger").await);
    let group = format!("/api/chats/{}/", tom.group(&[&kitty]).await);
    let private = format!("/api/chats/{}/", tom.private_chat(&kitty).await);
    let parts = [file("no picture")];
    send(&kitty, Method::PATCH, &group, &parts).await.expect_detail(403, FORBIDDEN);
    send(&kitty, Method::PATCH, &private, &parts).await.expect_detail(403, FORBIDDEN);
    send(&tiger, Method::PATCH, &group, &parts).await.expect_not_found();
    send(&tom, Method::PATCH, &group, &parts).await.expect_fault("avatar", NO_PICTURE);
    let body = json!({"name": "", "avatar": "cat.png"});
    let faults = json!({"name": ["This field may not be blank."], "avatar": [NOT_A_FILE]});
    tom.put(&group, body).await.expect_body(400, faults);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_pictures_is_given(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    for name in [
        "0123456789abcdef0123456789abcdef.jpg",
        "..%2F..%2Fsecret_key",
        "..%2Fx",
        "%2e%2e",
        "%ff.jpg",
        "x.svg",
        "",
    ] {
        anonymous.get(&format!("/media/avatars/{name}")).await.expect_not_found();
    }
    for path in ["/media/", "/media", "/media/secret_key"] {
        anonymous.get(path).await.expect_not_found();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_nobodys_are_swept(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, app) = (server.user("tom").await, &server.app);
    let used = set_picture(&tom).await;
    let path = "avatars/0123456789abcdef0123456789abcdef.png";
    app.media.files.put(path, b"meow".to_vec()).await.expect("kept");
    let orphan = format!("/media/{path}");

    let sweep = async |unreferenced: &Arc<stored_files::Unreferenced>| {
        stored_files::sweep(app.clone(), Arc::clone(unreferenced)).await.expect("swept");
    };
    let unreferenced = Arc::default();
    sweep(&unreferenced).await;
    tom.get(&orphan).await.expect(200);
    app.clock.advance(Duration::from_secs(3_600));
    sweep(&Arc::default()).await;
    tom.get(&orphan).await.expect(200);
    sweep(&unreferenced).await;
    tom.get(&orphan).await.expect_not_found();
    tom.get(&used).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_can_be_kept_in_a_bucket(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let bucket = Bucket::start().await;
    let settings = [("MEDIA_URL", bucket.url.as_str())];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let first = set_picture(&tom).await;
    let name = first.rsplit('/').next().expect("a name");
    assert_eq!(bucket.keys(), [format!("pictures/avatars/{name}")]);
    tom.get(&first).await.expect(200);
    set_picture(&tom).await;
    gone(&tom, &first).await;
    assert_eq!(bucket.keys().len(), 1);

    let orphan = "avatars/0123456789abcdef0123456789abcdef.png";
    server.app.media.files.put(orphan, b"meow".to_vec()).await.expect("kept");
    let unreferenced = Arc::default();
    stored_files::sweep(server.app.clone(), Arc::clone(&unreferenced)).await.expect("swept");
    server.app.clock.advance(Duration::from_secs(3_600));
    stored_files::sweep(server.app.clone(), unreferenced).await.expect("swept");
    assert_eq!(bucket.keys().len(), 1, "the orphan is gone, the other is used");
}
