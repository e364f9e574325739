//! What one measurement found, and what several of them of the same thing come to: the median of each
//! figure, which one disturbed round does not move.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::cpu::Processes;
use crate::site::Site;

/// Latencies in microseconds.
pub type Latencies = Histogram<u64>;

/// An empty histogram: up to two minutes, three digits.
pub fn latencies() -> Result<Latencies> {
    Ok(Histogram::new_with_bounds(1, 120_000_000, 3)?)
}

/// What a load did.
#[derive(Default)]
pub struct Done {
    pub operations: u64,
    /// Of each operation, if they were timed one by one.
    pub latencies: Option<Latencies>,
    /// Other figures, by name and unit such as `memory, KiB a socket`.
    pub others: BTreeMap<String, f64>,
}

/// The figures of one row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Operations a second.
    pub rate: f64,
    /// Latency in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p95: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// CPU time of the server for an operation, in microseconds.
    pub server_us: f64,
    /// CPU time of PostgreSQL's processes for an operation, in microseconds.
    pub database_us: f64,
    /// The most memory that the server had, in MiB.
    pub peak_mib: f64,
    /// The cores that the load generator used.
    pub generator_cores: f64,
    /// Other figures.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub others: BTreeMap<String, f64>,
}

/// A measurement that has begun.
pub struct Meter<'a> {
    site: Option<&'a Site>,
    server: Processes,
    began: Instant,
    before: [Duration; 3],
}

impl<'a> Meter<'a> {
    /// Begins to measure a site.
    pub fn of(site: &'a Site) -> Result<Self> {
        Self::begin(Some(site), site.server()?)
    }

    /// Begins to measure another process.
    pub fn of_process(process: Processes) -> Result<Self> {
        Self::begin(None, process)
    }

    /// Begins to measure the database of a site, used by this program.
    pub fn of_own(site: &'a Site) -> Result<Self> {
        Self::begin(Some(site), Processes::own())
    }

    fn begin(site: Option<&'a Site>, server: Processes) -> Result<Self> {
        server.reset_peak();
        let mut meter = Self { site, server, began: Instant::now(), before: Default::default() };
        meter.before = meter.used()?;
        meter.began = Instant::now();
        Ok(meter)
    }

    /// CPU time of the server, the database and the load generator.
    fn used(&self) -> Result<[Duration; 3]> {
        let database = self.site.map_or(Ok(Duration::ZERO), Site::database_cpu)?;
        Ok([self.server.cpu()?, database, Processes::own().cpu()?])
    }

    /// Ends it.
    pub fn end(self, done: Done) -> Result<Figures> {
        let seconds = self.began.elapsed().as_secs_f64();
        let used = self.used()?;
        let cpu = |of: usize| used[of].saturating_sub(self.before[of]).as_secs_f64();
        let operations = done.operations as f64;
        if done.operations == 0 {
            return Err("nothing was done in the time of the measurement".into());
        }
        let quantile = |at: f64| {
            let latencies = done.latencies.as_ref().filter(|latencies| !latencies.is_empty());
            latencies.map(|latencies| latencies.value_at_quantile(at) as f64 / 1e3)
        };
        Ok(Figures {
            rate: operations / seconds,
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            server_us: cpu(0) * 1e6 / operations,
            database_us: cpu(1) * 1e6 / operations,
            peak_mib: self.server.peak_kib()? as f64 / 1024.0,
            generator_cores: cpu(2) / seconds,
            others: done.others,
        })
    }
}

impl Figures {
    /// The median of each figure.
    pub fn median(rounds: &[Self]) -> Self {
        let of = |figure: &dyn Fn(&Self) -> Option<f64>| {
            let mut all: Vec<_> = rounds.iter().filter_map(figure).collect();
            all.sort_unstable_by(f64::total_cmp);
            middle(&all)
        };
        let names = rounds.iter().flat_map(|round| round.others.keys().cloned());
        Self {
            rate: of(&|one| Some(one.rate)).unwrap_or_default(),
            p50: of(&|one| one.p50),
            p95: of(&|one| one.p95),
            p99: of(&|one| one.p99),
            server_us: of(&|one| Some(one.server_us)).unwrap_or_default(),
            database_us: of(&|one| Some(one.database_us)).unwrap_or_default(),
            peak_mib: of(&|one| Some(one.peak_mib)).unwrap_or_default(),
            generator_cores: of(&|one| Some(one.generator_cores)).unwrap_or_default(),
            others: names
                .filter_map(|name| Some((name.clone(), of(&|one| one.others.get(&name).copied())?)))
                .collect(),
        }
    }
}

/// The median of sorted numbers.
fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}
