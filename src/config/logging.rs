//! The log.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::domain::text::quoted;

use super::reader::Reader;

/// Settings of the log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `LOG_LEVEL`
    pub level: Option<String>,
    /// `LOG_FORMAT`
    pub format: LogFormat,
    /// `LOG_ACCOUNTS`
    pub accounts: LogAccounts,
}

/// How the log names the account of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAccounts {
    /// By a hash with a key: equal for equal names, and no way back.
    Hash,
    /// By the name or e-mail address that was typed.
    Name,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object per line.
    Json,
}

impl LogSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            level: from.get(
                "LOG_LEVEL",
                "",
                "error, warn, info, debug or trace; also per module, such as\n\
                 info,meowsenger::store=debug. Default: info, or debug if DEBUG is on. Libraries log\n\
                 only warnings and errors, whatever is set here: below that, some log secrets.",
                level,
            ),
            format: from.get(
                "LOG_FORMAT",
                "pretty",
                "pretty for people, json for machines.",
                |value| match value {
                    "pretty" => Ok(LogFormat::Pretty),
                    "json" => Ok(LogFormat::Json),
                    other => Err(format!("must be pretty or json, not {}", quoted(other))),
                },
            ),
            accounts: from.get(
                "LOG_ACCOUNTS",
                "hash",
                "How lines about logins name the account: hash, or name for what was typed: a\n\
                 username, an e-mail address or, by mistake, a password. Both have the user's id, if\n\
                 the account exists.",
                |value| match value {
                    "hash" => Ok(LogAccounts::Hash),
                    "name" => Ok(LogAccounts::Name),
                    other => Err(format!("must be hash or name, not {}", quoted(other))),
                },
            ),
        }
    }
}

fn level(value: &str) -> Result<Option<String>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    // The filter would accept any word, as the name of a module.
    let is_level = |item: &str| item.contains(['=', '[']) || LevelFilter::from_str(item).is_ok();
    EnvFilter::try_new(value)
        .ok()
        .filter(|_| value.split(',').map(str::trim).all(is_level))
        .map(|_| Some(value.to_owned()))
        .ok_or_else(|| format!("must be a level or a list of levels, not {}", quoted(value)))
}
