//! Rules for all calls: credentials, paths, methods, bodies, headers, hosts.

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Backend, PASSWORD, TestApp};

/// The maximum size of a body, in bytes.
const BODY_MAX: usize = 128 * 1024;

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_asked_for_where_they_are_due(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    let private = [
        (Method::POST, "/api/auth/logout/"),
        (Method::GET, "/api/auth/me/"),
        (Method::POST, "/api/auth/ws-ticket/"),
        (Method::GET, "/api/users/"),
        (Method::GET, "/api/users/1/"),
        (Method::GET, "/api/chats/"),
        (Method::POST, "/api/chats/"),
        (Method::GET, "/api/chats/1/"),
        (Method::GET, "/api/chats/1/messages/"),
        (Method::POST, "/api/chats/1/messages/"),
        (Method::GET, "/api/messages/1/"),
        (Method::PUT, "/api/messages/1/"),
        (Method::PATCH, "/api/messages/1/"),
        (Method::DELETE, "/api/messages/1/"),
        (Method::DELETE, "/api/auth/logout/"),
    ];
    for (method, path) in private {
        let ask = || anonymous.request(method.clone(), path);
        Answer::of(ask()).await.expect_no_credentials();
        for scheme in ["Basic dG9tOnRvbQ==", "Token meow", "meow"] {
            Answer::of(ask().header("authorization", scheme)).await.expect_no_credentials();
        }
        for bearer in ["Bearer", "Bearer ", "Bearer meow", "bearer a b", "Bearer ü"] {
            Answer::of(ask().header("authorization", bearer)).await.expect_bad_token();
        }
    }

    // Open calls ignore credentials.
    let intruder = anonymous.with_access("meow").register("tom", PASSWORD).await;
    let intruder = intruder.with_access("meow");
    intruder.login("tom", PASSWORD).await.expect(200);
    intruder.spend(&intruder.refresh).await.expect(200);
    intruder.post("/api/auth/verify/", json!({"token": ""})).await.expect(400);
    for path in ["/healthz/", "/readyz/", "/api/schema/", "/api/docs/"] {
        intruder.get(path).await.expect(200);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_not_found(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    for path in ["/api/", "/meow", "/api/cats/", "/api/users/me/too/", "/api/docs/none.js"] {
        tom.get(path).await.expect_not_found();
        server.anonymous().post(path, json!({})).await;
    }
    for id in [
        "0",
        "-1",
        "+1",
        "9999",
        "meow",
        "1.0",
        "9007199254740993",
        "99999999999999999999",
        "%00",
        "%ff",
    ] {
        tom.get(&format!("/api/users/{id}/")).await.expect_not_found();
        tom.get(&format!("/api/chats/{id}/")).await.expect_not_found();
        tom.get(&format!("/api/chats/{id}/messages/")).await.expect_not_found();
        tom.post(&format!("/api/chats/{id}/messages/"), json!({})).await.expect_not_found();
        tom.get(&format!("/api/messages/{id}/")).await.expect_not_found();
        tom.put(&format!("/api/messages/{id}/"), json!({})).await.expect_not_found();
        tom.delete(&format!("/api/messages/{id}/")).await.expect_not_found();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_tells_its_methods(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let anonymous = server.anonymous();
    for (path, wrong, allowed) in [
        ("/api/auth/login/", Method::GET, "OPTIONS, POST"),
        ("/api/auth/me/", Method::POST, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/api/users/", Method::POST, "GET, HEAD, OPTIONS"),
        ("/api/chats/", Method::DELETE, "GET, HEAD, OPTIONS, POST"),
        ("/api/chats/1/", Method::POST, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/api/chats/1/members/", Method::PUT, "GET, HEAD, OPTIONS, POST"),
        ("/api/chats/1/members/2/", Method::POST, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/api/chats/1/messages/", Method::PATCH, "GET, HEAD, OPTIONS, POST"),
        ("/api/messages/1/", Method::POST, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/healthz/", Method::POST, "GET, HEAD, OPTIONS"),
        ("/api/schema/", Method::PUT, "GET, HEAD, OPTIONS"),
    ] {
        let answer = Answer::of(tom.request(wrong.clone(), path)).await;
        let answer = answer.expect_detail(405, &format!("Method \"{wrong}\" not allowed."));
        assert_eq!(methods(&answer), allowed, "{path}");
        let answer = anonymous.options(path).await.expect(200);
        assert_eq!(methods(&answer), allowed, "{path}");
        // TRACE would return the request, with its token.
        for name in ["MEOW", "TRACE"] {
            let foreign = Method::from_bytes(name.as_bytes()).expect("a method");
            let answer = Answer::of(tom.request(foreign, path)).await;
            answer.expect_detail(405, &format!("Method \"{name}\" not allowed."));
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_works_where_get_does(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let message = tom.say(chat, "meow").await;
    for path in [
        "/api/auth/me/",
        "/api/users/",
        &format!("/api/users/{}/", kitty.id),
        "/api/chats/",
        &format!("/api/chats/{chat}/"),
        &format!("/api/chats/{chat}/messages/"),
        &format!("/api/messages/{}/", message["id"]),
        "/healthz/",
        "/readyz/",
        "/api/schema/",
        "/api/docs/",
    ] {
        let (got, head) = (tom.get(path).await.expect(200), tom.head(path).await.expect(200));
        assert_eq!(head.text, "");
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(got.header(name), head.header(name), "{name} of {path}");
        }
    }
    tom.head("/api/chats/999/").await.expect(404);
    server.anonymous().head("/api/auth/me/").await.expect(401);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slash_at_the_end_may_be_missing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let body = json!({"type": "private", "members": [kitty.id]});
    let chat = tom.post("/api/chats", body).await.expect(201).json["id"].clone();
    let body = json!({"content": "meow"});
    let sent = tom.post(&format!("/api/chats/{chat}/messages"), body.clone()).await.expect(201);
    let message = format!("/api/messages/{}", sent.json["id"]);
    tom.put(&message, body).await.expect(200);
    tom.delete(&message).await.expect(204);
    let page = tom.get(&format!("/api/chats/{chat}/messages?page_size=1")).await.expect(200);
    assert_eq!(page.results().len(), 1);
    for path in ["/healthz", "/readyz", "/api/schema", "/api/docs", "/api/auth/me", "/api/users"] {
        tom.get(path).await.expect(200);
    }
    tom.login("tom", "meow").await.expect(401);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_json_objects_of_a_size(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let path = format!("/api/chats/{}/messages/", tom.private_chat(&kitty).await);
    let send = |kind: &'static str, body: String| tom.raw(Method::POST, &path, kind, body);
    let good = r#"{"content": "meow"}"#;

    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/json;"] {
        send(kind, good.to_owned()).await.expect(201);
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let text = format!("Unsupported media type \"{kind}\" in request.");
        send(kind, good.to_owned()).await.expect_detail(415, &text);
    }
    let form = "multipart/form-data; boundary=meow";
    send(form, "--meow--\r\n".to_owned()).await.expect(415);

    let json = "application/json";
    for body in ["{", "meow", "{'content': 1}", "{\"content\": \"meow\"} x", "\u{feff}{}"] {
        let answer = send(json, body.to_owned()).await.expect(400);
        let detail = answer.json["detail"].as_str().expect("a detail");
        assert!(detail.starts_with("JSON parse error - "), "{body}: {detail}");
    }
    let not_utf8 = tom.raw(Method::POST, &path, json, b"{\"content\": \"\xff\"}".to_vec()).await;
    let detail = not_utf8.expect(400).json["detail"].clone();
    assert!(detail.as_str().is_some_and(|text| text.starts_with("JSON parse error - ")));
    for (body, name) in [
        ("[]", "list"),
        ("\"meow\"", "str"),
        ("7", "int"),
        ("0.5", "float"),
        ("true", "bool"),
        ("null", "NoneType"),
    ] {
        let text = format!("Invalid data. Expected a dictionary, but got {name}.");
        send(json, body.to_owned()).await.expect_fault("non_field_errors", &text);
    }
    // A missing body counts as an empty object, whatever its type.
    send(json, String::new()).await.expect_fault("content", "This field is required.");
    let answer = Answer::of(tom.request(Method::POST, &path)).await;
    answer.expect_fault("content", "This field is required.");

    let padded = |size: usize| format!("{good}{}", " ".repeat(size - good.len()));
    send(json, padded(BODY_MAX)).await.expect(201);
    for size in [BODY_MAX + 1, 2 * BODY_MAX, 100 * BODY_MAX] {
        send(json, padded(size)).await.expect_detail(413, "The body is larger than 128 KiB.");
    }
    send(json, "[".repeat(10_000)).await.expect(400);

    // A caller who may not know of it learns nothing by sending a body.
    let stranger = server.user("stranger").await;
    for (kind, body) in [("text/plain", good.to_owned()), (json, padded(2 * BODY_MAX))] {
        for method in [Method::POST, Method::PUT] {
            let path = match method {
                Method::POST => path.clone(),
                _ => path.replace("messages/", ""),
            };
            stranger.raw(method, &path, kind, body.clone()).await.expect(404);
        }
    }
}

/// Most clients send a body after the head. An answer before that must harm neither this request nor
/// the next one.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nobody_reads_does_no_harm(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let address = server.base.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.expect("connected");
    for (request, status) in [
        ("POST /api/chats/", 401),
        ("PUT /api/auth/login/", 405),
        ("POST /api/nope/", 404),
        ("GET /healthz", 200),
    ] {
        let head =
            format!("{request} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 40000\r\n\r\n");
        connection.write_all(head.as_bytes()).await.expect("sent");
        for _ in 0..4 {
            connection.write_all(&[b' '; 10_000]).await.expect("sent");
            tokio::task::yield_now().await;
        }
        let answer = read_answer(&mut connection).await;
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{request}: {answer}");
        assert!(!answer.contains("connection: close"), "{request}: {answer}");
    }
    // A body that does not arrive, or that waits for `100 Continue`, ends the connection; the answer says so.
    for (header, status) in [("content-length: 7", 401), ("content-length: 200000", 401)] {
        for expects in ["", "expect: 100-continue\r\n"] {
            let mut connection = TcpStream::connect(address).await.expect("connected");
            let head = format!(
                "POST /api/chats/ HTTP/1.1\r\nhost: {address}\r\n{expects}{header}\r\n\r\n"
            );
            connection.write_all(head.as_bytes()).await.expect("sent");
            let answer = read_answer(&mut connection).await;
            assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
        }
    }
}

/// The head of an answer, in lower case. Reads the body as well.
async fn read_answer(connection: &mut TcpStream) -> String {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.expect("a length").parse().expect("a number");
        connection.read_exact(&mut vec![0; length]).await.expect("a body");
        head
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer in time")
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_an_id_and_says_what_browsers_must_not_do(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let ask = async |method: &Method, path: &str, id: &str| {
        Answer::of(tom.request(method.clone(), path).header("x-request-id", id)).await
    };
    let calls = [
        (Method::GET, "/api/auth/me/", 200),
        (Method::HEAD, "/healthz/", 200),
        (Method::OPTIONS, "/api/chats/", 200),
        (Method::POST, "/api/auth/login/", 400),
        (Method::GET, "/meow", 404),
        (Method::PUT, "/api/chats/", 405),
        (Method::GET, "/ws/", 426),
        (Method::GET, "/api/docs/", 200),
    ];
    for (method, path, status) in calls {
        let longest = "a".repeat(64);
        for id in ["7", "Az09._-", &longest] {
            let answer = ask(&method, path, id).await.expect(status);
            assert_eq!(answer.header("x-request-id"), Some(id), "{path}");
        }
        let mut made = vec![];
        for id in ["", "a b", "a/b", "ü", &(longest.clone() + "a"), "a\tb"] {
            let answer = ask(&method, path, id).await.expect(status);
            let new = answer.header("x-request-id").expect("an id").to_owned();
            assert!(new.len() == 32 && !made.contains(&new), "{id}: {new}");
            made.push(new);
        }
        let answer = ask(&method, path, "7").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {path}");
        }
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        for part in ["base-uri ", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy} of {path}");
        }
        if !path.starts_with("/api/docs") {
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_host_names_are_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("ALLOWED_HOSTS", "127.0.0.1,.example.org")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let ask = async |host: &str, path: &str| {
        Answer::of(tom.request(Method::GET, path).header("host", host)).await
    };
    for host in ["example.org", "chat.EXAMPLE.org:8000", "example.org."] {
        ask(host, "/api/auth/me/").await.expect(200);
        let page = ask(host, "/api/users/?page_size=1").await.expect(200);
        assert_eq!(page.json["next"], json!(null));
    }
    // A name that only ends like an allowed host is refused.
    for ending in ["/", "?", "#", "\\", "@", ":80@", ","] {
        let host = format!("evil.com{ending}.example.org");
        ask(&host, "/api/auth/me/").await.expect_detail(400, "Invalid Host header.");
    }
    // A request target in absolute form contains a host, too.
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let request = "GET http://evil.example/api/users/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                   Connection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");

    for host in ["evil.example", "example.org.evil.example", "notexample.org", "localhost", "@"] {
        ask(host, "/api/auth/me/").await.expect_detail(400, "Invalid Host header.");
        ask(host, "/meow").await.expect(400);
        for path in ["/healthz", "/healthz/", "/readyz", "/readyz/"] {
            ask(host, path).await.expect_body(200, json!({"status": "ok"}));
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_name_the_host_that_was_asked_or_the_public_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    for (settings, origin) in [
        (vec![], None),
        (vec![("PUBLIC_URL", "https://chat.example.org/")], Some("https://chat.example.org")),
    ] {
        let Some(server) = TestApp::start_with(backend, &settings).await else { return };
        let tom = server.user("tom").await;
        server.user("kitty").await;
        let origin = origin.unwrap_or(&server.base);
        let page = tom.get("/api/users?page_size=1&x=%26").await.expect(200);
        let next = page.json["next"].as_str().expect("a link");
        assert!(next.starts_with(&format!("{origin}/api/users/?cursor=")), "{next}");
        assert!(next.ends_with("&page_size=1&x=%26"), "{next}");
        let page = tom.get(next.strip_prefix(origin).expect("a path")).await.expect(200);
        assert_eq!(page.results().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_are_told_to_come_by_https_where_they_did_and_the_operator_says_so() {
    let https = ("PUBLIC_URL", "https://chat.example.org");
    let (seconds, proxy) = (("SECURE_HSTS_SECONDS", "1h"), ("TRUSTED_PROXIES", "127.0.0.1"));
    for (settings, forwarded, expected) in [
        (vec![https], "https", None),
        (vec![seconds], "https", None),
        (vec![seconds, proxy], "http", None),
        (vec![seconds, proxy], "https", Some("max-age=3600")),
        (vec![seconds, https], "http", Some("max-age=3600")),
    ] {
        let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
        for path in ["/healthz/", "/meow"] {
            let request = server.anonymous().request(Method::GET, path);
            let answer = Answer::of(request.header("x-forwarded-proto", forwarded)).await;
            let header = answer.header("strict-transport-security");
            assert_eq!(header, expected, "{settings:?} {path}");
        }
    }
}

/// The methods in `Allow`, sorted.
fn methods(answer: &Answer) -> String {
    let allowed = answer.header("allow").unwrap_or_else(|| panic!("no Allow: {answer:?}"));
    let mut methods: Vec<_> = allowed.split(", ").collect();
    methods.sort_unstable();
    methods.join(", ")
}
