//! What the sets of metrics have in common: families with one label, whose values the code chooses.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// A label and its value.
type Label = [(&'static str, &'static str); 1];
/// Counters, one for each value of a label.
pub(super) type Counters = Family<Label, Counter>;
/// Gauges, one for each value of a label.
pub(super) type Gauges = Family<Label, Gauge>;
/// Histograms, one for each value of a label.
pub(super) type Histograms = Family<Label, Histogram, fn() -> Histogram>;

/// Counters that exist from the start for some values: an alert cannot see the first step of one that begins
/// with 1.
pub(super) fn counters(label: &'static str, values: &[&'static str]) -> Counters {
    let counters = Counters::default();
    for value in values {
        drop(counters.get_or_create(&[(label, *value)]));
    }
    counters
}

/// Registers a histogram or gauge of seconds.
pub(super) fn register_seconds(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: impl Metric,
) {
    registry.register_with_unit(name, help, Unit::Seconds, metric);
}
