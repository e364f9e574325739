//! `GET /ws/`: the checks before the upgrade. The rest is in `realtime`.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use url::form_urlencoded;

use crate::actions::{sessions, tickets};
use crate::app::App;
use crate::domain::error::Error;
use crate::domain::origin::WebOrigin;
use crate::realtime::socket::{self, SocketAuth, SocketClient};
use crate::realtime::transport::Upgrade;
use crate::wire::errors::Detail;

use super::caller::bearer;
use super::connections::ConnectionHandle;
use super::context::Context;
use super::cors;
use super::errors::{ApiError, Result};
use super::hosts::Host;
use super::proxies::{Peer, forwarded_hosts};
use super::rate_limits;

/// Open a WebSocket
///
/// The handshake of RFC 6455. `/api/schema/socket/` describes the frames. Without a token and a ticket, the
/// first frame has to be `auth`.
#[utoipa::path(
    get, path = "/ws/", tag = "socket", operation_id = "open_socket",
    security((), ("bearer" = []), ("ticket" = [])),
    responses(
        (status = 101, description = "The connection is a WebSocket from now on"),
        (status = 400, description = "The handshake is wrong", body = Detail),
        (status = 401, description = "The token or the ticket is not valid", body = Detail),
        (status = 403, description = "The `Origin` is foreign", body = Detail),
        (status = 426, description = "It is no handshake, or of another version", body = Detail),
    )
)]
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    peer: Peer,
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response> {
    let (mut request, _) = request.into_parts();
    if !is_own_or_allowed(&request.headers, peer, &app) {
        return Err(Error::PermissionDenied.into());
    }
    let upgrade = Upgrade::of(&mut request)
        .map_err(|refused| ApiError::Upgrade(refused.status, refused.text))?;
    if app.draining.is_cancelled() {
        return Err(Error::Unavailable("the node is draining".into()).into());
    }
    // Before the ticket is redeemed, which can be used only once.
    if request.extensions.get().is_some_and(|handle: &ConnectionHandle| !handle.upgrade()) {
        return Err(Error::Unavailable("there are too many sockets".into()).into());
    }
    let found = match (bearer(&request.headers), ticket(&request.uri)) {
        (Ok(Some(token)), _) => Some(sessions::authenticate(&app, token).await),
        (Ok(None), Some(ticket)) => Some(tickets::redeem(&app, &ticket).await),
        (Ok(None), None) => None,
        (Err(error), _) => Some(Err(error)),
    };
    let entry = match found {
        Some(found) => {
            let caller = rate_limits::admit(&app, peer, found)?;
            context.set_user(caller.user.id);
            SocketAuth::Authenticated(caller)
        }
        None => {
            rate_limits::anonymous(&app, peer)?;
            SocketAuth::ByFirstFrame
        }
    };
    let client =
        SocketClient { address: peer.address, request_id: context.request_id().to_owned() };
    Ok(socket::upgrade(upgrade, app, entry, client))
}

/// The ticket of a client that cannot set headers.
fn ticket(uri: &Uri) -> Option<String> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "ticket")
        .map(|(_, ticket)| ticket.into_owned())
}

/// Browsers always send a page's origin, and pages cannot change it. Clients without one are not pages.
fn is_own_or_allowed(headers: &HeaderMap, peer: Peer, app: &App) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let Some(origin) = cors::parse(origin) else { return false };
        is_own(&origin, headers, peer, app) || app.server.cors_allowed_origins.contains(&origin)
    })
}

/// Whether the page comes from this server, under the name by which clients reach it. A page cannot set
/// `X-Forwarded-Host`, so each name in it counts, whichever proxy wrote it.
fn is_own(origin: &WebOrigin, headers: &HeaderMap, peer: Peer, app: &App) -> bool {
    let is_of = |host: &str| origin.is_of_host(host, peer.is_secure);
    let public = app.server.public_url.as_ref();
    public.is_some_and(|url| *url == origin.to_string())
        || Host::of(headers).is_some_and(|host| is_of(host.text))
        || (peer.is_proxied && forwarded_hosts(headers).any(is_of))
}
