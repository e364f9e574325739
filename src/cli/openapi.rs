//! `openapi`: prints the OpenAPI document, or the AsyncAPI document of the WebSocket, as a server with
//! these settings serves it.

use crate::config::{Config, environment};
use crate::http;

use super::context::{Result, say};

#[derive(Debug, clap::Args)]
pub(super) struct OpenapiArguments {
    /// Print the AsyncAPI 3.0 document of the WebSocket instead
    #[arg(long)]
    socket: bool,
}

pub(super) fn run(arguments: &OpenapiArguments) -> Result {
    let limits = Config::read(&environment()?)?.limits;
    if arguments.socket {
        say(&serde_json::to_string_pretty(&http::socket_document(limits.message_length)?)?);
    } else {
        say(&http::document(limits.message_length).to_pretty_json()?);
    }
    Ok(())
}
