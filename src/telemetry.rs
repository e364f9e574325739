//! The log: what is written, and how. Nothing here decides what is worth logging.

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
/// The most that other crates may log, whatever `LOG_LEVEL` says. Below this level some of them
/// write what they send, such as the password for NATS.
const OTHERS: Level = Level::WARN;

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
        LogFormat::Pretty => subscriber.finish().with(filter_fn(is_safe)).try_init(),
        LogFormat::Json => {
            subscriber.json().flatten_event(true).finish().with(filter_fn(is_safe)).try_init()
        }
    };
    // Only tests start it twice in a process.
    started.ok();
    Log { _writer: guard }
}

/// Whether a line can be written without a secret in it: ours are written with that in mind.
fn is_safe(line: &Metadata<'_>) -> bool {
    let module = line.target().strip_prefix(env!("CARGO_CRATE_NAME"));
    let is_ours = module.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    is_ours || *line.level() <= OTHERS
}
