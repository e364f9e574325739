//! Fair shares: a user who stalls, floods or hangs delays nobody else.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::avatars::{self, file, patch_me};
use crate::support::services::variables;
use crate::support::socket::DEADLINE;
use crate::support::{Answer, Backend, Client, PASSWORD, Program, TestApp};
use crate::throttles::at;

/// Sends the beginning of an upload. The server waits for the rest.
async fn stall(client: &Client) -> TcpStream {
    let address = client.base.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "PATCH /api/auth/me/ HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=meow\r\ncontent-length: 1000000\r\n\
         expect: 100-continue\r\n\r\n",
        client.access
    );
    connection.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 25];
    connection.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(b"--meow\r\n").await.expect("sent");
    connection
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_stall_hold_up_nobody_else(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let stallers = join_all((0..5).map(|_| server.user("tom"))).await;
    let mut stalled = Vec::new();
    for staller in &stallers {
        stalled.extend(join_all((0..8).map(|_| stall(staller))).await);
    }
    let kitty = server.user("kitty").await;
    patch_me(&kitty, &[file(avatars::png(300, 300))]).await.expect(200);
    kitty.patch("/api/auth/me/", json!({"first_name": "Kitty"})).await.expect(200);

    // When the client ends them, the user's other uploads can continue.
    drop(stalled);
    patch_me(&stallers[0], &[file(avatars::png(8, 8))]).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_pictures_at_once_are_served(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let users = join_all((0..6).map(|_| server.user("tom"))).await;
    let picture = [file(avatars::png(200, 200))];
    for uploaders in [&users[..1], &users] {
        let uploads = (0..60).map(|n| patch_me(&uploaders[n % uploaders.len()], &picture));
        for answer in join_all(uploads).await {
            answer.expect(200);
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_cannot_fill_the_queue_of_mails(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    // A mail server that never answers: every mail stays in the queue.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("smtp://{}", silent.local_addr().expect("an address"));
    let settings = [("EMAIL_URL", url.as_str()), ("TRUSTED_PROXIES", "127.0.0.0/8")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let account = json!({"username": "tom", "email": "tom@example.org", "password": PASSWORD});
    server.anonymous().post("/api/auth/register/", account).await.expect(201);
    let ask = async |address: &str, email: &str| -> Answer {
        let body = json!({"email": email});
        at(&server, address).post("/api/auth/password/reset/", body).await
    };
    // A full queue does not reveal whether an account exists.
    for _ in 0..20 {
        ask("192.0.2.1", "tom@example.org").await.expect(204);
        ask("192.0.2.1", "nobody@example.org").await.expect(204);
    }
    ask("192.0.2.2", "tom@example.org").await.expect(204);
    // One address gets at most two connections, so the third is for the other one.
    let connections = async {
        let mut held = Vec::new();
        while held.len() < 3 {
            held.push(silent.accept().await.expect("a connection"));
        }
    };
    tokio::time::timeout(DEADLINE, connections).await.expect("a mail of each address");
}

/// A PNG of the highest bit depth, with a colour profile of 100 MiB of zeros: a small file.
fn bomb() -> Vec<u8> {
    let mut info = png::Info::with_size(3_000, 3_000);
    (info.bit_depth, info.color_type) = (png::BitDepth::Sixteen, png::ColorType::Rgba);
    info.icc_profile = Some(vec![0; 100 << 20].into());
    let mut bytes = Vec::new();
    let encoder = png::Encoder::with_info(&mut bytes, info).expect("a header");
    let mut writer = encoder.write_header().expect("written");
    writer.write_image_data(&vec![0; 8 * 3_000 * 3_000]).expect("written");
    writer.finish().expect("written");
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_are_bombs_take_little_memory() {
    let folder = TempDir::new().expect("a folder");
    let variables = variables(Backend::Sqlite, folder.path()).await.expect("SQLite");
    let program = Program::start(&variables, folder.path());
    let users =
        join_all(["tom", "kitty"].map(|name| program.client.register(name, PASSWORD))).await;
    let parts = [file(bomb())];
    assert!(parts[0].len() < 1 << 20, "{}", parts[0].len());
    let before = program.memory("VmHWM");
    let uploads = (0..4).map(|n| patch_me(&users[n % users.len()], &parts));
    for answer in join_all(uploads).await {
        answer.expect(200);
    }
    let grown = program.memory("VmHWM") - before;
    // Decoded as a whole, one needs 70 MiB, and its profile 100.
    assert!(grown < 150, "{grown} MiB");
}
