//! Answers to request heads that cannot be parsed. No handler gets them, and hyper would answer without
//! a body and without an id.

use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::auth::secrets::random_hex;
use crate::wire::errors::Detail;

/// The timeout for the client to read the answer.
const TIME: Duration = Duration::from_secs(3);

/// Says what is wrong with a head, logs it once, and ends the connection.
pub(super) async fn answer(tcp: &mut TcpStream, status: StatusCode) {
    // Without random numbers nothing else works either.
    let request_id = random_hex::<16>().unwrap_or_default();
    tracing::info!(status = status.as_u16(), request_id, "unreadable request");
    let answer = write(status, &request_id);
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

fn write(status: StatusCode, request_id: &str) -> String {
    let detail = match status {
        StatusCode::REQUEST_TIMEOUT => "The request's head took too long to arrive.",
        StatusCode::URI_TOO_LONG => "The request's target is too long.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "The request's head is larger than 64 KiB, or has more than 100 fields."
        }
        _ => "The request's head cannot be read.",
    };
    let detail = Detail { detail: detail.into(), code: None, request_id: None };
    // Serialising texts never fails.
    let body = serde_json::to_string(&detail).unwrap_or_default();
    format!(
        "HTTP/1.1 {status}\r\n\
         content-type: application/json\r\n\
         content-length: {}\r\n\
         x-content-type-options: nosniff\r\n\
         cache-control: no-store\r\n\
         connection: close\r\n\
         x-request-id: {request_id}\r\n\
         \r\n\
         {body}",
        body.len()
    )
}
