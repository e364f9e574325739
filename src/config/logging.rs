//! The log.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::domain::text::quoted;

use super::reader::{Reader, number, time, time_or_zero};

/// Settings of the log.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `LOG_LEVEL`
    pub level: Option<String>,
    /// `LOG_FORMAT`
    pub format: LogFormat,
    /// `LOG_ACCOUNTS`
    pub accounts: LogAccounts,
    /// `LOG_SLOW_SQL`; `None`: off
    pub slow_sql: Option<Duration>,
    /// `LOG_DIR`; `None`: a server's log is written to standard error
    pub files: Option<LogFileSettings>,
}

/// The files of a server's log.
#[derive(Clone, Debug)]
pub struct LogFileSettings {
    /// `LOG_DIR`
    pub folder: PathBuf,
    /// `LOG_MAX_BYTES`
    pub bytes_max: u64,
    /// `LOG_KEEP`
    pub keep: LogKeep,
}

/// Which earlier files of the log are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKeep {
    /// The last ones.
    Files(usize),
    /// Those of so many days.
    Days(i64),
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
            slow_sql: from.get(
                "LOG_SLOW_SQL",
                "200ms",
                "SQL statements that take this long are logged by name: a number with ms, or a duration\n\
                 as elsewhere; 0: all of them, off: none. Values are not logged.",
                slow,
            ),
            files: Self::read_files(from),
        }
    }
}

impl LogSettings {
    fn read_files(from: &mut Reader<'_>) -> Option<LogFileSettings> {
        let folder = from.get(
            "LOG_DIR",
            "",
            "A folder for the log of runserver, which is written there instead of to standard error:\n\
             meowsenger.log, and errors.log with errors alone. They are renamed at the end of a day\n\
             (UTC) and when they are full. Each server needs a folder of its own. Other commands log\n\
             to standard error.",
            |value| Ok(Some(value).filter(|value| !value.is_empty()).map(PathBuf::from)),
        );
        let bytes_max = from.get(
            "LOG_MAX_BYTES",
            "104857600",
            "The size at which a file in LOG_DIR is full.",
            |value| number(value, 65_536, 1 << 40),
        );
        let keep = from.get(
            "LOG_KEEP",
            "14d",
            "Which earlier files in LOG_DIR are kept: a number of them, or those of a time such as\n\
             14d. A number bounds what they take from the disk.",
            keep,
        );
        folder.map(|folder| LogFileSettings { folder, bytes_max, keep })
    }
}

fn keep(value: &str) -> Result<LogKeep, String> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(value, 1, 100_000).map(LogKeep::Files);
    }
    let days = |time: Duration| i64::try_from(time.as_secs().div_ceil(86_400)).unwrap_or(i64::MAX);
    let error =
        || format!("must be a number of files, or a time such as 14d, not {}", quoted(value));
    time(value).map(|time| LogKeep::Days(days(time))).map_err(|_| error())
}

fn slow(value: &str) -> Result<Option<Duration>, String> {
    if value == "off" {
        return Ok(None);
    }
    if let Some(Ok(millis)) = value.strip_suffix("ms").map(str::parse::<u32>) {
        return Ok(Some(Duration::from_millis(millis.into())));
    }
    let error = || format!("must be a duration such as 200ms or 2s, or off, not {}", quoted(value));
    time_or_zero(value).map(Some).map_err(|_| error())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_by_number_or_time() {
        assert_eq!(keep("7"), Ok(LogKeep::Files(7)));
        assert_eq!(keep("7d"), Ok(LogKeep::Days(7)));
        assert_eq!(keep("36h"), Ok(LogKeep::Days(2)));
        for bad in ["0", "0d", "-1", "d", "for ever"] {
            assert!(keep(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn slow_statements_are_counted_in_milliseconds_or_more() {
        let millis = |number| Ok(Some(Duration::from_millis(number)));
        assert_eq!(slow("200ms"), millis(200));
        assert_eq!(slow("2s"), millis(2_000));
        assert_eq!(slow("0"), millis(0));
        assert_eq!(slow("off"), Ok(None));
        for bad in ["ms", "-1ms", "1.5s", "fast"] {
            assert!(slow(bad).is_err_and(|error| error.contains("200ms")), "{bad}");
        }
    }
}
