//! `openapi`: print the OpenAPI document, as a server with these settings gives it.

use crate::config::{Config, environment};
use crate::http;

use super::{Result, say};

pub(super) fn run() -> Result {
    let limits = Config::read(&environment()?)?.limits;
    say(&http::document(limits.message_length).to_pretty_json()?);
    Ok(())
}
