//! A WebSocket echo server on the server's transport layer, for the Autobahn test suite
//! (`scripts/autobahn`). It is not part of the server and knows nothing of chats.
//!
//! ```sh
//! cargo run --example echo -- 127.0.0.1:9001
//! ```

use std::io::{Write, stdout};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::{Listener, ListenerExt};
use meowsenger::realtime::close::Close;
use meowsenger::realtime::transport::{self, Socket, Upgrade};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

/// The suite sends messages of up to 16 MiB; the server's own limit is `transport::MESSAGE_MAX`.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener =
        TcpListener::bind(address).await?.tap_io(|stream| drop(stream.set_nodelay(true)));
    writeln!(stdout(), "listening on {}", listener.local_addr()?)?;
    axum::serve(listener, Router::new().route("/", get(upgrade))).await
}

#[expect(clippy::disallowed_methods, reason = "there is no App here, and no shutdown to wait for")]
async fn upgrade(request: Request) -> Response {
    match Upgrade::of(&mut request.into_parts().0) {
        Ok(upgrade) => {
            let (answer, opened) = upgrade.accept(MESSAGE_MAX, None);
            tokio::spawn(async {
                if let Some(mut socket) = opened.await {
                    let close = echo(&mut socket).await;
                    transport::close_handshake(socket, close, transport::CLOSE_TIMEOUT).await;
                }
            });
            answer
        }
        Err(refused) => (refused.status, refused.text).into_response(),
    }
}

async fn echo(socket: &mut Socket) -> Close {
    loop {
        let done = match socket.next().await {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).await,
            // The pong is queued; flush it.
            Ok(Message::Ping(_)) => socket.flush().await,
            Ok(Message::Close(_)) => return Close::Gone,
            Ok(_) => Ok(()),
            Err(close) => return close,
        };
        if let Err(close) = done {
            return close;
        }
    }
}
