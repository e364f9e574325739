//! The time as every part of a node reads it: the database's, so that all nodes of a site agree whatever
//! their system clocks say. Between two readings of the database it advances by the monotonic clock.
//! SQLite has no clock of its own, so the system clock takes its place. Nothing here decides what is due.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;
use crate::store::error::Result;
use crate::store::{Db, site};

/// How far the times of two nodes may differ; a larger error is corrected within seconds. A date that is
/// later than now by more than this was written by a clock that was wrong.
pub const AGREEMENT: Duration = Duration::from_secs(1);

/// The machine's wall clock, which may be wrong and may be set at any moment. Only [`Clock`] reads it.
#[derive(Clone, Debug, Default)]
pub struct SystemClock {
    /// How far it is ahead of the real one, in microseconds. Only tests set it.
    ahead: Arc<AtomicI64>,
}

impl SystemClock {
    /// Sets it, for tests, this many microseconds ahead of the machine's.
    pub fn set_ahead(&self, micros: i64) {
        self.ahead.store(micros, Ordering::Relaxed);
    }

    fn micros(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        as_micros(since_epoch).saturating_add(self.ahead.load(Ordering::Relaxed))
    }
}

/// Which clock a node follows, and so what it does when it is ahead of it. (When it is behind, it jumps
/// forward: the machine was suspended, or its clock was wrong.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The database server's. All nodes have to agree, so they follow it back at once.
    Database,
    /// The system's. No other node has to agree, so when it is set back the node slows down until it has
    /// caught up: expired tokens stay expired. More than a day is the end of an error and is followed at
    /// once.
    System,
}

impl Source {
    /// How long the time stands still after a comparison, at most, so that the source catches up.
    fn pause(self) -> Duration {
        match self {
            Self::Database => AGREEMENT,
            Self::System => Duration::from_millis(250),
        }
    }

    /// How far the node may be ahead; beyond that, its time goes back.
    fn tolerance(self) -> Duration {
        match self {
            Self::Database => AGREEMENT,
            Self::System => Duration::from_secs(86_400),
        }
    }
}

/// The time. It never goes back while the node runs, except by the jumps that [`Clock::follow`] returns.
#[derive(Debug)]
pub struct Clock {
    system: SystemClock,
    source: Source,
    /// Where uptime begins.
    started: Instant,
    state: Mutex<State>,
}

/// All in microseconds.
#[derive(Debug)]
struct State {
    /// The time at `Clock::started`.
    base: i64,
    /// The latest time returned.
    latest: i64,
    /// Added to all times, by tests.
    advanced: i64,
    /// The time at which a test stopped the clock.
    stopped: Option<i64>,
    /// When the time last jumped, as uptime in microseconds.
    jumped: Option<i64>,
}

impl Clock {
    /// A clock set by the database's, or by the system's with SQLite. Fails if the database does not
    /// answer.
    pub async fn start(db: &Db, system: SystemClock) -> Result<Self> {
        let started = Instant::now();
        let (source, time) = match site::now(db).await? {
            Some(time) => (Source::Database, time.micros()),
            None => (Source::System, system.micros()),
        };
        // The database read its clock at some moment of the round trip.
        let base = time.saturating_sub(as_micros(started.elapsed() / 2));
        let state =
            Mutex::new(State { base, latest: base, advanced: 0, stopped: None, jumped: None });
        Ok(Self { system, source, started, state })
    }

    /// The current time: to show, to store, and to compare with what any node stored.
    pub fn now(&self) -> Timestamp {
        let mut state = self.state();
        state.latest = state.latest.max(self.reading(&state));
        Timestamp::from_micros(state.stopped.unwrap_or(state.latest).saturating_add(state.advanced))
    }

    /// How long the node has been running, by the monotonic clock: for intervals that mean nothing on
    /// other nodes. Setting a clock does not change it.
    pub fn uptime(&self) -> Duration {
        let advanced = Duration::from_micros(self.state().advanced.unsigned_abs());
        self.started.elapsed() + advanced
    }

    /// How far the system clock is ahead, in milliseconds; negative when it is behind.
    pub fn system_offset_ms(&self) -> i64 {
        let offset = self.system.micros().saturating_sub(self.reading(&self.state()));
        offset / 1_000
    }

    /// Whether the time jumped less than `while_` ago. Other nodes may have stored dates by the old time since
    /// then.
    pub fn jumped_within(&self, while_: Duration) -> bool {
        let jumped = self.state().jumped;
        jumped.is_some_and(|at| as_micros(self.started.elapsed()) < at + as_micros(while_))
    }

