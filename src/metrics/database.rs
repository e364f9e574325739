//! Statements, commits, failures, and waits for a connection.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::families::{Counters, Histograms, counters, register_seconds};

/// In seconds. A statement of SQLite takes some ten microseconds.
const STATEMENTS: [f64; 12] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// In seconds.
const WAITS: [f64; 9] = [0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// How statements fail.
const FAILURES: [&str; 5] = ["unique", "conflict", "unavailable", "unknown", "other"];

/// What the store counts. Clones count together.
#[derive(Clone, Debug)]
pub struct DatabaseMetrics {
    statements: Histograms,
    waits: Histograms,
    commits: Counters,
    failures: Counters,
}

impl Default for DatabaseMetrics {
    fn default() -> Self {
        Self {
            statements: Histograms::new_with_constructor(|| Histogram::new(STATEMENTS)),
            waits: Histograms::new_with_constructor(|| Histogram::new(WAITS)),
            commits: counters("outcome", &["committed", "failed", "unknown"]),
            failures: counters("kind", &FAILURES),
        }
    }
}

impl DatabaseMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        register_seconds(
            registry,
            "db_statement_duration",
            "Time of a statement, by the function of the store that runs it",
            self.statements.clone(),
        );
        register_seconds(
            registry,
            "db_pool_wait",
            "Time until a connection was free or opened",
            self.waits.clone(),
        );
        registry.register("db_commits", "Commits, by outcome", self.commits.clone());
        registry.register("db_failures", "Failed statements and commits", self.failures.clone());
    }

    /// The durations of a statement.
    pub fn statement(&self, name: &'static str) -> Histogram {
        self.statements.get_or_create_owned(&[("statement", name)])
    }

    /// The waits for a connection, for `reads` or `writes`.
    pub fn waits(&self, of: &'static str) -> Histogram {
        self.waits.get_or_create_owned(&[("for", of)])
    }

    /// The commits with an outcome: `committed`, `failed` or `unknown`.
    pub fn commits(&self, outcome: &'static str) -> Counter {
        self.commits.get_or_create_owned(&[("outcome", outcome)])
    }

    /// Counts a failed statement or commit.
    pub fn failed(&self, kind: &'static str) {
        self.failures.get_or_create(&[("kind", kind)]).inc();
    }
}

/// Records how long something took.
pub fn observe(durations: &Histogram, took: Duration) {
    durations.observe(took.as_secs_f64());
}
