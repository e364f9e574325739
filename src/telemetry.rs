//! The log: what is written, and how. Nothing here decides what is worth logging.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// Without what crates tell of their everyday business.
const INFO: &str = "info,async_nats=warn,sqlx::postgres::notice=warn";
const DEBUG: &str = "info,async_nats=warn,sqlx::postgres::notice=warn,meowsenger=debug";

/// Starts the log, on standard error. Does nothing where one runs already.
pub fn start(config: &Config) {
    let default = if config.server.debug { DEBUG } else { INFO };
    let level = config.logging.level.as_deref().unwrap_or(default);
    let subscriber = tracing_subscriber::fmt()
        // The level was parsed when the settings were read.
        .with_env_filter(EnvFilter::new(level))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    let started = match config.logging.format {
        LogFormat::Pretty => subscriber.finish().try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).finish().try_init(),
    };
    // Only tests start it twice in a process.
    started.ok();
}
