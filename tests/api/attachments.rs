//! Attachments before they are sent: uploading, reading and deleting them, what they are taken for, and their limits.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use image::{ImageFormat, Rgb, RgbImage};
use meowsenger::actions::{attachments, stored_files};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, TestApp, eventually};

pub const UPLOADS: &str = "/api/attachments/";
pub const FORM: &str = "multipart/form-data; boundary=meow";
const MIB: usize = 1 << 20;

pub fn form(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--meow\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n--meow--\r\n"].concat()
}

pub async fn try_upload(client: &Client, name: &str, content: &[u8]) -> Answer {
    client.raw(Method::POST, UPLOADS, FORM, form(name, content)).await
}

/// Uploads a file. Returns the attachment.
pub async fn upload(client: &Client, name: &str, content: &[u8]) -> Value {
    try_upload(client, name, content).await.expect(201).json
}

pub fn id(attachment: &Value) -> i64 {
    attachment["id"].as_i64().expect("an id")
}

pub fn path(attachment: &Value) -> String {
    format!("{UPLOADS}{}/", id(attachment))
}

/// The bytes of an answer of any status.
pub async fn bytes(client: &Client, path: &str, headers: &[(&str, &str)]) -> (u16, Vec<u8>) {
    let request = client.request(Method::GET, path);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
}

pub fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(width, height, Rgb([200, 100, 50]));
    picture.write_to(&mut bytes, format).expect("written");
    bytes.into_inner()
}

/// All stored files of attachments.
pub fn stored(server: &TestApp) -> Vec<String> {
    let mut found = Vec::new();
    let root = std::path::Path::new(&server.variables["DATA_DIR"]).join("media");
    let mut folders = vec![root.join("attachments")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => found
                    .push(entry.path().strip_prefix(&root).expect("below").display().to_string()),
            }
        }
    }
    found.sort();
    found
}

