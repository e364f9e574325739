//! The server's program with its log in a file, and a client of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use meowsenger::config::Variables;
use meowsenger_testing as testing;

use super::Client;

const BINARY: &str = env!("CARGO_BIN_EXE_meowsenger");

/// A running server, killed when dropped.
pub struct Program {
    program: testing::Program,
    log: PathBuf,
    pub client: Client,
}

impl Program {
    /// A command that logs to a file.
    pub fn command(arguments: &[&str], variables: &Variables, log: &Path) -> Command {
        let mut command = testing::Program::command(BINARY, arguments, variables);
        command.stderr(File::create(log).expect("a file"));
        command
    }

    /// Migrates the database and starts the server on a free port. Its log is in the folder.
    pub fn start(variables: &Variables, folder: &Path) -> Self {
        let log = folder.join("log");
        testing::Program::migrate(BINARY, variables);
        let program =
            testing::Program::start(&mut Self::command(&["runserver", "0"], variables, &log));
        let client = Client::new(&program.base);
        Self { program, log, client }
    }

    /// A line of its `/proc/PID/status` in MiB, such as `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        self.program.memory(name)
    }

    /// Stops it as an operator does, and returns its log.
    pub fn end(self) -> String {
        self.program.terminate();
        fs::read_to_string(&self.log).expect("a log")
    }
}
