//! Where attachments are stored, and how they are received and served: several nodes, buckets, thumbnails, and bodies
//! that are too large.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use image::{ImageFormat, Rgba, RgbaImage};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::attachments::{FORM, UPLOADS, bytes, id, left, path, picture, try_upload, upload};
use crate::support::bucket::Bucket;
use crate::support::{Answer, Backend, Client, TestApp, eventually};

const MIB: usize = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(20);

/// The same user on another node.
fn at(node: &TestApp, user: &Client) -> Client {
    Client { base: node.base.clone(), ..user.clone() }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_serve_link_and_delete_what_was_uploaded_to_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let other = server.second_node().await;
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let (there, kitty) = (at(&other, &tom), at(&other, &kitty));
    let image = upload(&tom, "a.png", &picture(8, 8, ImageFormat::Png)).await;
    let text = upload(&there, "a.txt", b"meow").await;
    assert_eq!(bytes(&there, &path(&image), &[]).await, bytes(&tom, &path(&image), &[]).await);
    assert_eq!(bytes(&there, &format!("{}thumbnail/", path(&image)), &[]).await.0, 200);
    assert_eq!(bytes(&tom, &path(&text), &[("range", "bytes=1-")]).await, (206, b"eow".to_vec()));
    kitty.get(&path(&text)).await.expect_not_found();

    // A link of one node works on the other.
    let links = json!({"attachments": [id(&text)]});
    let links = there.post("/api/attachments/links/", links).await.expect(200);
    let link = links.results()[0]["url"].as_str().expect("a link");
    let link = &link[link.find("/api/").expect("a path")..];
    for node in [&server, &other] {
        assert_eq!(bytes(&node.anonymous(), link, &[]).await, (200, b"meow".to_vec()));
    }

    let chat = tom.private_chat(&kitty).await;
    let message = json!({"attachments": [id(&text)]});
    let message = there.post(&format!("/api/chats/{chat}/messages/"), message).await.expect(201);
    assert_eq!(bytes(&kitty, &path(&text), &[]).await, (200, b"meow".to_vec()));
    there.delete(&path(&image)).await.expect(204);
    tom.get(&path(&image)).await.expect_not_found();
    tom.delete(&format!("/api/messages/{}/", message.json["id"])).await.expect(204);
    kitty.get(&path(&text)).await.expect_not_found();
    other.anonymous().get(link).await.expect_not_found();
    left(&server, 0).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_to_two_nodes_take_no_more_than_the_quota(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let limits = [("ATTACHMENT_QUOTA_BYTES", "250000")];
    let Some(server) = TestApp::start_with(backend, &limits).await else { return };
    let other = server.second_node().await;
    let tom = server.user("tom").await;
    let (there, content) = (at(&other, &tom), vec![7; 100_000]);
    let uploads = [&tom, &there, &tom, &there, &tom, &there];
    let uploads = uploads.map(|client| try_upload(client, "a", &content));
    let answers = join_all(uploads).await;
    let done = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(done, 2, "{answers:#?}");
    left(&server, 2).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thumbnails_are_served_as_files_are(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let mut glass = std::io::Cursor::new(Vec::new());
    let pixels = RgbaImage::from_pixel(700, 350, Rgba([10, 20, 30, 90]));
    pixels.write_to(&mut glass, ImageFormat::Png).expect("written");
    let clear = upload(&tom, "glass.png", glass.get_ref()).await;
    let place = format!("{}thumbnail/", path(&clear));
    let head = tom.head(&place).await.expect(200);
    for (name, value) in [
        ("content-type", "image/webp"),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    let (_, small) = bytes(&tom, &place, &[]).await;
    assert_eq!(head.header("content-length"), Some(small.len().to_string().as_str()));
    let shown = image::load_from_memory_with_format(&small, ImageFormat::WebP).expect("a picture");
    assert_eq!((shown.width(), shown.height()), (512, 256));
    let tag = head.header("etag").expect("a tag");
    let part = [("range", "bytes=4-9"), ("if-range", tag)];
    assert_eq!(bytes(&tom, &place, &part).await, (206, small[4..10].to_vec()));
    assert_eq!(bytes(&tom, &place, &[("if-none-match", tag)]).await, (304, Vec::new()));
    let beyond = format!("bytes={}-", small.len());
    assert_eq!(bytes(&tom, &place, &[("range", &beyond)]).await.0, 416);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_cleaned_and_sent_in_both_forms(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let long = format!("{}.txt", "ж".repeat(300));
    for (sent, name) in [
        ("../../etc/cat\u{202e}gpj.exe", "catgpj.exe".to_owned()),
        ("a\u{7}\u{200f}b.txt", "ab.txt".to_owned()),
        ("", "file".to_owned()),
        (long.as_str(), format!("{}.txt", "ж".repeat(251))),
    ] {
        let upload = upload(&tom, sent, b"meow").await;
        assert_eq!(upload["name"], json!(name), "{sent:?}");
        let answer = tom.head(&path(&upload)).await.expect(200);
        let disposition = answer.header("content-disposition").expect("sent");
        let (_, encoded) = disposition.split_once("filename*=UTF-8''").expect("both forms");
        let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8().expect("UTF-8");
        assert_eq!(decoded, name);
    }
}

/// Sends a head and then, as long as the other end takes it, a body without an end. Returns the answer, and how much was
/// sent.
async fn flood(server: &TestApp, user: &Client, length: &str) -> (String, usize) {
    let address = server.base.trim_start_matches("http://");
    let (mut from, mut to) = TcpStream::connect(address).await.expect("connected").into_split();
    let head = format!(
        "POST {UPLOADS} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: {FORM}\r\n{length}\r\n\r\n",
        user.access
    );
    to.write_all(head.as_bytes()).await.expect("sent");
    let chunk = [format!("{MIB:x}\r\n").as_bytes(), &vec![b'a'; MIB], b"\r\n"].concat();
    let mut sent = 0;
    let mut answer = Vec::new();
    let sending = async {
        if length.starts_with("transfer") {
            while to.write_all(&chunk).await.is_ok() {
                sent += MIB;
            }
        }
        // The answer follows, or the other end has closed.
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut buffer = [0; 4_096];
        while !answer.windows(2).any(|pair| pair == b"}\n" || pair == b"\"}") {
            let read = from.read(&mut buffer).await.expect("an answer");
            assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    timeout(DEADLINE, async {
        tokio::select! { () = sending => {}, () = reading => {} }
    })
    .await
    .expect("an answer in time");
    (String::from_utf8_lossy(&answer).to_ascii_lowercase(), sent)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_answered_without_being_read_to_its_end(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let limits = [("ATTACHMENT_MAX_BYTES", "100000")];
    let Some(server) = TestApp::start_with(backend, &limits).await else { return };
    let tom = server.user("tom").await;
    for length in ["content-length: 90000000000", "transfer-encoding: chunked"] {
        let (answer, sent) = flood(&server, &tom, length).await;
        assert!(answer.starts_with("http/1.1 413 "), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.contains("the file is too large."), "{answer}");
        assert!(sent < 64 * MIB, "{sent} bytes were taken");
    }
    left(&server, 0).await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_can_be_kept_in_a_bucket(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let bucket = Bucket::start().await;
    kept_in(backend, &bucket.url, async || bucket.keys().len()).await;
}

/// A real S3 server (`tests/s3`), which ends when its standard input is closed.
struct S3 {
    port: u16,
    _process: Child,
}

impl S3 {
    /// `None` if the test is to be skipped: there is no Python, or the server cannot be installed.
    fn start() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/s3/run");
        let mut command = Command::new(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("it runs");
        let mut port = String::new();
        let output = process.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut port).expect("read");
        if let Ok(port) = port.trim().parse() {
            return Some(Self { port, _process: process });
        }
        let ended = process.wait().expect("ended");
        assert_eq!(ended.code(), Some(3), "the S3 server did not start");
        #[expect(clippy::print_stderr, reason = "a test that was skipped has to say so")]
        {
            eprintln!("SKIPPED, no S3 server");
        }
        None
    }

    /// How many objects there are, and parts of uploads that were not completed.
    async fn count(&self) -> usize {
        let get = async |query: &str| {
            let url = format!("http://127.0.0.1:{}/cats?{query}", self.port);
            reqwest::get(url).await.expect("an answer").text().await.expect("a text")
        };
        let (objects, uploads) = (get("list-type=2").await, get("uploads").await);
        assert!(objects.contains("ListBucketResult"), "{objects}");
        objects.matches("<Key>").count() + uploads.matches("<UploadId>").count()
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_can_be_kept_in_s3(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(s3) = tokio::task::spawn_blocking(S3::start).await.expect("started") else { return };
    let url = format!(
        "s3://cats/pictures?endpoint=http://127.0.0.1:{}&access_key_id=tom\
         &secret_access_key=meow&region=us-east-1&allow_http=true",
        s3.port
    );
    kept_in(backend, &url, async || s3.count().await).await;
}

/// Keeps attachments in a bucket, of which `count` says how many objects it has.
async fn kept_in(backend: Backend, url: &str, count: impl AsyncFn() -> usize) {
    let settings = [("MEDIA_URL", url), ("ATTACHMENT_MAX_BYTES", "20000000")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let content: Vec<u8> = (0..12 * MIB + 7).map(|index| (index % 251) as u8).collect();
    let (large, small) = (
        upload(&tom, "a", &content).await,
        upload(&tom, "a.png", &picture(4, 4, ImageFormat::Png)).await,
    );
    assert_eq!(count().await, 3);
    assert_eq!(bytes(&tom, &path(&large), &[]).await, (200, content.clone()));
    let range = [("range", "bytes=5242870-5242890")];
    let part = content[5_242_870..=5_242_890].to_vec();
    assert_eq!(bytes(&tom, &path(&large), &range).await, (206, part));
    assert_eq!(
        bytes(&tom, &path(&large), &[("range", "bytes=-2")]).await.1,
        content[content.len() - 2..]
    );
    assert_eq!(bytes(&tom, &format!("{}thumbnail/", path(&small)), &[]).await.0, 200);
    // A message, its forward, and the end of both.
    let chat = tom.group(&[]).await;
    let messages = format!("/api/chats/{chat}/messages/");
    let first = tom.post(&messages, json!({"attachments": [id(&large)]})).await.expect(201).json;
    let forward = format!("/api/messages/{}/forward/", first["id"]);
    let copy = tom.post(&forward, json!({"chats": [chat]})).await.expect(201).results()[0].clone();
    tom.delete(&format!("/api/messages/{}/", first["id"])).await.expect(204);
    assert_eq!(bytes(&tom, &path(&copy["attachments"][0]), &[]).await.1, content);
    tom.delete(&format!("/api/messages/{}/", copy["id"])).await.expect(204);
    tom.delete(&path(&small)).await.expect(204);
    let look = async || (count().await == 0).then_some(());
    eventually(DEADLINE, "the objects are removed", look).await;
    Answer::of(tom.request(Method::GET, &path(&large))).await.expect_not_found();
}
