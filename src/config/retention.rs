//! For how long the site keeps what it stores.

use std::time::Duration;

use super::reader::{Reader, time};

/// For how long the site keeps messages and audit rows; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// `RETENTION_MESSAGES`
    pub messages: Option<Duration>,
    /// `RETENTION_AUDIT`
    pub audit: Option<Duration>,
}

impl RetentionSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            messages: from.get(
                "RETENTION_MESSAGES",
                "off",
                "How long messages are kept, such as 365d; then they are removed for everybody,\n\
                 tombstones included. off: for ever. They are kept up to 2 % longer, and a\n\
                 repeated send is recognised by its client_id only as long.",
                time_or_off,
            ),
            audit: from.get(
                "RETENTION_AUDIT",
                "off",
                "How long rows of the table audit are kept: what staff did to others. off: for ever.",
                time_or_off,
            ),
        }
    }
}

fn time_or_off(value: &str) -> Result<Option<Duration>, String> {
    match value {
        "off" => Ok(None),
        _ => time(value).map(Some).map_err(|error| format!("{error}; or off")),
    }
}
