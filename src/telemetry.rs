//! Sets up the log: its format, level and writer. Nothing here decides what is worth logging.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// The levels without and with `DEBUG`.
const INFO: &str = "info";
const DEBUG: &str = "debug";
/// The lowest level for other crates, whatever `LOG_LEVEL` says. At lower levels some of them log what they
/// send, such as the password for NATS.
const OTHERS: Level = Level::WARN;

/// Lines that may wait to be written. Logging never blocks: if stderr stops draining, further lines are
/// dropped.
const LINES_MAX: usize = 4_096;

/// The running log. Waiting lines are written when this is dropped, within a second.
#[derive(Debug)]
#[must_use]
pub struct Log {
    _writer: WorkerGuard,
}

/// Starts the log, on standard error. Does nothing if one is running already.
pub fn start(config: &Config) -> Log {
    let default = if config.server.debug { DEBUG } else { INFO };
    let level = config.logging.level.as_deref().unwrap_or(default);
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX).finish(stderr());
    let subscriber = tracing_subscriber::fmt()
        // The level was parsed when the settings were read.
        .with_env_filter(EnvFilter::new(level))
        .with_writer(writer)
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
    started.ok();
    Log { _writer: guard }
}

/// Whether a line cannot contain a secret. Our own lines are written with that in mind.
fn is_safe(line: &Metadata<'_>) -> bool {
    let module = line.target().strip_prefix(env!("CARGO_CRATE_NAME"));
    let is_ours = module.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    is_ours || *line.level() <= OTHERS
}
