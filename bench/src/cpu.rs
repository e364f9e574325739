//! What processes use: CPU time to the nanosecond, and the most memory that they have had. From the
//! kernel's clocks and `/proc`, so the processes need not help.

use std::fs;
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::Result;

/// One process, or a process with its children.
#[derive(Clone, Copy, Debug)]
pub enum Processes {
    /// A process with all its threads.
    One(i32),
    /// PostgreSQL: its first process, by its id, and one for each connection and background task.
    Family(i32),
}

impl Processes {
    /// The program itself.
    pub fn own() -> Self {
        Self::One(Pid::this().as_raw())
    }

    /// The family of a process, by the id of any of its members.
    pub fn family_of(child: i32) -> Result<Self> {
        let parent = field(child, 4)?;
        Ok(Self::Family(i32::try_from(parent)?))
    }

    /// The CPU time until now. Children that have ended are included.
    pub fn cpu(self) -> Result<Duration> {
        match self {
            Self::One(pid) => cpu(pid),
            Self::Family(parent) => {
                let ticks = field(parent, 16)? + field(parent, 17)?;
                let per_second = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100) as f64;
                let mut all = cpu(parent)? + Duration::from_secs_f64(ticks as f64 / per_second);
                for child in children(parent)? {
                    // It may have ended since; then its parent has its time the next time.
                    all += cpu(child).unwrap_or_default();
                }
                Ok(all)
            }
        }
    }

    /// From now on, [`Self::peak_kib`] is the most since now.
    pub fn reset_peak(self) {
        if let Self::One(pid) = self {
            // Not permitted for a process of another user; then the peak is that of its whole life.
            fs::write(format!("/proc/{pid}/clear_refs"), "5").ok();
        }
    }

    /// The most memory that a process has had, in KiB; 0 for a family, whose processes share most of it.
    pub fn peak_kib(self) -> Result<u64> {
        match self {
            Self::One(pid) => status_kib(pid, "VmHWM:"),
            Self::Family(_) => Ok(0),
        }
    }

    /// The memory of a process now, in KiB.
    pub fn resident_kib(self) -> Result<u64> {
        match self {
            Self::One(pid) | Self::Family(pid) => status_kib(pid, "VmRSS:"),
        }
    }
}

fn cpu(pid: i32) -> Result<Duration> {
    Ok(clock_gettime(clock_getcpuclockid(Pid::from_raw(pid))?)?.into())
}

fn children(parent: i32) -> Result<Vec<i32>> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    Ok(list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// A field of `/proc/PID/stat`, by its number in proc(5), from the third on.
fn field(pid: i32, number: usize) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second is the program's name in parentheses, which may contain anything.
    let rest = &stat[stat.rfind(')').ok_or("no process status")? + 1..];
    Ok(rest.split_whitespace().nth(number - 3).ok_or("a short process status")?.parse()?)
}

/// A line of `/proc/PID/status`, in KiB.
fn status_kib(pid: i32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("no {name} in the status of process {pid}: has it ended?").into())
}
