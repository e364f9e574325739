//! Why another server cannot be reached, in words for operators. Knows no protocol.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// The name and port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or address; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Server {
    /// Connects and disconnects. The error is the cause of a failure.
    pub async fn probe(&self, limit: Duration) -> Result<(), String> {
        match timeout(limit, TcpStream::connect((&*self.host, self.port))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(cause(&error)),
            Err(_) => Err(cause(&ErrorKind::TimedOut.into())),
        }
    }
}

/// What an error of the network means.
pub fn cause(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused (nothing listens there)".to_owned(),
        ErrorKind::TimedOut => "timed out (no answer: wrong address, or a firewall)".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            "the server closed the connection".to_owned()
        }
        // The kind of a failed look-up has no stable name.
        _ => match error.to_string() {
            text if text.contains("lookup address") => "the name is not found".to_owned(),
            text => text,
        },
    }
}
