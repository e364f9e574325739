//! Answers to request heads that cannot be parsed. No handler gets them, and hyper would answer without
//! a body and without an id.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::App;
use crate::auth::secrets::random_hex;
use crate::wire::errors::Detail;

use super::cors;
use super::middleware::POLICY;

/// The timeout for the client to read the answer.
const TIME: Duration = Duration::from_secs(3);

/// Says what is wrong with a head, logs it once, and ends the connection.
pub(super) async fn answer(app: &App, tcp: &mut TcpStream, status: StatusCode, head: &[u8]) {
    // Without random numbers nothing else works either.
    let request_id = random_hex::<16>().unwrap_or_default();
    let client = tcp.peer_addr().ok().map(|address| tracing::field::display(address.ip()));
    tracing::info!(
        status = status.as_u16(),
        why = reason(status),
        client,
        request_id,
        "unreadable request"
    );
    app.metrics.http.unreadable();
    let answer = write(status, &request_id, &cors_headers(app, head));
    let answered = async {
        tcp.write_all(answer.as_bytes()).await?;
        tcp.shutdown().await?;
        // Data that the client still sends would reset the connection, and the answer could be lost.
        let mut rest = [0; 4_096];
        while tcp.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // A client that does not read the answer, or has disconnected, gets none.
    drop(timeout(TIME, answered).await);
}

/// CORS headers, so that a page can read what is wrong, if its origin is in the part of the head that
/// arrived.
fn cors_headers(app: &App, head: &[u8]) -> String {
    let origin = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked("origin:".len())?;
        let value = value.trim_ascii();
        name.eq_ignore_ascii_case(b"origin:").then(|| HeaderValue::from_bytes(value).ok())?
    });
    let mut headers = HeaderMap::new();
    if let Some(origin) = cors::allowed_origin(app, origin.as_ref()) {
        cors::expose(&mut headers, origin);
    }
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
    lines.collect()
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::REQUEST_TIMEOUT => "The request's head took too long to arrive.",
        StatusCode::URI_TOO_LONG => "The request's target is too long.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "The request's head is larger than 64 KiB, or has more than 100 fields."
        }
        _ => "The request's head cannot be read.",
    }
}

fn write(status: StatusCode, request_id: &str, cors_headers: &str) -> String {
    let detail = Detail { detail: reason(status).into(), code: None, request_id: None };
    // Serialising texts never fails.
    let body = serde_json::to_string(&detail).unwrap_or_default();
    format!(
        "HTTP/1.1 {status}\r\n\
         content-type: application/json\r\n\
         content-length: {}\r\n\
         x-content-type-options: nosniff\r\n\
         content-security-policy: {POLICY}\r\n\
         cache-control: no-store\r\n\
         connection: close\r\n\
         x-request-id: {request_id}\r\n\
         vary: origin\r\n\
         {cors_headers}\
         \r\n\
         {body}",
        body.len()
    )
}
