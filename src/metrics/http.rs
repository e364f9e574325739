//! Requests, by the template of their route.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::families::register_seconds;

/// In seconds.
const BUCKETS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The methods that have a name of their own: a client may send any word.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The route of a request that no route matches.
const UNMATCHED: &str = "unmatched";

/// Requests and their durations.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Family<AnsweredLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    unreadable: Counter,
    /// Of those above, the ones whose status is 500 or more. Not a metric of its own.
    server_errors: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnsweredLabels {
    method: &'static str,
    route: String,
    status: u16,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            unreadable: Counter::default(),
            server_errors: Counter::default(),
        }
    }
}

impl HttpMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests that were answered, by route template and status",
            self.requests.clone(),
        );
        register_seconds(
            registry,
            "http_request_duration",
            "Time until the answer was ready, by route template",
            self.durations.clone(),
        );
        registry.register(
            "http_unreadable_requests",
            "Requests whose head could not be parsed",
            self.unreadable.clone(),
        );
    }

    /// Counts a request that was answered.
    pub fn answered(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let route = route.unwrap_or(UNMATCHED).to_owned();
        let labels = RouteLabels { method, route };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        let RouteLabels { method, route } = labels;
        self.requests.get_or_create(&AnsweredLabels { method, route, status }).inc();
        if status >= 500 {
            self.server_errors.inc();
        }
    }

    /// Requests that failed because of the server, since the node started.
    pub fn server_errors(&self) -> u64 {
        self.server_errors.get()
    }

    /// Counts a request whose head could not be parsed.
    pub fn unreadable(&self) {
        self.unreadable.inc();
    }
}
