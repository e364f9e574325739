//! The process, by the names that all programs give to these: its memory, files and CPU time. Read from `/proc`
//! when they are asked for; where there is none they stay 0.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// `USER_HZ`: the unit of CPU time in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the system knows of the process.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    memory: Gauge,
    threads: Gauge,
    files: Gauge,
    files_limit: Gauge,
    cpu: Counter<f64, AtomicU64>,
    started: Gauge<f64, AtomicU64>,
}

impl ProcessMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        add("process_resident_memory_bytes", "Memory of the process", &self.memory);
        add("process_threads", "Threads of the process", &self.threads);
        add("process_open_fds", "Open file descriptors", &self.files);
        add("process_max_fds", "The limit of open file descriptors", &self.files_limit);
        registry.register("process_cpu_seconds", "User and system CPU time", self.cpu.clone());
        let (name, help) = ("process_start_time_seconds", "When the process started, as Unix time");
        registry.register(name, help, self.started.clone());
    }

    /// Reads everything. Blocks for some microseconds.
    pub fn read(&self) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        self.memory.set(field(&status, "VmRSS:").saturating_mul(1024));
        self.threads.set(field(&status, "Threads:"));
        let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.files.set(i64::try_from(files).unwrap_or(i64::MAX));
        if let Ok((soft, _)) = rlimit::Resource::NOFILE.get() {
            self.files_limit.set(i64::try_from(soft).unwrap_or(i64::MAX));
        }
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let Some(times) = times(&stat) else { return };
        self.cpu.inner().store(times.cpu.to_bits(), Ordering::Relaxed);
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        self.started.set(field(&system, "btime") as f64 + times.started);
    }
}

/// A number of `/proc/self/status` or `/proc/stat`.
fn field(status: &str, name: &str) -> i64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

/// In seconds.
#[derive(Debug, PartialEq)]
struct Times {
    cpu: f64,
    /// Since the machine started.
    started: f64,
}

/// The times of `/proc/self/stat`. The program's name before them may contain anything.
fn times(stat: &str) -> Option<Times> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let seconds = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some(Times { cpu: seconds(11)? + seconds(12)?, started: seconds(19)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_come_after_any_name() {
        let stat = "7 (a) b 9) S 1 7 7 0 -1 4194304 100 0 0 0 120 30 0 0 20 0 1 0 500 6 7";
        assert_eq!(times(stat), Some(Times { cpu: 1.5, started: 5.0 }));
        assert_eq!(times(""), None);
        assert_eq!(field("Name:\tx\nVmRSS:\t  120 kB\n", "VmRSS:"), 120);
    }
}
