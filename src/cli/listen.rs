//! Opens the port that the server listens on. Accepts nothing yet.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::config::Bind;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A port that no other server can take, and to which nobody can connect yet.
#[derive(Debug)]
pub(super) struct Port {
    socket: TcpSocket,
    bind: Bind,
}

impl Port {
    /// Takes the port, before anything else is opened: a server that could not listen must not migrate
    /// anything. Of a name's addresses the first one that works is used, IPv4 first: `localhost` often has
    /// two, and most clients use that one.
    pub(super) async fn take(bind: Bind) -> Result<Self, String> {
        let mut addresses: Vec<SocketAddr> = match lookup_host((&*bind.host, bind.port)).await {
            Ok(addresses) => addresses.collect(),
            Err(error) => return Err(fault(&bind, &error)),
        };
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let mut last = io::Error::other("the name has no address");
        for address in addresses {
            match socket(address) {
                Ok(socket) => return Ok(Self { socket, bind }),
                Err(error) => last = error,
            }
        }
        Err(fault(&bind, &last))
    }

    /// Lets clients connect.
    pub(super) fn listen(self) -> Result<TcpListener, String> {
        self.socket.listen(BACKLOG).map_err(|error| fault(&self.bind, &error))
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Otherwise the port of a server that has just ended is refused for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn fault(bind: &Bind, error: &io::Error) -> String {
    format!("cannot listen on {bind}: {error}")
}