/// Waits until this many files are stored: they are removed after the answer.
pub async fn left(server: &TestApp, count: usize) {
    let look = async || (stored(server).len() == count).then_some(());
    eventually(Duration::from_secs(10), "the files are removed", look).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_what_was_sent_and_for_its_owner_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let content: Vec<u8> = (0..3 * MIB + 7).map(|index| (index * 31 % 251) as u8).collect();
    let sent = upload(&tom, "C:\\tmp\\кот.bin", &content).await;
    let place = path(&sent);
    let expected = json!({
        "id": sent["id"], "name": "кот.bin", "content_type": "application/octet-stream",
        "size": content.len(), "width": null, "height": null, "has_thumbnail": false,
        "url": format!("{}{place}", server.base), "created_at": sent["created_at"],
    });
    assert_eq!(sent, expected);

    let answer = tom.head(&place).await.expect(200);
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-length", &content.len().to_string()),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        (
            "content-disposition",
            "attachment; filename=\"___.bin\"; filename*=UTF-8''%D0%BA%D0%BE%D1%82.bin",
        ),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(bytes(&tom, &place, &[("accept-encoding", "gzip")]).await, (200, content));
    for stranger in [&kitty, &server.anonymous()] {
        let status = if stranger.id == 0 { 401 } else { 404 };
        stranger.get(&place).await.expect(status);
        stranger.delete(&place).await.expect(status);
    }
    tom.get(&format!("{place}thumbnail/")).await.expect_not_found();
    let key = stored(&server).pop().expect("a file");
    tom.get(&format!("/media/{key}")).await.expect(404);

    assert_eq!(tom.delete(&place).await.expect(204).text, "");
    tom.get(&place).await.expect_not_found();
    tom.delete(&place).await.expect_not_found();
    left(&server, 0).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_and_conditions_are_kept(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let sent = upload(&tom, "a.txt", b"0123456789").await;
    let place = path(&sent);
    let tag = tom.head(&place).await.header("etag").expect("a tag").to_owned();
    for (range, status, content) in [
        ("bytes=2-4", 206, &b"234"[..]),
        ("bytes=-3", 206, b"789"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
    ] {
        assert_eq!(
            bytes(&tom, &place, &[("range", range)]).await,
            (status, content.to_vec()),
            "{range}"
        );
    }
    let part =
        tom.request(Method::GET, &place).header("range", "bytes=2-4").header("if-range", &tag);
    let part = Answer::of(part).await.expect(206);
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!((part.header("content-length"), part.text.as_str()), (Some("3"), "234"));
    let old = [("range", "bytes=2-4"), ("if-range", "\"old\"")];
    assert_eq!(bytes(&tom, &place, &old).await.0, 200);

    let beyond = Answer::of(tom.request(Method::GET, &place).header("range", "bytes=10-")).await;
    assert_eq!(beyond.expect(416).header("content-range"), Some("bytes */10"));
    let known = Answer::of(tom.request(Method::GET, &place).header("if-none-match", &tag))
        .await
        .expect(304);
    assert_eq!((known.header("etag"), known.text.as_str()), (Some(tag.as_str()), ""));
    let head = Answer::of(tom.request(Method::HEAD, &place).header("range", "bytes=2-4"))
        .await
        .expect(200);
    assert_eq!(head.header("content-length"), Some("10"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_have_a_size_and_an_upright_thumbnail_and_no_metadata(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let mut jpeg = picture(1_024, 256, ImageFormat::Jpeg);
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\x0052.5200N 13.4050E";
    let segment = [&[0xff, 0xe1, 0, exif.len() as u8 + 2][..], exif].concat();
    jpeg.splice(2..2, segment);
    let sent = upload(&tom, "cat.jpg", &jpeg).await;
    assert_eq!(
        (&sent["content_type"], &sent["width"], &sent["height"], &sent["has_thumbnail"]),
        (&json!("image/jpeg"), &json!(256), &json!(1_024), &json!(true))
    );
    let place = path(&sent);
    let (_, kept) = bytes(&tom, &place, &[]).await;
    assert_eq!(sent["size"], json!(kept.len()));
    assert!(!kept.windows(8).any(|window| window == b"52.5200N"), "the place is gone");
    let same = |bytes: &[u8]| image::load_from_memory(bytes).expect("a picture").into_rgb8();
    assert_eq!(same(&kept), same(&jpeg));

    let answer = tom.head(&format!("{place}thumbnail/")).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("image/jpeg"));
    assert!(answer.header("content-disposition").expect("sent").starts_with("inline;"));
    let (_, small) = bytes(&tom, &format!("{place}thumbnail/"), &[]).await;
    let small = image::load_from_memory(&small).expect("a picture");
    assert_eq!((small.width(), small.height()), (128, 512));

    // A header says what decoding would cost.
    let mut bomb = picture(2, 2, ImageFormat::Gif);
    bomb[6..10].copy_from_slice(&[0xff; 4]);
    let sent = upload(&tom, "bomb.gif", &bomb).await;
    assert_eq!((&sent["width"], &sent["has_thumbnail"]), (&Value::Null, &json!(false)));
    assert_eq!(bytes(&tom, &path(&sent), &[]).await, (200, bomb));
    tom.get(&format!("{}thumbnail/", path(&sent))).await.expect_not_found();
    assert_eq!(stored(&server).len(), 3);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_browser_executes_is_shown(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    for (name, content, kind, way) in [
        ("a.png", &b"<html><script>alert(1)</script>"[..], "text/html", "attachment"),
        ("a.txt", b"<svg onload=alert(1)>", "image/svg+xml", "attachment"),
        ("a.txt", b"<?xml version=\"1.0\"?><a/>", "text/xml", "attachment"),
        ("a.js", b"alert(1)", "text/plain; charset=utf-8", "attachment"),
        ("a", b"#!/bin/sh", "text/x-shellscript", "attachment"),
        ("a.html", "Кот".as_bytes(), "text/plain; charset=utf-8", "attachment"),
        ("a.txt", "Кот".as_bytes(), "text/plain; charset=utf-8", "inline"),
        ("a.exe", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf", "inline"),
        ("a", b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video/mp4", "inline"),
        ("a", b"ID3\x04\0\0\0\0\0\0", "audio/mpeg", "inline"),
        ("a.png", b"PK\x03\x04\x14\0\0\0\0\0", "application/zip", "attachment"),
    ] {
        let sent = upload(&tom, name, content).await;
        let answer = tom.head(&path(&sent)).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(kind), "{name}");
        let disposition = answer.header("content-disposition").expect("sent");
        assert_eq!(disposition.split(';').next(), Some(way), "{name} {kind}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_told_in_drfs_words(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    try_upload(&tom, "a.txt", b"").await.expect_fault("file", "The submitted file is empty.");
    try_upload(&tom, "", b"").await.expect_fault("file", "No file was submitted.");
    const NO_FILE: &str = "The submitted data was not a file. Check the encoding type on the form.";
    let text = b"--meow\r\ncontent-disposition: form-data; name=file\r\n\r\nx\r\n--meow--\r\n";
    let post =
        async |kind: &str, body: &[u8]| tom.raw(Method::POST, UPLOADS, kind, body.to_vec()).await;
    post(FORM, text).await.expect_fault("file", NO_FILE);
    let other =
        b"--meow\r\ncontent-disposition: form-data; name=x; filename=y\r\n\r\nx\r\n--meow--\r\n";
    post(FORM, other).await.expect_fault("file", "No file was submitted.");
    post(FORM, b"").await.expect(400);
    post("", b"").await.expect_fault("file", "No file was submitted.");
    tom.post(UPLOADS, json!({"file": "x"})).await.expect(415);
    post("text/plain", b"x").await.expect(415);
    post(FORM, b"--meow\r\n").await.expect(400);
    post("multipart/form-data", b"x").await.expect(400);
    post(FORM, &form("a", b"x")[..60]).await.expect(400);
    server
        .anonymous()
        .raw(Method::POST, UPLOADS, FORM, form("a", b"x"))
        .await
        .expect_no_credentials();
    tom.get(UPLOADS).await.expect(405);
    // The last part of several counts, and lines may end in LF.
    let form = "--meow\ncontent-disposition: form-data; name=file; filename=a\n\none\n--meow\n\
                content-disposition: form-data; name=file; filename=b\n\ntwo\n\n--meow--\n";
    let sent = post(FORM, form.as_bytes()).await.expect(201).json;
    assert_eq!((&sent["name"], &sent["size"]), (&json!("b"), &json!(4)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_space_and_number_are_limited(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let limits = [
        ("ATTACHMENT_MAX_BYTES", "100000"),
        ("ATTACHMENT_QUOTA_BYTES", "250000"),
        ("THROTTLE", "on"),
        ("THROTTLE_UPLOADS", "4/day"),
    ];
    let Some(server) = TestApp::start_with(backend, &limits).await else { return };
    let tom = server.user("tom").await;
    let content = vec![7; 100_000];
    let first = upload(&tom, "a", &content).await;
    try_upload(&tom, "a", &[7; 100_001]).await.expect_detail(413, "The file is too large.");
    try_upload(&tom, "a", &[7; 3 * MIB]).await.expect_detail(413, "The file is too large.");

    // Many at once: as many as fit, exactly.
    let uploads = (0..4).map(|_| try_upload(&tom, "a", &content));
    let answers = futures_util::future::join_all(uploads).await;
    let done = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(done, 1, "{answers:#?}");
    const FULL: &str = "Your attachments would take more space than you have.";
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        refused.expect_detail(409, FULL);
    }
    left(&server, 2).await;
    tom.delete(&path(&first)).await.expect(204);
    upload(&tom, "a", &content).await;
    upload(&tom, "b", &[7; 50_000]).await;
    try_upload(&tom, "c", b"").await.expect_detail(409, FULL);
    try_upload(&tom, "c", b"x").await.expect(429);
    upload(&server.user("kitty").await, "a", &content).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_need_no_token_and_are_checked_each_time(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let patient = [("ACCESS_TOKEN_LIFETIME", "2d")];
    let Some(server) = TestApp::start_with(backend, &patient).await else { return };
    let (tom, kitty, anonymous) =
        (server.user("tom").await, server.user("kitty").await, server.anonymous());
    let text = upload(&tom, "a.txt", b"meow").await;
    let image = upload(&tom, "a.png", &picture(4, 4, ImageFormat::Png)).await;
    let ask = async |client: &Client, ids: Value| {
        client.post("/api/attachments/links/", json!({"attachments": ids})).await
    };
    let wanted = json!([id(&image), 999, id(&text)]);
    assert_eq!(ask(&kitty, wanted.clone()).await.expect(200).json, json!({"results": []}));
    let links = ask(&tom, wanted).await.expect(200);
    assert_eq!(links.column("id"), [image["id"].clone(), text["id"].clone()]);
    let [of_image, of_text] = links.results() else { panic!("{links:?}") };
    assert_eq!(of_text["thumbnail_url"], Value::Null);
    let url = |link: &Value, name: &str| link[name].as_str().expect("a URL").to_owned();
    let (file, small) = (url(of_text, "url"), url(of_image, "thumbnail_url"));
    assert_eq!(bytes(&anonymous, &file, &[]).await, (200, b"meow".to_vec()));
    assert_eq!(bytes(&anonymous, &small, &[]).await.0, 200);
    assert_eq!(bytes(&anonymous, &file, &[("range", "bytes=1-2")]).await, (206, b"eo".to_vec()));
    anonymous.head(&file).await.expect(200);

    // A link is for one file, and signed.
    let signature = |url: &str| url.split_once("signature=").expect("a signature").1.to_owned();
    for (place, signature) in [
        (path(&image), signature(&file)),
        (path(&image), signature(&small)),
        (path(&text), format!("{}A", signature(&file))),
        (path(&text), String::new()),
    ] {
        anonymous.get(&format!("{place}?signature={signature}")).await.expect(403);
    }
    anonymous.delete(&file).await.expect_no_credentials();

    server.app.clock.advance(Duration::from_secs(3_599));
    anonymous.get(&file).await.expect(200);
    server.app.clock.advance(Duration::from_secs(2));
    anonymous
        .get(&file)
        .await
        .expect_detail(403, "You do not have permission to perform this action.");

    ask(&tom, json!((1..=101).collect::<Vec<_>>()))
        .await
        .expect_fault("attachments", "Ensure this field has no more than 100 elements.");
    ask(&tom, json!("x")).await.expect(400);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sent_and_what_nobody_names_is_removed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let patient = [("ACCESS_TOKEN_LIFETIME", "2d")];
    let Some(server) = TestApp::start_with(backend, &patient).await else { return };
    let (tom, app) = (server.user("tom").await, &server.app);
    let sent = upload(&tom, "a.png", &picture(4, 4, ImageFormat::Png)).await;
    app.clock.advance(Duration::from_secs(86_300));
    attachments::forget_abandoned(app.clone()).await.expect("swept");
    let kept = upload(&tom, "b.txt", b"meow").await;
    app.clock.advance(Duration::from_secs(200));
    attachments::forget_abandoned(app.clone()).await.expect("swept");
    left(&server, 1).await;
    tom.get(&path(&sent)).await.expect_not_found();

    let root = std::path::Path::new(&server.variables["DATA_DIR"]).join("media/attachments");
    for name in ["aa/orphan", "aa/orphan.thumbnail", "aa/killed#7"] {
        std::fs::create_dir_all(root.join("aa")).expect("made");
        std::fs::write(root.join(name), "meow").expect("written");
    }
    let unreferenced = Arc::default();
    stored_files::sweep(app.clone(), Arc::clone(&unreferenced)).await.expect("swept");
    assert_eq!(stored(&server).len(), 4, "they may belong to an upload in progress");
    app.clock.advance(Duration::from_secs(3_600));
    stored_files::sweep(app.clone(), unreferenced).await.expect("swept");
    assert_eq!(stored(&server).len(), 1);
    assert_eq!(bytes(&tom, &path(&kept), &[]).await, (200, b"meow".to_vec()));
}
