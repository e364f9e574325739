//! The log lines of a socket: one when it is authenticated, one when it closes. They have no frame's
//! content.

use std::net::IpAddr;

use tokio::time::Instant;

use crate::domain::ids::{SessionId, UserId};

use super::close::Close;
use super::transport::Traffic;

/// The close code of a connection that ended without a close frame (RFC 6455, 7.1.5). It is never sent.
const LOST: u16 = 1006;

/// The client of a socket, as far as its request shows.
#[derive(Debug)]
pub struct SocketClient {
    /// Its address, behind any trusted proxies.
    pub address: IpAddr,
    /// The id of the request that opened the socket.
    pub request_id: String,
}

/// What the lines of one socket have in common.
#[derive(Debug)]
pub(super) struct SocketLog {
    client: SocketClient,
    since: Instant,
    caller: Option<(UserId, SessionId)>,
}

impl SocketLog {
    pub(super) fn new(client: SocketClient) -> Self {
        Self { client, since: Instant::now(), caller: None }
    }

    pub(super) fn authenticated(&mut self, user: UserId, session: SessionId) {
        self.caller = Some((user, session));
        tracing::info!(
            user = user.0,
            session = session.0,
            client = %self.client.address,
            request_id = self.client.request_id,
            "socket opened"
        );
    }

    pub(super) fn closed(&self, close: Close, traffic: Traffic) {
        let (code, reason) = match (close.frame(), traffic.peer_code) {
            (Some(frame), _) => (frame.code.into(), frame.reason.to_string()),
            // The client's own reason is its text, and not logged.
            (None, Some(code)) => (code, "closed by the client".to_owned()),
            (None, None) => (LOST, "connection lost".to_owned()),
        };
        tracing::info!(
            user = self.caller.map(|(user, _)| user.0),
            session = self.caller.map(|(_, session)| session.0),
            code,
            reason,
            seconds = (self.since.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
            received = traffic.received,
            sent = traffic.sent,
            client = %self.client.address,
            request_id = self.client.request_id,
            "socket closed"
        );
    }
}
