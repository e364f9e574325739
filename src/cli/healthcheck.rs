//! `healthcheck [ADDR]`: asks the server on this machine whether it is ready. For containers, whose image
//! has no other client.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Bind, Config, ListenAddress, environment};
use crate::reach;

use super::context::{Result, say};

/// Timeout for the answer.
const LIMIT: Duration = Duration::from_secs(3);
/// The longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 64 * 1024;

/// The arguments of `healthcheck`.
#[derive(Debug, clap::Args)]
pub(super) struct HealthcheckArguments {
    /// PORT, HOST or HOST:PORT, as for runserver; overrides BIND
    #[arg(value_name = "ADDR", value_parser = ListenAddress::parse)]
    address: Option<ListenAddress>,
}

pub(super) async fn run(arguments: &HealthcheckArguments) -> Result {
    let config = Config::read(&environment()?)?;
    let bind = arguments.address.clone().unwrap_or_default().or(&config.server.bind);
    let server = reachable(bind);
    let answer = match timeout(LIMIT, ask(&server)).await {
        Ok(answer) => answer.map_err(|error| format!("{server}: {}", reach::cause(&error)))?,
        Err(_) => return Err(format!("{server}: no answer within {} s", LIMIT.as_secs()).into()),
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    match head.split(' ').nth(1) {
        Some("200") => say(body),
        _ => return Err(format!("{server} is not ready: {body}").into()),
    }
    Ok(())
}

/// Where to connect to a server that may listen on all addresses.
fn reachable(bind: Bind) -> Bind {
    let host = match bind.host.parse() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "::1".to_owned(),
        _ => bind.host,
    };
    Bind { host, ..bind }
}

async fn ask(server: &Bind) -> io::Result<String> {
    let mut tcp = TcpStream::connect((&*server.host, server.port)).await?;
    // Any host will do for health checks.
    tcp.write_all(b"GET /readyz/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    tcp.take(ANSWER_MAX).read_to_string(&mut answer).await?;
    Ok(answer)
}
