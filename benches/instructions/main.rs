//! Counts the instructions of hot paths under valgrind and compares them with `counts.tsv`, which is
//! committed. A count does not depend on what else the machine does, so a path that has become more
//! expensive is noticed before anybody measures times.
//!
//! Each path runs in a process of its own, once with few and once with more repetitions: the difference,
//! divided, is one repetition, without the start. All threads count, SQLite's too, which the usual harnesses
//! for callgrind do not include. The build is that of the tests, since an optimised one takes minutes: a count
//! is no measure of production, only its growth is.
//!
//! `--accept` writes the counts into `counts.tsv`.

mod paths;
mod site;

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::{self, ScopedJoinHandle};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// By how much a count may grow.
const TOLERANCE: f64 = 1.10;
/// Repetitions of a path in the shorter of its two runs.
const FEW: u64 = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds --bench.
    let arguments = arguments.iter().map(String::as_str).filter(|argument| *argument != "--bench");
    let arguments: Vec<&str> = arguments.collect();
    let done = match arguments[..] {
        ["run", path, count] => paths::run(path, count.parse().unwrap_or_default()).map(|()| true),
        ["--accept"] => accept(),
        [] => compare(),
        _ => Err("only --accept".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("instruction counts: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether no path has become more expensive.
fn compare() -> Result<bool> {
    if !has_valgrind() {
        say(
            "No valgrind, so no instructions were counted (Debian, Ubuntu: apt-get install valgrind).",
        );
        return Ok(true);
    }
    let accepted = Accepted::read()?;
    let mut kept = true;
    for (path, repetitions) in paths::ALL {
        let count = count(path, *repetitions)?;
        let before = accepted.counts.get(*path).copied().unwrap_or_default();
        let ratio = count as f64 / before as f64;
        let verdict = match ratio {
            ..0.9 => ": cheaper",
            ..=TOLERANCE => "",
            _ => ": MORE EXPENSIVE",
        };
        say(&format!(
            "{path:10}{count:>12} instructions, {before:>12} accepted, x{ratio:.3}{verdict}"
        ));
        kept &= ratio <= TOLERANCE;
    }
    if accepted.compiler != compiler()? {
        say(&format!("The counts were accepted with {}: they are not judged.", accepted.compiler));
        return Ok(true);
    }
    if !kept {
        say("If that is intended, accept the new counts: make bench-instructions ARGS=--accept");
    }
    Ok(kept)
}

/// Counts everything and writes it down.
fn accept() -> Result<bool> {
    let mut lines = format!("{}\n", compiler()?);
    for (path, repetitions) in paths::ALL {
        let count = count(path, *repetitions)?;
        say(&format!("{path:10}{count:>12} instructions"));
        lines += &format!("{path}\t{count}\n");
    }
    std::fs::write(accepted_file(), lines)?;
    Ok(true)
}

/// What `counts.tsv` contains: the compiler's version, then a line for each path.
struct Accepted {
    compiler: String,
    counts: BTreeMap<String, u64>,
}

impl Accepted {
    fn read() -> Result<Self> {
        let text = std::fs::read_to_string(accepted_file())?;
        let mut lines = text.lines();
        let compiler = lines.next().unwrap_or_default().to_owned();
        let count = |line: &str| {
            let (path, count) = line.split_once('\t')?;
            Some((path.to_owned(), count.parse().ok()?))
        };
        Ok(Self { compiler, counts: lines.filter_map(count).collect() })
    }
}

/// Another compiler makes other instructions of the same code.
fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Instructions of one repetition of a path, of which the longer run has some more than the shorter.
fn count(path: &str, repetitions: u64) -> Result<u64> {
    let run = |count| move || instructions(path, count).map_err(|error| error.to_string());
    // Side by side: it takes half the time, and a count does not depend on it.
    let [few, many] = thread::scope(|scope| {
        [FEW, FEW + repetitions].map(|count| scope.spawn(run(count))).map(ScopedJoinHandle::join)
    });
    let [few, many] = [few, many].map(|run| run.unwrap_or_else(|_| Err("panicked".to_owned())));
    Ok(many?.saturating_sub(few?) / repetitions)
}

/// Instructions of a process that runs a path so often.
fn instructions(path: &str, count: u64) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg(format!("--cachegrind-out-file={}", folder.path().join("out").display()))
        .arg(std::env::current_exe()?)
        .args(["run", path, &count.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let total =
        text.lines().find_map(|line| line.split_once("I   refs:").or(line.split_once("I refs:")));
    match total {
        Some((_, total)) if output.status.success() => Ok(total.trim().replace(',', "").parse()?),
        _ => Err(format!("{path}: {}: {text}", output.status).into()),
    }
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

fn accepted_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/counts.tsv")
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").ok();
}
