//! Connections: timeouts, limits, and the answers to unreadable heads. `closing.rs` tests shutdown.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{self, timeout};
use tokio_tungstenite::tungstenite::Error;

use crate::support::{Backend, Client, Socket, TestApp, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

async fn start(settings: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(Backend::Sqlite, settings).await.expect("always there")
}

/// A connection with a small receive buffer.
async fn connect(server: &TestApp) -> TcpStream {
    let tcp = TcpSocket::new_v4().expect("a socket");
    tcp.set_recv_buffer_size(4_096).expect("set");
    let address = server.base.trim_start_matches("http://").parse().expect("an address");
    tcp.connect(address).await.expect("connected")
}

/// Everything until the connection ends, even if by a reset.
async fn rest(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = connection.read_to_end(&mut text);
    timeout(PATIENCE, read).await.expect("an end in time").ok();
    String::from_utf8(text).expect("UTF-8")
}

/// An answer's head, in lower case, and its body.
async fn answer(connection: &mut TcpStream) -> (String, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(connection.read_u8().await.expect("a head").into());
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    connection.read_exact(&mut body).await.expect("a body");
    (head, String::from_utf8(body).expect("UTF-8"))
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_in_the_usual_shape_with_an_id() {
    let server = start(&[]).await;
    let long = "x".repeat(100_000);
    let many = "a: b\r\n".repeat(101);
    for (request, status) in [
        ("\u{16}\u{3}\u{1} this is TLS\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost : localhost\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\ncookie: {long}\r\n\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"), 431),
    ] {
        let mut connection = connect(&server).await;
        // Also if it follows a readable request.
        let first = b"GET /api/none/ HTTP/1.1\r\nhost: localhost\r\n\r\n";
        connection.write_all(first).await.expect("sent");
        let (head, _) = answer(&mut connection).await;
        assert!(head.starts_with("http/1.1 404 ") && head.contains("x-request-id: "), "{head}");
        connection.write_all(request.as_bytes()).await.expect("sent");
        let (head, body) = answer(&mut connection).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{:?} {head}", request.get(..45));
        for part in ["x-request-id: ", "connection: close", "frame-ancestors 'none'", "nosniff"] {
            assert!(head.contains(part), "no {part}: {head}");
        }
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert!(body["detail"].as_str().is_some_and(|text| text.starts_with("The request")));
        assert_eq!(rest(&mut connection).await, "");
    }
}

/// Where a proxy and the server disagree, the second part could be taken for another client's request.
#[tokio::test]
async fn a_request_that_could_be_taken_for_two_is_refused_and_ends_the_connection() {
    let server = start(&[]).await;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for fields in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "content-length: 0\r\ncontent-length: 5",
        "content-length: +5",
        "content-length: -5",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: xchunked",
        "transfer-encoding : chunked",
        "x: a\r\n folded: b",
        "x: a\rtransfer-encoding: chunked",
        "x: a\u{b}b",
        "x: a\u{c}b",
        "x: a\u{1c}b",
        "x: a\0b",
    ] {
        let mut connection = connect(&server).await;
        let head = "POST /api/auth/login/ HTTP/1.1\r\nhost: localhost\r\n";
        let request = format!("{head}{fields}\r\n\r\n0\r\n\r\n{hidden}");
        connection.write_all(request.as_bytes()).await.expect("sent");
        let (head, _) = answer(&mut connection).await;
        assert!(head.starts_with("http/1.1 400 "), "{fields:?}: {head}");
        assert_eq!(rest(&mut connection).await, "", "{fields:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_130_s_and_a_head_has_30() {
    let server = start(&[]).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut connection = connect(&server).await;
    connection.write_all(request.as_bytes()).await.expect("sent");
    answer(&mut connection).await;
    time::pause();
    time::sleep(Duration::from_secs(128)).await;
    connection.write_all(request.as_bytes()).await.expect("sent");
    assert!(answer(&mut connection).await.0.starts_with("http/1.1 200 "));
    time::sleep(Duration::from_secs(133)).await;
    assert_eq!(rest(&mut connection).await, "");

    let mut slow = connect(&server).await;
    for byte in &request.as_bytes()[..14] {
        slow.write_u8(*byte).await.expect("sent");
        time::sleep(Duration::from_secs(2)).await;
    }
    slow.write_u8(b'1').await.expect("still open after 28 s");
    time::sleep(Duration::from_secs(5)).await;
    let answer = rest(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("x-request-id: "), "{answer}");
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up_after_30_s() {
    let server = start(&[]).await;
    let whole = server.anonymous().get("/api/schema/").await.expect(200).text.len();
    // More than the capacity of the system's buffers.
    let requests = 20_000_000 / whole;
    let request = "GET /api/schema/ HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(requests);
    let mut unread = connect(&server).await;
    unread.write_all(request.as_bytes()).await.expect("sent");
    unread.read_u8().await.expect("it has begun");
    time::pause();
    time::sleep(Duration::from_secs(25)).await;
    let mut some = vec![0; whole / 2];
    unread.read_exact(&mut some).await.expect("it is still there");
    time::sleep(Duration::from_secs(40)).await;
    time::resume();
    let rest = rest(&mut unread).await.len();
    assert!(rest < whole * requests * 3 / 4, "{rest} of {whole} × {requests}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_shut_nobody_out() {
    let server = start(&[("MAX_CONNECTIONS", "12")]).await;
    let alice = server.user("alice").await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(connect(&server).await);
    }
    // Some have sent part of a head.
    for connection in idle.iter_mut().skip(20) {
        connection.write_all(b"GET /api").await.ok();
    }
    for _ in 0..3 {
        let fresh = Client { http: reqwest::Client::new(), ..alice.clone() };
        fresh.get("/healthz").await.expect(200);
        fresh.get("/api/auth/me/").await.expect(200);
        Socket::open(&fresh).await;
    }
    assert_eq!(rest(&mut idle[0]).await, "", "the oldest is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_leave_room_for_requests() {
    let server = start(&[("MAX_CONNECTIONS", "14")]).await;
    let alice = server.user("alice").await;
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push(Socket::open(&alice).await);
    }
    let ticket = alice.post("/api/auth/ws-ticket/", json!({})).await.expect(201);
    let path = format!("/ws/?ticket={}", ticket.json["ticket"].as_str().expect("a ticket"));
    for _ in 0..3 {
        match Socket::dial(&alice, &path, &[]).await {
            Err(Error::Http(refusal)) => {
                assert_eq!(refusal.status(), 503);
                assert!(refusal.headers().contains_key("retry-after"));
            }
            other => panic!("{:?}", other.map(|_| "opened")),
        }
    }
    for _ in 0..20 {
        let fresh = Client { http: reqwest::Client::new(), ..alice.clone() };
        fresh.get("/healthz").await.expect(200);
        fresh.get("/api/auth/me/").await.expect(200);
    }
    // A refusal does not use up a ticket either.
    drop(sockets.pop());
    let look = async || match Socket::dial(&alice, &path, &[]).await {
        Err(Error::Http(refusal)) => {
            assert_eq!(refusal.status(), 503);
            None
        }
        opened => Some(opened.expect("opened")),
    };
    eventually(PATIENCE, "there is room for a connection again", look).await;
    alice.post("/api/auth/logout/", json!({})).await.expect(204);
}
