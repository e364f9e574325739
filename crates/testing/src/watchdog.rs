//! Ends a test binary in which a test hangs, with a message that names the test. The test itself
//! cannot fail from outside, and `cargo test` would wait for it without end.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Longer than any test takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(240);

/// Watches the test on whose thread it was started, until it is dropped.
pub struct Watchdog(#[expect(dead_code, reason = "its end is the message")] Sender<()>);

impl Watchdog {
    pub fn start() -> Self {
        let (alive, ended) = channel();
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        std::thread::spawn(move || {
            if ended.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
                let text = format!("\ntest {test} hangs: not finished after {DEADLINE:?}\n");
                // Not by a macro: libtest would keep that text until the test has ended.
                drop(std::io::stderr().write_all(text.as_bytes()));
                std::process::exit(101);
            }
        });
        Self(alive)
    }
}
