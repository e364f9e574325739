//! A NATS server of the run's own, which is killed, paused and started again on the same port.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::processes::{end, free_port, signal};

pub struct Nats {
    program: PathBuf,
    host: String,
    port: u16,
    process: Option<Child>,
}

impl Nats {
    pub fn start(program: &Path) -> Self {
        Self::start_at(program, "127.0.0.1")
    }

    pub fn start_at(program: &Path, host: &str) -> Self {
        let (program, host) = (program.to_owned(), host.to_owned());
        let mut nats = Self { program, host, port: free_port(), process: None };
        nats.run();
        nats
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Starts it if it was killed, and resumes it if it was paused.
    pub fn run(&mut self) {
        self.pause(false);
        if self.process.is_none() {
            let process = Command::new(&self.program)
                .args(["-a", &self.host, "-p", &self.port.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            self.process = Some(process.expect("NATS"));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            end(&mut process);
        }
    }

    /// Stops it in the middle of whatever it does, or lets it go on.
    pub fn pause(&self, paused: bool) {
        if let Some(process) = &self.process {
            signal(if paused { "-STOP" } else { "-CONT" }, &[process.id()]);
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
