//! What a node counts, for Prometheus. Each part of the node updates its own counters where things happen. The
//! registry that names them belongs to `App`, so that two nodes in one process are apart. Labels are names that
//! the code chooses, never what a client sends: the number of time series is bounded. Reads no database.

pub mod database;
mod families;
pub mod http;
pub mod logins;
pub mod node;
pub mod process;
pub mod realtime;
pub mod search;
pub mod sends;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use database::DatabaseMetrics;
use http::HttpMetrics;
use logins::LoginMetrics;
use node::NodeMetrics;
use process::ProcessMetrics;
use realtime::{BusMetrics, RealtimeMetrics};
use search::SearchMetrics;
use sends::SendMetrics;

/// Everything that a node counts.
#[derive(Debug)]
pub struct Metrics {
    /// Requests.
    pub http: HttpMetrics,
    /// Logins.
    pub logins: LoginMetrics,
    /// The committers.
    pub sends: SendMetrics,
    /// The index for searching messages.
    pub search: SearchMetrics,
    /// Events, frames and sockets.
    pub realtime: RealtimeMetrics,
    /// The state of the node, read when it is asked for.
    pub node: NodeMetrics,
    /// The same of the process.
    pub process: ProcessMetrics,
    registry: Registry,
}

/// A format of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// OpenMetrics 1.0, which Prometheus asks for.
    OpenMetrics,
    /// The text format 0.0.4, for everything else.
    Text,
}

impl MetricsFormat {
    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

impl Metrics {
    /// Registers the counters of the parts that were made before.
    pub fn new(
        database: &DatabaseMetrics,
        realtime: RealtimeMetrics,
        bus: Option<&BusMetrics>,
    ) -> Self {
        let (http, sends) = (HttpMetrics::default(), SendMetrics::default());
        let logins = LoginMetrics::default();
        let search = SearchMetrics::default();
        let (node, process) = (NodeMetrics::default(), ProcessMetrics::default());
        let mut registry = Registry::default();
        process.register(&mut registry);
        let own = registry.sub_registry_with_prefix("meowsenger");
        http.register(own);
        logins.register(own);
        database.register(own);
        sends.register(own);
        search.register(own);
        realtime.register(own);
        if let Some(bus) = bus {
            bus.register(own);
        }
        node.register(own, bus.is_some());
        Self { http, logins, sends, search, realtime, node, process, registry }
    }

    /// Everything, as text.
    pub fn encode(&self, format: MetricsFormat) -> Result<String, std::fmt::Error> {
        let mut answer = String::new();
        match format {
            MetricsFormat::OpenMetrics => text::encode(&mut answer, &self.registry)?,
            MetricsFormat::Text => prometheus_text::encode(&mut answer, &self.registry)?,
        }
        Ok(answer)
    }
}
