//! Sets up the log (its format, level and writer) and the export of traces. Nothing here decides what is worth
//! either.

mod files;
mod lines;
mod otlp;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, stderr};
use std::panic::PanicHookInfo;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use time::{Date, OffsetDateTime};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::config::{Config, LogFormat};
use crate::traces;

use files::LogFiles;
use lines::Lines;

/// The levels without and with `DEBUG`.
const INFO: &str = "info";
const DEBUG: &str = "debug";
/// The lowest level for other crates, whatever `LOG_LEVEL` says. At lower levels some of them log what they
/// send, such as the password for NATS.
const OTHERS: Level = Level::WARN;
/// What is not logged at any level. The NATS client reports an error for each attempt to reconnect, which
/// `hub::bus::state` logs once; sqlx logs slow statements, which `store::observer` does by name, and the values of
/// unknown parameters of `DATABASE_URL`.
const NEVER: [&str; 3] = ["async_nats", "sqlx::query", "sqlx_postgres::options"];

/// How long the process waits for its traces before it ends.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// The running log. Waiting lines are written when this is dropped, within a second.
#[derive(Debug)]
#[must_use]
pub struct Log {
    lines: Lines,
    /// Where traces are exported.
    provider: Option<SdkTracerProvider>,
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider
            && let Err(error) = provider.shutdown_with_timeout(LAST_SPANS)
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
        self.lines.flush();
    }
}

/// Starts the log, on standard error, and logs panics. Does nothing if one is running already. Fails if
/// the system has no thread for it.
pub fn start(config: &Config) -> io::Result<Log> {
    let lines = Lines::written_to(stderr())?;
    start_on(config, lines, stderr().is_terminal())
}

/// Starts the log of a server: in the files of `LOG_DIR`, if that is set. Fails if these cannot be written.
pub fn start_server(config: &Config) -> io::Result<Log> {
    let Some(settings) = &config.logging.files else { return start(config) };
    let opened = LogFiles::open(settings, today());
    let mut files = opened.map_err(|error| {
        io::Error::other(format!("LOG_DIR: {}: {error}", settings.folder.display()))
    })?;
    let lines = Lines::written_by(move |lines, errors| files.write(lines, errors, today()))?;
    start_on(config, lines, false)
}

fn start_on(config: &Config, lines: Lines, is_terminal: bool) -> io::Result<Log> {
    let default = if config.server.debug { DEBUG } else { INFO };
    let level = config.logging.level.as_deref().unwrap_or(default);
    let layer = fmt::layer()
        .with_writer(lines.clone())
        // Errors of writing the log cannot be reported anywhere.
        .log_internal_errors(false)
        .with_ansi(is_terminal);
    let layer = match config.logging.format {
        LogFormat::Pretty => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // The level was parsed when the settings were read.
    let (levels, safe) = (EnvFilter::new(level), filter_fn(is_safe));
    let provider = otlp::provider(&config.traces)?;
    let started = match &provider {
        None => registry().with(layer).with(levels).with(safe).try_init(),
        Some(provider) => {
            let spans = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(env!("CARGO_CRATE_NAME")))
                .with_location(false)
                .with_threads(false)
                .with_level(false)
                .with_tracked_inactivity(false);
            let layer = layer.with_filter(levels).with_filter(safe);
            registry().with(layer).with(spans.with_filter(filter_fn(is_trace))).try_init()
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
    Ok(Log { lines, provider })
}

/// The day by which the log's files are named, as the times of its lines: UTC, by the system's clock.
#[expect(clippy::disallowed_methods, reason = "the log's lines have the system's time, too")]
fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

/// Writes what `write` logs as JSON lines, at once and whatever the level: for what a server prints before
/// its log starts, after it has ended, or to standard output.
pub fn json_lines(to: impl for<'a> MakeWriter<'a> + Send + Sync + 'static, write: impl FnOnce()) {
    let subscriber = tracing_subscriber::fmt().with_writer(to).log_internal_errors(false);
    tracing::subscriber::with_default(subscriber.json().flatten_event(true).finish(), write);
}

/// Whether a line cannot contain a secret. Our own lines are written with that in mind.
fn is_safe(line: &Metadata<'_>) -> bool {
    if is_trace(line) {
        return false;
    }
    let is_in = |module| {
        let rest = line.target().strip_prefix(module);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    is_in(env!("CARGO_CRATE_NAME")) || *line.level() <= OTHERS && !NEVER.into_iter().any(is_in)
}

fn is_trace(line: &Metadata<'_>) -> bool {
    line.target() == traces::TARGET
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
