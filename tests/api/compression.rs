//! Compression of answers, and refusal of compressed requests.

use std::io::Read;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp};

/// The headers of an answer, and its body as it was sent.
async fn sent(request: RequestBuilder) -> (HeaderMap, Vec<u8>) {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    assert!(status.is_success(), "{status}");
    (headers, response.bytes().await.expect("a body").to_vec())
}

fn plain(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let read = match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(body, 4_096).read_to_end(&mut plain),
        "zstd" => zstd::Decoder::new(body).and_then(|mut reader| reader.read_to_end(&mut plain)),
        other => panic!("{other}"),
    };
    read.expect("readable");
    plain
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

/// A chat with more than a page of messages.
async fn chat(tom: &Client, kitty: &Client) -> i64 {
    let chat = tom.private_chat(kitty).await;
    for n in 0..60 {
        tom.say(chat, &format!("meow {n} ").repeat(20)).await;
    }
    chat
}

#[tokio::test]
async fn answers_of_1_kib_are_compressed_as_the_client_accepts() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = chat(&tom, &kitty).await;
    let paths = [
        format!("/api/chats/{chat}/messages/"),
        format!("/api/chats/{chat}/"),
        "/api/schema/".to_owned(),
        "/api/schema/socket/".to_owned(),
        "/api/docs/swagger-ui-bundle.js".to_owned(),
    ];
    for path in &paths {
        let ask = |method| tom.request(method, path);
        let (headers, as_it_is) = sent(ask(Method::GET)).await;
        assert_eq!(text(&headers, "content-encoding"), "");
        assert_eq!(text(&headers, "vary"), "origin, accept-encoding", "{path}");
        assert_eq!(headers.get_all("vary").iter().count(), 1);
        for coding in ["zstd", "br", "gzip"] {
            let accepted = |method| ask(method).header("accept-encoding", coding);
            let (headers, body) = sent(accepted(Method::GET)).await;
            assert_eq!(text(&headers, "content-encoding"), coding, "{path}");
            assert_eq!(text(&headers, "vary"), "origin, accept-encoding", "{path}");
            assert_eq!(text(&headers, "content-length"), body.len().to_string(), "{path}");
            assert!(body.len() < as_it_is.len() && plain(coding, &body) == as_it_is, "{path}");
            let (head, nothing) = sent(accepted(Method::HEAD)).await;
            for name in ["content-encoding", "content-length", "content-type", "vary"] {
                assert_eq!(text(&head, name), text(&headers, name), "{name} of {path}");
            }
            assert!(nothing.is_empty());
        }
    }
    let known = json!({"versions": {chat.to_string(): 0}});
    let sync = tom.request(Method::POST, "/api/sync/").json(&known);
    let (headers, body) = sent(sync.header("accept-encoding", "gzip, deflate, br, zstd")).await;
    assert_eq!(text(&headers, "content-encoding"), "zstd");
    let synced: Value = serde_json::from_slice(&plain("zstd", &body)).expect("JSON");
    assert!(synced["changes"].is_array(), "{synced}");
}

#[tokio::test]
async fn small_answers_accounts_and_pictures_are_sent_as_they_are() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let tom = server.user("tom").await;
    for _ in 0..10 {
        tom.login(&tom.username, PASSWORD).await.expect(200);
    }
    let all = |method, path: &str| {
        tom.request(method, path).header("accept-encoding", "zstd, br, gzip, *")
    };
    for path in ["/api/users/", "/api/chats/", "/healthz/", &format!("/api/users/{}/", tom.id)] {
        let (headers, body) = sent(all(Method::GET, path)).await;
        assert_eq!(text(&headers, "content-encoding"), "", "{path}");
        assert!(body.len() < 1_024, "{path}");
    }
    let (headers, body) = sent(all(Method::GET, "/api/auth/sessions/")).await;
    assert!(body.len() > 1_024 && text(&headers, "content-encoding").is_empty());
    assert!(!text(&headers, "vary").contains("accept-encoding"));

    let picture = image::RgbImage::from_fn(200, 200, |x, y| image::Rgb([(x * y) as u8; 3]));
    let mut file = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut file, image::ImageFormat::Png).expect("written");
    let put = tom.request(Method::PUT, "/api/auth/me/avatar/");
    let put = put.header("content-type", "image/png").body(file.into_inner());
    let avatar = Answer::of(put).await.expect(200).json["avatar"].clone();
    let path = avatar.as_str().and_then(|url| url.strip_prefix(&server.base)).expect("a path");
    let (headers, body) = sent(all(Method::GET, path)).await;
    assert!(body.len() > 1_024 && text(&headers, "content-encoding").is_empty());
}

#[tokio::test]
async fn long_errors_are_compressed_and_sockets_are_left_alone() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let body =
        json!({"type": "group", "name": "cats", "members": (9_000..9_100).collect::<Vec<_>>()});
    let request = tom.request(Method::POST, "/api/chats/").json(&body);
    let response = request.header("accept-encoding", "br").send().await.expect("an answer");
    assert_eq!(response.status(), 400);
    assert_eq!(text(response.headers(), "content-encoding"), "br");
    let body = plain("br", &response.bytes().await.expect("a body"));
    let errors: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(errors["members"].as_array().map(Vec::len), Some(100), "{errors}");

    let token = format!("Bearer {}", kitty.access);
    let headers = [("authorization", token.as_str()), ("accept-encoding", "identity;q=0, gzip")];
    let mut socket = Socket::dial(&kitty, "/ws/", &headers).await.expect("upgraded");
    assert_eq!(socket.next().await["type"], "ready");
}

#[tokio::test]
async fn a_compressed_request_is_refused() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let messages = format!("/api/chats/{}/messages/", tom.private_chat(&kitty).await);
    let form = "multipart/form-data; boundary=x";
    let calls = [
        (Method::POST, messages.as_str(), "application/json", "{\"content\": \"meow\"}"),
        (Method::POST, "/api/auth/login/", "application/json", "{}"),
        (Method::PATCH, "/api/auth/me/", form, "--x--\r\n"),
        (Method::PUT, "/api/auth/me/avatar/", form, "--x--\r\n"),
        (Method::PUT, "/api/auth/me/avatar/", "image/png", "x"),
    ];
    for (method, path, kind, body) in calls {
        let send = async |encoding: &str| {
            let request = tom.request(method.clone(), path).header("content-type", kind);
            Answer::of(request.header("content-encoding", encoding).body(body)).await
        };
        for encoding in ["gzip", "br", "zstd", "GZIP", "identity, gzip", "aes128gcm"] {
            let text = format!("Unsupported content encoding \"{encoding}\" in request.");
            let refused = send(encoding).await.expect_detail(415, &text);
            assert_eq!(refused.header("accept-encoding"), Some("identity"), "{path}");
        }
        for encoding in ["identity", "Identity", "", "identity, identity"] {
            assert_ne!(send(encoding).await.status, 415, "{path} {encoding}");
        }
    }
    // What the caller may not know comes first.
    let request = tom.request(Method::POST, "/api/chats/999/messages/").body("x");
    Answer::of(request.header("content-encoding", "gzip")).await.expect_not_found();
    // There is no body.
    let request = tom.request(Method::GET, "/api/auth/me/").header("content-encoding", "gzip");
    Answer::of(request).await.expect(200);
}
