//! Floors: the least that the same work can cost on this machine, measured in the same run by the same load
//! generator. None of the server's code is involved.

mod fanout;
mod http;
mod insert;

use std::process::Command;

use crate::Result;
use crate::server::Server;

pub use fanout::measure as fanout;
pub use http::measure as http;
pub use insert::measure as insert;

/// A server that does nothing but what its floor is about, run as a process of its own so that its CPU time
/// can be measured.
#[derive(clap::Args)]
pub struct Arguments {
    /// The kind of server
    #[arg(value_enum)]
    kind: Kind,
    /// Sockets to which each message is sent
    #[arg(default_value_t = 0)]
    sockets: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Http,
    Fanout,
}

/// Serves until the process is killed.
pub fn serve(arguments: &Arguments) -> Result<bool> {
    match arguments.kind {
        Kind::Http => http::serve()?,
        Kind::Fanout => fanout::serve(arguments.sockets)?,
    }
    Ok(true)
}

/// Starts this program as such a server.
fn start(kind: &str, sockets: usize) -> Result<Server> {
    let program = std::env::current_exe()?;
    Server::spawn(Command::new(program).args(["floor", kind, &sockets.to_string()]))
}
