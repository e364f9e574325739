//! What the server tells of itself.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::reader::Reader;

/// See the fields.
#[derive(Clone, Debug)]
pub struct Logging {
    /// `LOG_LEVEL`
    pub level: Option<String>,
    /// `LOG_FORMAT`
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: an object a line.
    Json,
}

impl Logging {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            level: from.get(
                "LOG_LEVEL",
                "",
                "error, warn, info, debug or trace; also by module, such as\n\
                 info,meowsenger::store=debug. Default: info, or debug where DEBUG is on. Other\n\
                 crates log warnings and errors at most: below that, some write secrets.",
                level,
            ),
            format: from.get(
                "LOG_FORMAT",
                "pretty",
                "pretty for people, json for machines.",
                |value| match value {
                    "pretty" => Ok(LogFormat::Pretty),
                    "json" => Ok(LogFormat::Json),
                    other => Err(format!("must be pretty or json, not {other:?}")),
                },
            ),
        }
    }
}

fn level(value: &str) -> Result<Option<String>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    // The filter takes any word for a module's name.
    let is_level = |item: &str| item.contains(['=', '[']) || LevelFilter::from_str(item).is_ok();
    EnvFilter::try_new(value)
        .ok()
        .filter(|_| value.split(',').map(str::trim).all(is_level))
        .map(|_| Some(value.to_owned()))
        .ok_or_else(|| format!("is not a level or a list of them: {value:?}"))
}
