//! Pages of other origins: which ones may use REST and the socket, and what they may send and read.

use reqwest::Method;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Backend, Client, Socket, TestApp};

const EXPOSED: &str = "Allow, Content-Disposition, Retry-After, WWW-Authenticate, X-Request-ID";

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_allowed_origins_may_read_answers(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let origins = "https://app.example.org,http://localhost:5173";
    let settings = [("CORS_ALLOWED_ORIGINS", origins)];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let tom = server.user("tom").await;
    let ask = async |method: Method, origin: &str, path: &str, preflight: bool| {
        let mut request = tom.request(method, path).header("origin", origin);
        if preflight {
            request = request
                .header("access-control-request-method", "PUT")
                .header("access-control-request-headers", "authorization");
        }
        Answer::of(request).await
    };
    for origin in origins.split(',') {
        for path in ["/api/auth/me/", "/meow"] {
            let answer = ask(Method::GET, origin, path, false).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            let exposed = answer.header("access-control-expose-headers");
            assert_eq!(exposed, Some(EXPOSED));
            assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")));
        }
        let preflight = ask(Method::OPTIONS, origin, "/api/auth/me/", true).await.expect(200);
        assert_eq!(preflight.header("access-control-allow-origin"), Some(origin));
        assert_eq!(preflight.header("access-control-max-age"), Some("86400"));
        let allowed = preflight.header("access-control-allow-methods").expect("methods");
        assert_eq!(allowed, "DELETE, GET, OPTIONS, PATCH, POST, PUT");
        let allowed = preflight.header("access-control-allow-headers").expect("headers");
        assert!(allowed.contains("authorization") && allowed.contains("content-type"));
    }
    for origin in [
        "https://evil.example",
        "http://app.example.org",
        "https://app.example.org.evil.example",
        "https://app.example.org:8443",
        "null",
        "",
    ] {
        for (method, preflight) in
            [(Method::GET, false), (Method::OPTIONS, false), (Method::OPTIONS, true)]
        {
            let answer = ask(method, origin, "/api/auth/me/", preflight).await.expect(200);
            let mut names = answer.headers.keys().map(|name| name.as_str());
            assert!(!names.any(|name| name.starts_with("access-control-")), "{answer:?}");
            assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")));
        }
    }
}

