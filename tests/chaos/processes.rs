//! What the run's services have in common: ports, signals, programs that may be missing.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A service has to restart on the same port, so it cannot choose a free one by itself.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// SIGKILL.
pub fn end(process: &mut Child) {
    // It may have exited by itself.
    drop(process.kill());
    process.wait().expect("gone");
}

/// Sends a signal, such as `-STOP`, to the run's own processes. Some may have ended meanwhile.
pub fn signal(signal: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    Command::new("kill").arg(signal).args(pids).stderr(Stdio::null()).status().expect("run");
}

/// The direct children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Runs a tool to its end. Panics with what it printed if it fails.
pub fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// The path of a tool. Without it the experiment is skipped, which is printed.
pub fn tool(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|p| p.is_file());
    if found.is_none() {
        skip(&format!("{name} is missing"));
    }
    found
}

/// Whether the experiment may mount and make namespaces. If not, it is skipped, which is printed.
pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("run");
    let is_root = output.stdout == b"0\n";
    if !is_root {
        skip("not root");
    }
    is_root
}

#[expect(clippy::print_stdout, reason = "somebody who runs the experiments has to know")]
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    println!("\nSKIPPED {test}: {why}");
}
