//! The batches of the committers, and of the workers for reactions and markers.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::families::{Histograms, register_seconds};

/// Rows of a batch; at most 256 sends or reactions, or 512 markers.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// In seconds. A flush of a disk takes some milliseconds.
const DURATIONS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Batches, and the messages that they created.
#[derive(Debug)]
pub struct SendMetrics {
    /// Those of the committers.
    pub messages: Batches,
    /// Those of the reaction worker.
    pub reactions: Batches,
    /// Those of the marker worker.
    pub markers: Batches,
    created: Counter,
    sizes: Histograms,
    durations: Histograms,
}

/// The batches of a worker.
#[derive(Debug)]
pub struct Batches {
    sizes: Histogram,
    durations: Histogram,
}

impl Batches {
    fn of(what: &'static str, sizes: &Histograms, durations: &Histograms) -> Self {
        let label = [("of", what)];
        let durations = durations.get_or_create_owned(&label);
        Self { sizes: sizes.get_or_create_owned(&label), durations }
    }

    /// Counts a batch.
    pub fn count(&self, size: usize, took: Duration) {
        self.sizes.observe(size as f64);
        self.durations.observe(took.as_secs_f64());
    }
}

impl Default for SendMetrics {
    fn default() -> Self {
        let sizes = Histograms::new_with_constructor(|| Histogram::new(SIZES));
        let durations = Histograms::new_with_constructor(|| Histogram::new(DURATIONS));
        let messages = Batches::of("sends", &sizes, &durations);
        let reactions = Batches::of("reactions", &sizes, &durations);
        let markers = Batches::of("markers", &sizes, &durations);
        Self { messages, reactions, markers, created: Counter::default(), sizes, durations }
    }
}

impl SendMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("messages_created", "Messages that were committed", self.created.clone());
        registry.register("batch_size", "Rows of a group commit", self.sizes.clone());
        register_seconds(
            registry,
            "batch_duration",
            "Time of a group commit, until it is durable",
            self.durations.clone(),
        );
    }

    /// Counts messages that were committed.
    pub fn created(&self, count: usize) {
        self.created.inc_by(count as u64);
    }

    /// Messages that were committed since the node started.
    pub fn created_since_start(&self) -> u64 {
        self.created.get()
    }
}
