//! The real program in a process of its own, for what cannot be seen from inside: its log, its memory.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use meowsenger::config::Variables;

use super::client::Client;

/// The program, killed when dropped.
pub struct Program {
    process: Child,
    log: PathBuf,
    pub client: Client,
}

impl Program {
    /// To be run with these settings and nothing of the caller's environment; its log goes to a file.
    pub fn command(arguments: &[&str], variables: &Variables, log: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meowsenger"));
        command.args(arguments).env_clear().envs(variables).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(File::create(log).expect("a file"));
        command
    }

    /// Migrates the database and starts the server on a free port. Its log is in the folder.
    pub fn start(variables: &Variables, folder: &Path) -> Self {
        let log = folder.join("log");
        let migrated = Self::command(&["migrate"], variables, &log).status().expect("run");
        assert!(migrated.success());
        let mut process =
            Self::command(&["runserver", "0"], variables, &log).spawn().expect("started");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        let (_, base) = line.trim_end().rsplit_once("listens on ").expect("an address");
        let client = Client::new(base);
        Self { process, log, client }
    }

    /// A line of its `/proc/PID/status` in MiB, such as `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(status).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        let kib = line.split_whitespace().nth(1).expect("a number").parse::<u64>();
        kib.expect("a number") >> 10
    }

    /// Ends it as an operator does; what it has logged.
    pub fn end(mut self) -> String {
        let kill = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success());
        self.process.wait().expect("it ends");
        fs::read_to_string(&self.log).expect("a log")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended by itself where the test passes.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
