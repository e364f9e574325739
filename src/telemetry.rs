//! Sets up the log: its format, level and writer. Nothing here decides what is worth logging.

mod lines;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, stderr};
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

use lines::Lines;

/// The levels without and with `DEBUG`.
const INFO: &str = "info";
const DEBUG: &str = "debug";
/// The lowest level for other crates, whatever `LOG_LEVEL` says. At lower levels some of them log what they
/// send, such as the password for NATS.
const OTHERS: Level = Level::WARN;
/// What is not logged at any level. The NATS client reports an error for each attempt to reconnect, which
/// `hub::bus::state` logs once; sqlx logs the values of unknown parameters of `DATABASE_URL`.
const NEVER: [&str; 2] = ["async_nats", "sqlx_postgres::options"];

/// The running log. Waiting lines are written when this is dropped, within a second.
#[derive(Debug)]
#[must_use]
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts the log, on standard error, and logs panics. Does nothing if one is running already. Fails if
/// the system has no thread for it.
pub fn start(config: &Config) -> io::Result<Log> {
    let default = if config.server.debug { DEBUG } else { INFO };
    let level = config.logging.level.as_deref().unwrap_or(default);
    let lines = Lines::written_to(stderr())?;
    let subscriber = tracing_subscriber::fmt()
        // The level was parsed when the settings were read.
        .with_env_filter(EnvFilter::new(level))
        .with_writer(lines.clone())
        // Errors of writing the log cannot be reported anywhere.
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal());
    let started = match config.logging.format {
        LogFormat::Pretty => subscriber.finish().with(filter_fn(is_safe)).try_init(),
        LogFormat::Json => {
            subscriber.json().flatten_event(true).finish().with(filter_fn(is_safe)).try_init()
        }
    };
    // Only tests start it twice in one process.
    if started.is_ok() {
        let lines = lines.clone();
        std::panic::set_hook(Box::new(move |panic| {
            log_panic(panic);
            // The process may be about to abort.
            lines.flush();
        }));
    }
    Ok(Log(lines))
}

/// Writes what `write` logs as JSON lines, at once and whatever the level: for what a server prints before
/// its log starts, after it has ended, or to standard output.
pub fn json_lines(to: impl for<'a> MakeWriter<'a> + Send + Sync + 'static, write: impl FnOnce()) {
    let subscriber = tracing_subscriber::fmt().with_writer(to).log_internal_errors(false);
    tracing::subscriber::with_default(subscriber.json().flatten_event(true).finish(), write);
}

/// Whether a line cannot contain a secret. Our own lines are written with that in mind.
fn is_safe(line: &Metadata<'_>) -> bool {
    let is_in = |module| {
        let rest = line.target().strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    is_in(env!("CARGO_CRATE_NAME")) || *line.level() <= OTHERS && !NEVER.into_iter().any(is_in)
}

/// One line, in place of the default hook's several plain ones.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("no message");
    let at = panic.location().map(ToString::to_string);
    // Empty unless RUST_BACKTRACE is set.
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(at, backtrace, "panic: {text}");
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek};
    use std::panic::{catch_unwind, set_hook, take_hook};
    use std::sync::Arc;

    #[test]
    fn a_panic_is_one_line_of_json() {
        let mut file = tempfile::tempfile().expect("a file");
        let log: Arc<File> = Arc::new(file.try_clone().expect("cloned"));
        let before = take_hook();
        set_hook(Box::new(super::log_panic));
        super::json_lines(log, || drop(catch_unwind(|| panic!("two\nlines"))));
        set_hook(before);
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("read");
        let line: serde_json::Value = serde_json::from_str(&text).expect("one line");
        assert_eq!(
            (&line["level"], &line["message"]),
            (&"ERROR".into(), &"panic: two\nlines".into())
        );
        assert!(line["at"].as_str().is_some_and(|at| at.contains("telemetry.rs:")), "{text}");
    }
}