/// Whether a page may use REST, and whether it may open a socket.
async fn admitted(client: &Client, origin: &str, headers: &[(&'static str, &str)]) -> (bool, bool) {
    let answer = Answer::of(client.request(Method::GET, "/meow").header("origin", origin)).await;
    let named = answer.header("access-control-allow-origin");
    assert!(named.is_none_or(|named| named == origin), "{answer:?}");
    let token = format!("Bearer {}", client.access);
    let mut all = vec![("authorization", token.as_str()), ("origin", origin)];
    all.extend(headers);
    let socket = Socket::dial(client, "/ws/", &all).await;
    (named.is_some(), socket.is_ok())
}

#[tokio::test]
async fn origins_of_any_scheme_may_use_rest_and_sockets() {
    let origins = "capacitor://localhost, TAURI://localhost, chrome-extension://abcdefgh, \
                   moz-extension://5fa0-1b, app://., ionic://localhost, file://, null, \
                   https://app.example.org:443, http://[0:0::1]:80, https://кот.example";
    let settings = [("CORS_ALLOWED_ORIGINS", origins)];
    let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
    let tom = server.user("tom").await;
    for origin in [
        "capacitor://localhost",
        "tauri://localhost",
        "chrome-extension://abcdefgh",
        "moz-extension://5fa0-1b",
        "app://.",
        "ionic://localhost",
        "file://",
        "null",
        "https://app.example.org",
        "https://app.example.org:443",
        "HTTPS://App.Example.org",
        "http://[::1]",
        "https://xn--j1aim.example",
    ] {
        assert_eq!(admitted(&tom, origin, &[]).await, (true, true), "{origin}");
    }
    for origin in [
        "capacitor://localhost:80",
        "capacitor://evil",
        "chrome-extension://abcdefghi",
        "app://",
        "app://localhost",
        "http://app.example.org:443",
        "https://[::1]",
        "https://xn--j1aim.example.evil",
        "NULL",
        "null, null",
    ] {
        assert_eq!(admitted(&tom, origin, &[]).await, (false, false), "{origin}");
    }
}

#[tokio::test]
async fn a_page_is_the_server_s_own_under_the_name_that_its_proxies_tell() {
    let settings = [("TRUSTED_PROXIES", "127.0.0.1")];
    let trusting = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
    let wary = TestApp::start(Backend::Sqlite).await.expect("always there");
    let (tom, kitty) = (trusting.user("tom").await, wary.user("kitty").await);
    let proxied = |host, scheme| [("x-forwarded-host", host), ("x-forwarded-proto", scheme)];
    for (origin, host) in [
        ("https://chat.example.org", "chat.example.org"),
        ("https://chat.example.org:443", "chat.example.org"),
        ("https://chat.example.org", "Chat.Example.org:443"),
        ("https://chat.example.org:8443", "chat.example.org:8443"),
        ("https://chat.example.org", "chat.example.org, inner.example.org"),
    ] {
        assert!(admitted(&tom, origin, &proxied(host, "https")).await.1, "{origin} {host}");
        assert!(admitted(&tom, origin, &proxied(host, "wss")).await.1, "{origin} {host}");
        assert!(!admitted(&kitty, origin, &proxied(host, "https")).await.1, "{origin} {host}");
    }
    for (origin, host) in [
        ("http://chat.example.org", "chat.example.org"),
        ("https://evil.example", "chat.example.org"),
        ("https://chat.example.org:8443", "chat.example.org"),
        ("null", "null"),
        ("https://", ""),
    ] {
        assert!(!admitted(&tom, origin, &proxied(host, "https")).await.1, "{origin} {host}");
    }
    let plain = proxied("chat.example.org:8080", "http");
    assert!(admitted(&tom, "http://chat.example.org:8080", &plain).await.1);
}

#[tokio::test]
async fn a_preflight_is_granted_the_headers_that_it_asks_for() {
    let settings = [("CORS_ALLOWED_ORIGINS", "https://app.example.org")];
    let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
    let preflight = async |origin: &str, lines: &[&str]| {
        let anonymous = server.anonymous();
        let mut request =
            anonymous.request(Method::OPTIONS, "/api/chats/").header("origin", origin);
        request = request.header("access-control-request-method", "POST");
        for line in lines {
            request = request.header("access-control-request-headers", *line);
        }
        let answer = Answer::of(request).await.expect(200);
        let vary = answer.header("vary").expect("a header").to_owned();
        for name in ["origin", "access-control-request-method", "access-control-request-headers"] {
            assert!(vary.split(", ").any(|named| named == name), "{vary}");
        }
        answer.header("access-control-allow-headers").map(str::to_owned)
    };
    let names = |granted: &str| granted.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let usual = preflight("https://app.example.org", &[]).await.expect("granted");
    assert!(names(&usual).contains(&"authorization".to_owned()), "{usual}");
    let lines = ["authorization,sentry-trace, X-Meow ,traceparent", "baggage", "content type, ü,,"];
    let granted = preflight("https://app.example.org", &lines).await.expect("granted");
    let new = names(&granted)[names(&usual).len()..].to_vec();
    assert_eq!(new, ["sentry-trace", "x-meow", "traceparent", "baggage"]);
    assert_eq!(preflight("https://evil.example", &lines).await, None);

    let many = (0..2_000).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
    let granted = preflight("https://app.example.org", &[&many]).await.expect("granted");
    assert!(granted.starts_with(&usual) && granted.contains(", x-99, "), "{granted}");
    assert!(granted.len() <= 4_096, "{}", granted.len());
}

#[tokio::test]
async fn an_allowed_origin_may_read_every_error() {
    let origin = "https://app.example.org";
    let settings =
        [("CORS_ALLOWED_ORIGINS", origin), ("THROTTLE", "on"), ("THROTTLE_LOGIN", "1/hour")];
    let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
    let (tom, anonymous) = (server.user("tom").await, server.anonymous());
    for _ in 0..3 {
        anonymous.login("tom", "wrong").await;
    }
    let login = "{\"username\": \"tom\", \"password\": \"wrong\"}";
    let long = "a".repeat(200_000);
    let calls = [
        (&anonymous, Method::GET, "/api/auth/me/", "", 401),
        (&tom, Method::GET, "/api/chats/9/", "", 404),
        (&tom, Method::GET, "/meow", "", 404),
        (&tom, Method::DELETE, "/api/users/", "", 405),
        (&tom, Method::POST, "/api/chats/", "{", 400),
        (&tom, Method::POST, "/api/chats/", long.as_str(), 413),
        (&tom, Method::GET, "/ws/", "", 426),
        (&anonymous, Method::POST, "/api/auth/login/", login, 429),
        (&tom, Method::GET, "/api/messages/1/", "", 500),
    ];
    for (client, method, path, body, status) in calls {
        if status == 500 {
            server.script("ALTER TABLE messages RENAME TO lost").await;
        }
        let mut request = client.request(method, path).header("origin", origin);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = Answer::of(request).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{status}");
        assert_eq!(answer.header("access-control-expose-headers"), Some(EXPOSED), "{status}");
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")), "{status}");
    }
    let host = tom.request(Method::GET, "/meow").header("host", "evil").header("origin", origin);
    let answer = Answer::of(host).await.expect(400);
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
}

#[tokio::test]
async fn an_allowed_origin_may_read_why_a_head_is_unreadable() {
    let settings = [("CORS_ALLOWED_ORIGINS", "https://app.example.org")];
    let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
    let ask = async |origin: &str, rest: &str| {
        let address = server.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let head = format!("GET / HTTP/1.1\r\nHost: {address}\r\nORIGIN: {origin}\r\n{rest}\r\n");
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    };
    for (rest, status) in [("b a d\r\n", 400), (&*"x: y\r\n".repeat(200), 431)] {
        let answer = ask("https://app.example.org", rest).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\naccess-control-allow-origin: https://app.example.org\r\n"));
        assert!(answer.contains("\r\naccess-control-expose-headers: "), "{answer}");
        let answer = ask("https://evil.example", rest).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(!answer.contains("access-control"), "{answer}");
    }
}
