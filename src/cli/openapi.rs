//! `openapi`: print the OpenAPI document.

use crate::http;

use super::{Result, say};

pub(super) fn run() -> Result {
    say(&http::document().to_pretty_json()?);
    Ok(())
}
