//! Accepts connections and runs a task for each. The loop is our own, since `axum::serve` limits
//! neither the number of connections nor the time in which a client sends a head or reads an
//! answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::normalize_path::NormalizePath;

use crate::app::App;

use super::admin;
use super::connections::{ConnectionHandle, ConnectionLimits, Connections, SWEEP, Slot};
use super::proxies;
use super::stream::{Answer, Stream};
use super::unreadable;

/// Largest head, and most of a body that waits to be taken, in bytes: what a slow client can hold.
const BUFFER: usize = 64 * 1024;
/// Pause when a connection cannot be accepted, such as when the system has no file descriptors left.
const NO_FILES: Duration = Duration::from_millis(100);
/// How long connections are kept during shutdown after the listener has closed, so that requests
/// already on their way are answered. No longer than the preceding delay.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

/// Serves until [`App::stopping`]; then no connection is accepted any more, and those that are open
/// end with their present request. They are among [`App::tasks`].
pub(super) async fn serve(
    service: NormalizePath<Router>,
    app: Arc<App>,
    listener: TcpListener,
    limits: ConnectionLimits,
) {
    let connections = Connections::new(limits, app.server.trusted_proxies.clone());
    app.background("sweep connections", sweep(Arc::clone(&connections)));
    while let Some((stream, peer)) = accept(&app, &listener, &connections).await {
        let slot = connections.enter(peer.ip());
        app.spawn(connection(Arc::clone(&app), service.clone(), stream, peer, slot));
    }
}

/// The next connection. `None` when the node stops and no connection waits to be accepted: closing
/// the listener would reset those that wait.
async fn accept(
    app: &App,
    listener: &TcpListener,
    connections: &Connections,
) -> Option<(TcpStream, SocketAddr)> {
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = async {
                connections.room().await;
                listener.accept().await
            } => accepted,
            () = app.stopping.cancelled() => return None,
        };
        match accepted {
            Ok(accepted) => return Some(accepted),
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                failing = true;
                connections.make_room();
                sleep(NO_FILES).await;
            }
        }
    }
}

async fn sweep(connections: Arc<Connections>) {
    let mut ticks = interval(SWEEP);
    loop {
        ticks.tick().await;
        connections.sweep();
    }
}

async fn connection(
    app: Arc<App>,
    service: NormalizePath<Router>,
    stream: TcpStream,
    peer: SocketAddr,
    slot: Slot,
) {
    // Without it, small answers wait for the peer's delayed acknowledgement; works without, too.
    stream.set_nodelay(true).ok();
    let handle = slot.handle();
    let (node, asking) = (Arc::clone(&app), handle.clone());
    let (draining, answering) = (app.draining.clone(), handle.clone());
    let service = service
        .map_request(move |request| asked(&node, &asking, peer, request))
        .map_response(move |response| answered(&draining, &answering, response));
    let mut connection = http1::Builder::new()
        // No timeout here: the connection has its own.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .max_header_size(BUFFER)
        .serve_connection(
            TokioIo::new(Stream::new(stream, slot)),
            TowerToHyperService::new(service),
        )
        .with_upgrades();
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = handle.cut() => Ok(()),
        never = close_when_stopping(&app, &handle) => match never {},
    };
    if let Err(error) = &ended {
        // The client's doing: it went away, or spoke no HTTP.
        tracing::debug!(%error, %peer, "a connection ended badly");
    }
    let is_late = ended.is_ok() && handle.is_in_head() && handle.is_overdue(Instant::now());
    let is_unreadable = ended.is_err_and(|error| error.is_parse());
    // There is no stream if the connection has become a socket.
    if (is_late || is_unreadable)
        && let Some(parts) = connection.into_parts()
    {
        let mut stream = parts.io.into_inner();
        let status = if is_late { StatusCode::REQUEST_TIMEOUT } else { stream.withheld() };
        unreadable::answer(&app, stream.tcp(), status, &parts.read_buf).await;
    }
}

/// Records the request and the client that sends it.
fn asked(
    app: &App,
    handle: &ConnectionHandle,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Request<Body> {
    handle.requested();
    let client = proxies::client(peer.ip(), request.headers(), &app.server.trusted_proxies);
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(handle.clone());
    admin::note_typed(request.map(Body::new))
}

/// Records the answer. While the node drains, each answer says `Connection: close`, so that clients
/// and proxies have left before it stops.
fn answered(
    draining: &CancellationToken,
    handle: &ConnectionHandle,
    mut response: Response<Body>,
) -> Response<Answer> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        handle.upgraded();
    } else {
        handle.stay_http();
        if draining.is_cancelled() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response.map(|body| Answer::new(body, handle.clone()))
}

/// When the node stops, asks the connection repeatedly to end as soon as nothing is in flight.
async fn close_when_stopping(app: &App, handle: &ConnectionHandle) -> Infallible {
    app.stopping.cancelled().await;
    sleep(LAST_REQUESTS.min(app.server.shutdown_delay)).await;
    loop {
        handle.call();
        sleep(SWEEP).await;
    }
}
