//! Logins, over the API and to the admin site.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::families::{Counters, counters};

const LABEL: &str = "outcome";
const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";
const THROTTLED: &str = "throttled";

/// Attempts to log in.
#[derive(Debug)]
pub struct LoginMetrics(Counters);

impl Default for LoginMetrics {
    fn default() -> Self {
        Self(counters(LABEL, &[SUCCEEDED, FAILED, THROTTLED]))
    }
}

impl LoginMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("logins", "Attempts to log in", self.0.clone());
    }

    /// Counts a login.
    pub fn succeeded(&self) {
        self.counter(SUCCEEDED).inc();
    }

    /// Counts an attempt with a wrong name or password.
    pub fn failed(&self) {
        self.counter(FAILED).inc();
    }

    /// Counts an attempt over the limit.
    pub fn throttled(&self) {
        self.counter(THROTTLED).inc();
    }

    /// Logins since the node started.
    pub fn since_start(&self) -> u64 {
        self.counter(SUCCEEDED).get()
    }

    fn counter(&self, outcome: &'static str) -> Counter {
        self.0.get_or_create_owned(&[(LABEL, outcome)])
    }
}
