//! The log: what is written, and how. Nothing here decides what is worth logging.

use std::io::{IsTerminal, stderr};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// Without what crates tell of their everyday business.
const INFO: &str = "info,async_nats=warn,sqlx::postgres::notice=warn";
const DEBUG: &str = "info,async_nats=warn,sqlx::postgres::notice=warn,meowsenger=debug";

/// Lines that may wait to be written. Where nobody takes them off, more are lost: a server does not
/// stop for its log.
const WAITING: usize = 4_096;

/// The log that runs. What waits is written when this is dropped, which takes a second at most.
#[derive(Debug)]
#[must_use]
pub struct Log {
    _writer: WorkerGuard,
}

/// Starts the log, on standard error. Does nothing where one runs already.
pub fn start(config: &Config) -> Log {
    let default = if config.server.debug { DEBUG } else { INFO };
    let level = config.logging.level.as_deref().unwrap_or(default);
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(stderr());
    let subscriber = tracing_subscriber::fmt()
        // The level was parsed when the settings were read.
        .with_env_filter(EnvFilter::new(level))
        .with_writer(writer)
        // There is no other place to complain of a log that cannot be written.
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal());
    let started = match config.logging.format {
        LogFormat::Pretty => subscriber.finish().try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).finish().try_init(),
    };
    // Only tests start it twice in a process.
    started.ok();
    Log { _writer: guard }
}
