//! The server's program as a child process, for what cannot be seen from inside: how it starts, dies,
//! logs, and how much memory it takes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use meowsenger::config::Variables;

use crate::services::environment;

const COVERAGE: &str = "LLVM_PROFILE_FILE";

/// Where `make coverage` collects what a process has run. Otherwise the process would write it into its
/// working directory.
pub fn coverage() -> Option<(&'static str, String)> {
    environment(COVERAGE).map(|file| (COVERAGE, file))
}

/// A running server, killed when dropped.
pub struct Program {
    process: Child,
    /// `http://127.0.0.1:PORT`
    pub base: String,
    /// Kept open: the server may write more.
    _output: BufReader<ChildStdout>,
}

impl Program {
    /// A command with these settings and nothing of the caller's environment. `binary` is
    /// `env!("CARGO_BIN_EXE_meowsenger")`, which only test binaries of the server's package have.
    pub fn command(binary: &str, arguments: &[&str], variables: &Variables) -> Command {
        let mut command = Command::new(binary);
        command.args(arguments).env_clear().envs(variables).stdin(Stdio::null());
        command.envs(coverage());
        command
    }

    /// Migrates the database.
    pub fn migrate(binary: &str, variables: &Variables) {
        let mut command = Self::command(binary, &["migrate"], variables);
        let status = command.stdout(Stdio::null()).status().expect("run");
        assert!(status.success(), "migrate: {status}");
    }

    /// Starts a command that is `runserver`, and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        Self::try_start(command).unwrap_or_else(|line| panic!("no address: {line:?}"))
    }

    /// The same for a server that may refuse to start. The error is what it printed first.
    pub fn try_start(command: &mut Command) -> Result<Self, String> {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("started");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let mut program = Self { process, base: String::new(), _output: output };
        // It is JSON if the log is.
        let address =
            line.rsplit_once("http://").and_then(|(_, rest)| rest.split(['"', '\n']).next());
        program.base = format!("http://{}", address.ok_or_else(|| line.clone())?);
        Ok(program)
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a child")
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("run").success());
    }

    /// Stops it as an operator does, with SIGTERM.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.process.wait().expect("it ends")
    }

    /// A line of its `/proc/PID/status` in MiB, such as `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        let kib = line.split_whitespace().nth(1).expect("a number").parse::<u64>();
        kib.expect("a number") >> 10
    }
}

impl Drop for Program {
    /// SIGKILL.
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
