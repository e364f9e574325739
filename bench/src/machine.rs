//! On what was measured: figures without this say nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Facts by name: the processor, the kernel, the versions of programs.
pub fn facts(program: &Path) -> BTreeMap<String, String> {
    let cores = std::thread::available_parallelism().map(|count| count.to_string());
    let memory = line_of("/proc/meminfo", "MemTotal:").map(|kib| {
        let kib: u64 = kib.trim_end_matches("kB").trim().parse().unwrap_or_default();
        format!("{} GiB", kib.div_ceil(1024 * 1024))
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let version = output(program, &["--version"]);
    let version = version.and_then(|line| Some(line.split_whitespace().last()?.to_owned()));
    let facts = [
        ("processor", line_of("/proc/cpuinfo", "model name").map(|name| clean(&name))),
        ("cores", cores.ok()),
        ("memory", memory),
        ("kernel", kernel.map(|text| text.trim().to_owned())),
        ("Meowsenger", version),
        ("commit", output("git", &["describe", "--always", "--dirty", "--abbrev=10"])),
        ("compiler", output("rustc", &["--version"])),
        ("SQLite", Some(rusqlite::version().to_owned())),
        ("date", output("date", &["--utc", "+%Y-%m-%d"])),
    ];
    let known = facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.collect()
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn clean(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn output(program: impl AsRef<Path>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program.as_ref()).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
