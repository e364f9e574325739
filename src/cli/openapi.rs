//! `openapi`: print the OpenAPI document, or the socket's AsyncAPI one, as a server with these
//! settings gives it.

use crate::config::{Config, environment};
use crate::http;

use super::{Result, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The socket's document instead, in AsyncAPI 3.0
    #[arg(long)]
    socket: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result {
    let limits = Config::read(&environment()?)?.limits;
    if arguments.socket {
        say(&serde_json::to_string_pretty(&http::socket_document(limits.message_length)?)?);
    } else {
        say(&http::document(limits.message_length).to_pretty_json()?);
    }
    Ok(())
}
