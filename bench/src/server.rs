//! The server under test: a separate process on a free loopback port, killed when it is dropped. Its
//! folder is the caller's.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::Result;
use crate::cpu::Processes;

/// With which tokens are signed.
pub const SECRET_KEY: &str = "only-for-measurements-only-for-measurements-only-for-measurements";

const RUN: [&str; 2] = ["runserver", "127.0.0.1:0"];

/// A running server.
pub struct Server {
    process: Child,
    /// Kept open: writing to a closed pipe would fail.
    _output: BufReader<ChildStdout>,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

/// Memory of the process, in KiB.
#[derive(Clone, Copy)]
pub struct Memory {
    /// The memory that it has now.
    pub resident: u64,
    /// The most that it has had.
    pub peak: u64,
}

impl Server {
    /// Starts `program` on the data in `folder`, or in a PostgreSQL database, without the limits that
    /// would disturb a measurement.
    pub fn start(program: &Path, folder: &Path, postgres: Option<&str>) -> Result<Self> {
        let mut command = command(program, folder, postgres);
        Self::spawn(command.args(RUN).env("LOG_LEVEL", "warn"))
    }

    /// The same, but logging as it does for everybody, into `server.log` in the folder.
    pub fn start_logging(program: &Path, folder: &Path, postgres: Option<&str>) -> Result<Self> {
        let log = File::options().create(true).append(true).open(folder.join("server.log"))?;
        Self::spawn(command(program, folder, postgres).args(RUN).stderr(log))
    }

    /// Starts a program that prints its URL first.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
        let output = process.stdout.take().ok_or("the server has no output")?;
        let mut output = BufReader::new(output);
        let mut greeting = String::new();
        output.read_line(&mut greeting)?;
        let url = greeting.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.map(str::to_owned);
        let mut server = Self { process, _output: output, url: String::new() };
        server.url = url.ok_or("the server did not say where it listens")?;
        Ok(server)
    }

    /// Its process id.
    pub fn pid(&self) -> Result<i32> {
        Ok(i32::try_from(self.process.id())?)
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.url.trim_start_matches("http://").parse()?)
    }

    /// Its memory, from `/proc`.
    pub fn memory(&self) -> Result<Memory> {
        let process = Processes::One(self.pid()?);
        Ok(Memory { resident: process.resident_kib()?, peak: process.peak_kib()? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Creates the tables in a PostgreSQL database; the server migrates an embedded one by itself.
pub fn migrate(program: &Path, folder: &Path, postgres: Option<&str>) -> Result {
    let mut migrate = command(program, folder, postgres);
    let status = migrate.arg("migrate").stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("`migrate`: {status}").into()) }
}

fn command(program: &Path, folder: &Path, postgres: Option<&str>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs([("MAX_SOCKETS_PER_USER", "10000"), ("THROTTLE", "off"), ("SECRET_KEY", SECRET_KEY)])
        .env("DATA_DIR", folder.join("data"))
        // Without the caller's `.env`.
        .current_dir(folder);
    if let Some(url) = postgres {
        command.env("DATABASE_URL", url);
    }
    command
}

/// Starts a program, by default the server that was built together with this one, on embedded data.
pub fn start(program: Option<&Path>, folder: &Path) -> Result<Server> {
    let program = program.map_or_else(beside_us, |program| Ok(std::path::absolute(program)?))?;
    Server::start(&program, folder, None)
}

/// The server that was built together with this program.
pub fn beside_us() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("meowsenger"))
}
