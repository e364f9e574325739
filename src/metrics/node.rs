//! The state of the node: how full its queues are, who is connected, and how late the runtime is.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::families::{Counters, Gauges, register_seconds};

/// In seconds. The clock of the runtime ticks in milliseconds.
const LAGS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];

/// The state of the node. Gauges are set when they are asked for.
#[derive(Debug)]
pub struct NodeMetrics {
    /// Whether `/readyz` says 200.
    pub ready: Gauge,
    /// Whether the node drains.
    pub draining: Gauge,
    /// Whether the bus is connected.
    pub bus: Gauge,
    /// Sockets that are open and authenticated.
    pub sockets: Gauge,
    /// Users who have one.
    pub users: Gauge,
    /// Chats with subscribers here.
    pub feeds: Gauge,
    /// Entries that wait in a queue, and for how many it has room.
    pub queues: Fill,
    /// Permits in use, and how many there are.
    pub permits: Fill,
    /// Requests that wait for a permit.
    pub waiting: Gauges,
    /// Connections to the database.
    pub pools: Pools,
    /// How far the system clock is ahead of the database's, in seconds.
    pub clock_offset: Gauge<f64, AtomicU64>,
    lags: Histogram,
    failures: Counters,
}

/// What is used of something limited, by its name.
#[derive(Debug, Default)]
pub struct Fill {
    used: Gauges,
    limit: Gauges,
}

impl Fill {
    /// Sets both.
    pub fn set(&self, label: (&'static str, &'static str), used: usize, limit: usize) {
        let gauge = |number| i64::try_from(number).unwrap_or(i64::MAX);
        self.used.get_or_create(&[label]).set(gauge(used));
        self.limit.get_or_create(&[label]).set(gauge(limit));
    }
}

/// The gauges of pools.
const POOLS: [(&str, &str); 4] = [
    ("db_connections_open", "Open connections to the database"),
    ("db_connections_used", "Connections in use"),
    ("db_connections_waiting", "Callers that wait for a connection"),
    ("db_connections_limit", "Connections that there may be"),
];

/// Connections to the database, by pool.
#[derive(Debug, Default)]
pub struct Pools([Gauges; 4]);

impl Pools {
    /// Sets how many connections of a pool are open, in use, waited for, and allowed.
    pub fn set(&self, pool: &'static str, counts: [usize; 4]) {
        for (gauge, count) in self.0.iter().zip(counts) {
            gauge.get_or_create(&[("pool", pool)]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            ready: Gauge::default(),
            draining: Gauge::default(),
            bus: Gauge::default(),
            sockets: Gauge::default(),
            users: Gauge::default(),
            feeds: Gauge::default(),
            queues: Fill::default(),
            permits: Fill::default(),
            waiting: Gauges::default(),
            pools: Pools::default(),
            clock_offset: Gauge::default(),
            lags: Histogram::new(LAGS),
            failures: Counters::default(),
        }
    }
}

impl NodeMetrics {
    pub(super) fn register(&self, registry: &mut Registry, has_bus: bool) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the program", version);
        let mut add = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        add("ready", "1 if /readyz answers 200", &self.ready);
        add("draining", "1 from the signal to stop on", &self.draining);
        add("sockets", "Sockets that are open and authenticated", &self.sockets);
        add("connected_users", "Users with an open socket", &self.users);
        add("feeds", "Chats with a socket that subscribes to them", &self.feeds);
        if has_bus {
            add("bus_connected", "1 if NATS is connected and has the subscriptions", &self.bus);
        }
        let mut add = |name: &str, help: &str, gauges: &Gauges| {
            registry.register(name, help, gauges.clone());
        };
        add("queue_depth", "Entries that wait in a queue", &self.queues.used);
        add("queue_limit", "Entries for which a queue has room", &self.queues.limit);
        add("permits_used", "Permits in use", &self.permits.used);
        add("permits_limit", "Permits that there are", &self.permits.limit);
        add("permits_waiting", "Requests that wait for a permit", &self.waiting);
        for (index, (name, help)) in POOLS.into_iter().enumerate() {
            add(name, help, &self.pools.0[index]);
        }
        registry.register(
            "background_task_failures",
            "Runs of background tasks that failed or panicked",
            self.failures.clone(),
        );
        register_seconds(
            registry,
            "clock_offset",
            "How far the system clock is ahead of the database's",
            self.clock_offset.clone(),
        );
        register_seconds(
            registry,
            "event_loop_lag",
            "How late the runtime wakes a task whose timer is due",
            self.lags.clone(),
        );
    }

    /// Records how late a task was woken.
    pub fn woken(&self, late: Duration) {
        self.lags.observe(late.as_secs_f64());
    }

    /// Begins to count the failures of a background task.
    pub fn has_task(&self, task: &'static str) {
        drop(self.failures.get_or_create(&[("task", task)]));
    }

    /// Counts a failed run of a background task.
    pub fn task_failed(&self, task: &'static str) {
        self.failures.get_or_create(&[("task", task)]).inc();
    }
}
