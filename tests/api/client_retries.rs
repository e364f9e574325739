//! When `meowsenger-client` repeats a call, against a server that answers as scripted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use meowsenger_client::types::{NewGroup, Picture, TokenPair};
use meowsenger_client::{ChatId, Client, Error, ErrorKind, Server};
use tokio::net::TcpListener;

use crate::avatars::png;

type Answers = Arc<Mutex<VecDeque<(u16, &'static str)>>>;

/// A client of a server that gives these answers: a status, and the body or the `Retry-After`.
async fn client(answers: &[(u16, &'static str)]) -> (Client, Answers) {
    let answers: Answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
    let script = Arc::clone(&answers);
    let answer = async move || {
        let (status, text) = script.lock().expect("not poisoned").pop_front().expect("an answer");
        let status = StatusCode::from_u16(status).expect("a status");
        let wait = if status.is_server_error() { text } else { "" };
        (status, [("retry-after", wait)], if wait.is_empty() { text } else { "" }).into_response()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(answer)).await });
    (Server::new(&url).resume(TokenPair::new("access", "refresh")), answers)
}

fn left(answers: &Answers) -> usize {
    answers.lock().expect("not poisoned").len()
}

#[tokio::test]
async fn an_idempotent_call_is_repeated_after_the_time_that_the_server_names() {
    let (client, answers) = client(&[(503, "1"), (200, "{}")]).await;
    let start = Instant::now();
    let answer = client.request(reqwest::Method::GET, "/api/auth/me/", None).await;
    assert_eq!(answer.expect_err("no retries").kind(), Some(ErrorKind::Unavailable));
    assert_eq!((left(&answers), start.elapsed() < Duration::from_secs(1)), (1, true));

    let (client, answers) = self::client(&[(503, "1"), (204, "")]).await;
    client.end_other_sessions().await.expect("ended");
    assert_eq!((left(&answers), start.elapsed() >= Duration::from_secs(1)), (0, true));
}

#[tokio::test]
async fn a_call_that_is_not_idempotent_is_made_once() {
    let (client, answers) = client(&[(503, "0"), (201, "{}")]).await;
    let refused = client.create_group(&NewGroup::new("Kitchen")).await.expect_err("once");
    assert_eq!((refused.kind(), left(&answers)), (Some(ErrorKind::Unavailable), 1));
}

#[tokio::test]
async fn what_a_repeated_deletion_does_not_find_any_more_is_deleted() {
    let (client, _answers) = client(&[(504, "0"), (404, "{}"), (404, "{}")]).await;
    client.delete_chat(ChatId(1)).await.expect("deleted by the first attempt");
    let error = client.delete_chat(ChatId(1)).await.expect_err("never there");
    assert_eq!(error.kind(), Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn bytes_are_uploaded_again_and_a_stream_is_not() {
    let chat = ChatId(1);
    let (client, answers) = client(&[(503, "0"), (400, "{}"), (503, "0"), (400, "{}")]).await;
    let refused = client.set_chat_avatar(chat, png(1, 1)).await.expect_err("refused");
    assert_eq!((refused.kind(), left(&answers)), (Some(ErrorKind::Invalid), 2));
    let stream = Picture::stream(png(1, 1));
    let refused = client.set_chat_avatar(chat, stream).await.expect_err("refused");
    assert_eq!((refused.kind(), left(&answers)), (Some(ErrorKind::Unavailable), 1));
}

#[tokio::test]
async fn what_cannot_be_sent_is_no_network_error() {
    for url in ["whiskers", "127.0.0.1:8000", "ftp://127.0.0.1"] {
        let error = Server::new(url).log_in("whiskers", "nine-lives-2026").await;
        assert!(matches!(error, Err(Error::InvalidRequest(_))), "{url}: {error:?}");
    }
}
