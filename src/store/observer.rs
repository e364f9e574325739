//! Watches the statements of a database: how long each takes, by name, and which are slow. A statement is named
//! after the function of the store that runs it, which the build script looks up by the place of the call: a
//! name is never wrong, forgotten or used twice. Nothing here runs a statement.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tracing::Span;

use crate::metrics::database::{DatabaseMetrics, observe};
use crate::traces;

use super::error::StoreError;

/// Each file of the store with the lines at which its functions begin.
const FUNCTIONS: &[(&str, &[(u32, &str)])] = include!(concat!(env!("OUT_DIR"), "/functions.rs"));
/// The name of a statement that is not the store's, such as a test's.
const OTHER: &str = "other";
/// A statement takes less than this, if slow ones are not logged.
const NEVER: u64 = u64::MAX;
/// How often the plan of a statement is logged, at most.
const EXPLAIN_INTERVAL: Duration = Duration::from_secs(3_600);

/// Where a statement is in the source.
pub(super) type At = &'static Location<'static>;

/// What is known of the statements of a database, shared by all its connections.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) metrics: DatabaseMetrics,
    /// By the address of the place, which costs less to look up than the place itself.
    known: RwLock<HashMap<usize, Known, BuildHasherDefault<AddressHasher>>>,
    /// The database, in traces.
    system: &'static str,
    begin: Histogram,
    commit: Histogram,
    committed: Counter,
    /// From how many microseconds on a statement is slow.
    slow: AtomicU64,
    /// The statements that were slow, by name.
    explained: Mutex<HashMap<&'static str, Explained>>,
}

/// What [`super::explain`] knows of a slow statement.
#[derive(Debug, Default)]
struct Explained {
    /// Its text, if it was slow since the plan was last logged.
    sql: Option<String>,
    last: Option<Instant>,
}

/// A hash of an address for a table that nobody can attack: the usual one costs more than all the rest.
#[derive(Debug, Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, address: usize) {
        // Addresses differ in their middle bits; the table uses the lowest and the highest.
        let mixed = (self.0 ^ address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Clone, Debug)]
struct Known {
    name: &'static str,
    durations: Histogram,
}

impl Observer {
    pub(super) fn new(system: &'static str) -> Self {
        let metrics = DatabaseMetrics::default();
        Self {
            system,
            begin: metrics.statement("begin"),
            commit: metrics.statement("commit"),
            committed: metrics.commits("committed"),
            metrics,
            known: RwLock::default(),
            slow: AtomicU64::new(NEVER),
            explained: Mutex::default(),
        }
    }

    /// The slow statements whose plan is to be logged now, by name.
    pub(super) fn unexplained(&self) -> Vec<(&'static str, String)> {
        let mut explained = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
        let due = explained
            .iter_mut()
            .filter(|(_, known)| known.last.is_none_or(|last| last.elapsed() > EXPLAIN_INTERVAL));
        due.filter_map(|(name, known)| {
            let sql = known.sql.take()?;
            known.last = Some(Instant::now());
            Some((*name, sql))
        })
        .collect()
    }

    /// Logs statements that take this long from now on; `None`: none.
    pub(super) fn log_slow(&self, from: Option<Duration>) {
        let micros = from.map_or(NEVER, |from| u64::try_from(from.as_micros()).unwrap_or(NEVER));
        self.slow.store(micros, Ordering::Relaxed);
    }

    /// The span of a statement that is about to run.
    pub(super) fn span(&self, at: At) -> Span {
        traces::statement(|| name(at), self.system)
    }

    /// The span of a transaction's beginning or end.
    pub(super) fn span_of(&self, name: &'static str) -> Span {
        traces::statement(|| name, self.system)
    }

    /// Records a statement that has run.
    pub(super) fn ran(&self, at: At, took: Duration, sql: &str) {
        let address = std::ptr::from_ref(at).addr();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known { name, durations }) = known.get(&address) {
            observe(durations, took);
            self.look_at(name, took, Some((at, sql)));
            return;
        }
        drop(known);
        let name = name(at);
        let durations = self.metrics.statement(name);
        observe(&durations, took);
        self.look_at(name, took, Some((at, sql)));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(address, Known { name, durations });
    }

    /// Records a transaction's beginning.
    pub(super) fn begun(&self, took: Duration) {
        observe(&self.begin, took);
        self.look_at("begin", took, None);
    }

    /// Records a commit, and its outcome.
    pub(super) fn committed(&self, took: Duration, outcome: Result<(), &StoreError>) {
        observe(&self.commit, took);
        self.look_at("commit", took, None);
        self.ended(outcome);
    }

    /// Records the outcome of a commit.
    pub(super) fn ended(&self, outcome: Result<(), &StoreError>) {
        match outcome {
            Ok(()) => self.committed.inc(),
            Err(StoreError::Unknown(_)) => self.metrics.commits("unknown").inc(),
            Err(_) => self.metrics.commits("failed").inc(),
        };
    }

    /// Records a failure of a statement, or of getting a connection.
    pub(super) fn failed(&self, error: &StoreError) {
        self.metrics.failed(match error {
            StoreError::Unique(_) => "unique",
            StoreError::Conflict(_) => "conflict",
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Unknown(_) => "unknown",
            StoreError::Other(_) => "other",
        });
    }

    /// Logs a statement that is slow, without its values.
    fn look_at(&self, statement: &'static str, took: Duration, text: Option<(At, &str)>) {
        if took.as_micros() < u128::from(self.slow.load(Ordering::Relaxed)) {
            return;
        }
        let at = text.map(|(at, _)| format!("{}:{}", at.file(), at.line()));
        let sql = text.map(|(_, sql)| sql);
        let ms = (took.as_secs_f64() * 100_000.0).round() / 100.0;
        tracing::warn!(statement, ms, at, sql, "slow statement");
        if let Some(sql) = sql {
            let mut explained = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
            explained.entry(statement).or_default().sql = Some(sql.to_owned());
        }
    }
}

/// The function around a place.
fn name(at: At) -> &'static str {
    let file = FUNCTIONS.iter().find(|(file, _)| at.file().ends_with(file));
    let functions = file.map_or(&[][..], |(_, functions)| functions);
    let before = functions.partition_point(|(line, _)| *line <= at.line());
    before.checked_sub(1).map_or(OTHER, |index| functions[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn here() -> At {
        Location::caller()
    }

    #[test]
    fn a_statement_is_named_after_its_function() {
        assert_eq!(name(here()), "observer::a_statement_is_named_after_its_function");
        let statements = FUNCTIONS.iter().flat_map(|(_, functions)| functions.iter());
        assert!(statements.clone().any(|(_, name)| *name == "messages::by_ids"));
        assert!(statements.clone().any(|(_, name)| *name == "sends::write"));
        assert!(statements.clone().any(|(_, name)| *name == "doctor::names::set_username_key"));
    }
}
