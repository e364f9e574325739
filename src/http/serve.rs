//! Accepting connections. A loop of our own, since `axum::serve` sets no time limit on a request's
//! head, so that a slow client could hold connections for ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tower_http::normalize_path::NormalizePath;

use crate::app::App;

use super::proxies;

/// How long a client may take to send a request's head, or to begin the next one.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// Largest head, and most of a body that waits to be taken, in bytes: what a slow client can hold.
const BUFFER: usize = 64 * 1024;
/// Pause when the system has no file descriptors left.
const NO_FILES: Duration = Duration::from_millis(100);

/// Serves until [`App::stopping`]; then no connection is accepted any more, and those that are open
/// end with their present request. They are among [`App::tasks`].
pub async fn serve(app: Arc<App>, listener: TcpListener) {
    match listener.local_addr() {
        Ok(address) => app.urls.listen_on(address),
        Err(error) => tracing::warn!(%error, "the listener does not know its address"),
    }
    let service = super::service(&app);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stopping.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(Arc::clone(&app), service.clone(), stream, peer);
                app.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(NO_FILES).await;
            }
        }
    }
}

async fn connection(
    app: Arc<App>,
    service: NormalizePath<Router>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Without it, small answers wait for the peer's delayed acknowledgement; works without, too.
    stream.set_nodelay(true).ok();
    let node = Arc::clone(&app);
    let service = service.map_request(move |mut request: hyper::Request<Incoming>| {
        let trusted = &node.server.trusted_proxies;
        let client = proxies::client(peer.ip(), request.headers(), trusted);
        request.extensions_mut().insert(client);
        request.map(Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = app.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client's doing: it went away, or spoke no HTTP.
        tracing::debug!(%error, %peer, "a connection ended badly");
    }
}