    /// Compares the time with the source's and corrects it. Returns the jump, in microseconds, if there was
    /// one; it is negative if the time went back.
    pub async fn follow(&self, db: &Db) -> Result<Option<i64>> {
        let asked = self.started.elapsed();
        let time = match site::now(db).await? {
            Some(time) => time.micros(),
            None => self.system.micros(),
        };
        Ok(self.correct(time, asked, self.started.elapsed()))
    }

    /// The source showed `time` at some uptime between `asked` and `answered`. A difference that this delay
    /// can explain is not corrected.
    fn correct(&self, time: i64, asked: Duration, answered: Duration) -> Option<i64> {
        let mut state = self.state();
        let earliest = time.saturating_sub(as_micros(answered));
        let latest = time.saturating_sub(as_micros(asked));
        let ahead = state.base.saturating_sub(latest);
        if ahead > as_micros(self.source.tolerance()) {
            state.base = latest;
            state.latest = self.reading(&state);
            state.jumped = Some(as_micros(answered));
            return Some(-ahead);
        }
        if ahead > 0 {
            // `latest` keeps readers from seeing an earlier time: for them it stands still.
            state.base -= ahead.min(as_micros(self.source.pause()));
            return None;
        }
        let behind = earliest.saturating_sub(state.base);
        state.base = state.base.max(earliest);
        if behind <= as_micros(AGREEMENT) {
            return None;
        }
        state.jumped = Some(as_micros(answered));
        Some(behind)
    }

    fn reading(&self, state: &State) -> i64 {
        state.base.saturating_add(as_micros(self.started.elapsed()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave it half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the time, for tests; [`Self::advance`] still moves it.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = Some(self.reading(&state));
    }

    /// Moves time and uptime forward, for tests.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.advanced = state.advanced.saturating_add(as_micros(by));
    }
}

fn as_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    const START: i64 = 1_800_000_000 * SECOND;

    fn clock(source: Source) -> Clock {
        let state = State { base: START, latest: START, advanced: 0, stopped: None, jumped: None };
        Clock {
            system: SystemClock::default(),
            source,
            started: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// The source says, without delay, that the clock is ahead by this much.
    fn ahead(clock: &Clock, micros: i64) -> Option<i64> {
        let now = clock.started.elapsed();
        let base = clock.state().base;
        clock.correct(base + as_micros(now) - micros, now, now)
    }

    /// The sum of the corrections.
    fn moved(clock: &Clock) -> i64 {
        clock.state().base - START
    }

    #[test]
    fn what_an_answers_delay_explains_is_left_alone() {
        for source in [Source::Database, Source::System] {
            let clock = clock(source);
            let (asked, answered) = (Duration::from_secs(5), Duration::from_secs(7));
            for delay in [5, 6, 7] {
                assert_eq!(clock.correct(START + delay * SECOND, asked, answered), None);
                assert_eq!(moved(&clock), 0);
            }
            assert_eq!(clock.correct(START + 8 * SECOND, asked, answered), None);
            assert_eq!(moved(&clock), SECOND, "the rest is corrected");
        }
    }

    #[test]
    fn who_is_behind_jumps_forward() {
        for source in [Source::Database, Source::System] {
            let clock = clock(source);
            assert_eq!(ahead(&clock, -SECOND / 2), None, "too little to speak of");
            assert_eq!(ahead(&clock, -100 * DAY), Some(100 * DAY));
            assert_eq!(moved(&clock), 100 * DAY + SECOND / 2);
        }
    }

    #[test]
    fn a_little_ahead_it_stands_still_and_never_goes_back() {
        let clock = clock(Source::Database);
        let before = clock.now();
        assert_eq!(ahead(&clock, SECOND / 2), None);
        assert_eq!(moved(&clock), -SECOND / 2);
        assert!(clock.now() >= before);
        assert!(!clock.jumped_within(Duration::from_secs(60)));
    }

    #[test]
    fn the_database_is_followed_back_at_once() {
        let clock = clock(Source::Database);
        clock.now();
        assert_eq!(ahead(&clock, 3_600 * SECOND), Some(-3_600 * SECOND));
        assert!(clock.now().micros() < START - 3_500 * SECOND);
        assert!(clock.jumped_within(Duration::from_secs(60)));
    }

    #[test]
    fn a_machines_clock_that_is_set_back_is_waited_for() {
        let clock = clock(Source::System);
        let before = clock.now();
        for turn in 1..=4 {
            let left = 3_600 * SECOND + moved(&clock);
            assert_eq!(ahead(&clock, left), None);
            assert_eq!(moved(&clock), -turn * SECOND / 4);
            assert!(clock.now() >= before);
        }
        assert_eq!(ahead(&clock, 100 * DAY), Some(-100 * DAY), "an error that is over");
        assert!(clock.now() < before);
    }
}
