//! Where the lines of the log wait until a thread of its own writes them. Logging never blocks, and wakes
//! that thread once for all lines of some milliseconds: waking it for each costs more than the line itself.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others. A process that is killed (SIGKILL) loses the lines that wait.
const TOGETHER: Duration = Duration::from_millis(10);
/// Most that may wait, in bytes. If the log is not taken away in time, further lines are dropped.
const WAITING_MAX: usize = 1024 * 1024;
/// What is written without waiting for more.
const ENOUGH: usize = 64 * 1024;
/// How long the process waits for its log before it ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines that wait. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    wake: Condvar,
    /// Wakes those who wait in [`Lines::flush`].
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Those of the waiting lines that are errors.
    errors: Vec<u8>,
    /// Somebody needs the lines written at once.
    is_urgent: bool,
    /// The thread is writing lines that it has taken.
    is_writing: bool,
    /// Lines that were dropped since the last that was written.
    dropped: u64,
}

impl Lines {
    /// Lines that a thread writes to `to`.
    pub(super) fn written_to(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        // Errors of writing the log cannot be reported anywhere.
        Self::written_by(move |lines, _| drop(to.write_all(lines).and_then(|()| to.flush())))
    }

    /// Lines that a thread passes to `write`, and once more those of them that are errors.
    pub(super) fn written_by(write: impl FnMut(&[u8], &[u8]) + Send + 'static) -> io::Result<Self> {
        let lines = Self::default();
        let shared = Arc::clone(&lines.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_all(write))?;
        Ok(lines)
    }

    /// Waits until everything is written, but no longer than a second: perhaps nobody reads the log.
    pub(super) fn flush(&self) {
        let mut state = self.0.lock();
        state.is_urgent = true;
        self.0.wake.notify_one();
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.0.written.wait_timeout_while(state, LAST_LINES, is_busy));
    }
}

impl Shared {
    /// A panic while it is held cannot leave it half-changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8], level: Level) {
        // Warnings and errors do not wait for others.
        let is_urgent = level <= Level::WARN;
        let mut state = self.lock();
        if state.waiting.len() + line.len() > WAITING_MAX {
            state.dropped += 1;
            return;
        }
        let (before, after) = (state.waiting.len(), state.waiting.len() + line.len());
        state.waiting.extend_from_slice(line);
        if level == Level::ERROR {
            state.errors.extend_from_slice(line);
        }
        let is_urgent = is_urgent || before < ENOUGH && ENOUGH <= after;
        state.is_urgent |= is_urgent;
        if before == 0 || is_urgent {
            self.wake.notify_one();
        }
    }

    /// The thread.
    fn write_all(&self, mut write: impl FnMut(&[u8], &[u8])) {
        let (mut lines, mut errors) = (Vec::new(), Vec::new());
        loop {
            let dropped = self.take(&mut lines, &mut errors);
            write(&lines, &errors);
            lines.clear();
            errors.clear();
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "the log was not read in time; some of its lines were dropped"
                );
            }
        }
    }

    /// Waits for lines, and for those that follow soon. Returns how many were dropped.
    fn take(&self, lines: &mut Vec<u8>, errors: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.is_writing = false;
        self.written.notify_all();
        let is_empty = |state: &mut State| state.waiting.is_empty();
        state = self.wake.wait_while(state, is_empty).unwrap_or_else(PoisonError::into_inner);
        let may_wait = |state: &mut State| !state.is_urgent;
        let waited = self.wake.wait_timeout_while(state, TOGETHER, may_wait);
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.waiting, lines);
        std::mem::swap(&mut state.errors, errors);
        (state.is_urgent, state.is_writing) = (false, true);
        std::mem::take(&mut state.dropped)
    }
}

/// Takes one line.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    level: Level,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.0.push(line, self.level);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, level: Level::WARN }
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, level: *line.level() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    use super::*;

    /// Passes on what is written, and waits for a permit before each write.
    struct Pipe {
        permits: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Without a sender, every write may go ahead.
            self.permits.recv().ok();
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log() -> (Lines, Sender<()>, Receiver<Vec<u8>>) {
        let ((permit, permits), (written, read)) = (channel(), channel());
        (Lines::written_to(Pipe { permits, written }).expect("a thread"), permit, read)
    }

    #[test]
    fn lines_are_written_together_and_in_order() {
        let (lines, permit, read) = log();
        drop(permit);
        lines.flush();
        for line in ["one\n", "two\n", "three\n"] {
            lines.0.push(line.as_bytes(), Level::INFO);
        }
        lines.flush();
        assert_eq!(read.try_iter().flatten().collect::<Vec<_>>(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_log_that_nobody_reads_drops_lines_and_blocks_nobody_for_long() {
        let (lines, permit, read) = log();
        let line = [b'x'; 1024];
        (0..3 * WAITING_MAX / line.len()).for_each(|_| lines.0.push(&line, Level::WARN));
        assert!(lines.0.lock().dropped > 0);
        let since = Instant::now();
        lines.flush();
        assert!(since.elapsed() < LAST_LINES * 5);
        drop(permit);
        lines.flush();
        let written = read.try_iter().flatten().count();
        assert!(written >= WAITING_MAX - line.len() && written % line.len() == 0, "{written}");
    }
}
