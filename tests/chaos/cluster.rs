//! The system under test: nodes and a NATS, as processes that are killed and started again. It knows
//! how to start and stop them, not when.

use std::fs::{File, read_to_string};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use meowsenger::config::Variables;
use meowsenger_testing::{Program, Proxy};

pub const BINARY: &str = env!("CARGO_BIN_EXE_meowsenger");

/// Three nodes, one NATS, and the proxies in front of them.
pub struct Cluster {
    folder: PathBuf,
    variables: Variables,
    nats: Nats,
    nodes: Vec<Option<Program>>,
    /// One for each client.
    pub proxies: Vec<Proxy>,
}

struct Nats {
    program: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Cluster {
    /// Starts everything. `variables` name a migrated PostgreSQL.
    pub async fn start(
        folder: &Path,
        mut variables: Variables,
        nats: &Path,
        proxies: usize,
    ) -> Self {
        let mut nats = Nats { program: nats.to_owned(), port: free_port(), process: None };
        nats.start();
        let mut set = |name: &str, value: &str| variables.insert(name.to_owned(), value.to_owned());
        set("BUS_URL", &format!("nats://127.0.0.1:{}", nats.port));
        set("LOG_LEVEL", "warn");
        // A dead node's sockets count until the others have declared it dead.
        set("MAX_SOCKETS_PER_USER", "1000");
        let folder = folder.to_owned();
        let mut cluster = Self { folder, variables, nats, nodes: Vec::new(), proxies: Vec::new() };
        for number in 0..3 {
            cluster.nodes.push(Some(cluster.node(number)));
        }
        for _ in 0..proxies {
            cluster.proxies.push(Proxy::start(&cluster.bases()).await);
        }
        cluster
    }

    /// The URLs of the running nodes.
    pub fn bases(&self) -> Vec<&str> {
        self.nodes.iter().flatten().map(|node| node.base.as_str()).collect()
    }

    /// SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(node) = self.nodes[number].take() {
            drop(node);
            self.lead();
        }
    }

    /// Pauses a node, which cannot notice it.
    pub fn pause(&self, number: usize) {
        self.signal(number, "-STOP");
    }

    /// Starts a killed node, or resumes a paused one.
    pub fn restart(&mut self, number: usize) {
        self.signal(number, "-CONT");
        if self.nodes[number].is_none() {
            self.nodes[number] = Some(self.node(number));
            self.lead();
        }
    }

    /// SIGKILL.
    pub fn kill_nats(&mut self) {
        if let Some(mut process) = self.nats.process.take() {
            end(&mut process);
        }
    }

    /// Starts NATS if it was killed.
    pub fn restart_nats(&mut self) {
        self.nats.start();
    }

    /// Repairs everything.
    pub fn heal(&mut self) {
        self.restart_nats();
        (0..self.nodes.len()).for_each(|number| self.restart(number));
        self.proxies.iter().for_each(|proxy| proxy.stall(false));
    }

    /// The panics and errors in the nodes' logs.
    pub fn complaints(&self) -> Vec<String> {
        let logs = (0..self.nodes.len()).map(|number| self.log(number));
        let lines = logs.flat_map(|path| {
            let text = read_to_string(path).expect("a log");
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        lines.filter(|line| line.contains("panicked at") || line.contains("ERROR")).collect()
    }

    fn signal(&self, number: usize, signal: &str) {
        if let Some(node) = &self.nodes[number] {
            node.signal(signal);
        }
    }

    fn node(&self, number: usize) -> Program {
        let log = File::options().append(true).create(true).open(self.log(number)).expect("a log");
        let arguments = ["runserver", "127.0.0.1:0"];
        Program::start(Program::command(BINARY, &arguments, &self.variables).stderr(log))
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("node-{number}.log"))
    }

    fn lead(&self) {
        self.proxies.iter().for_each(|proxy| proxy.lead_to(&self.bases()));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_nats();
    }
}

impl Nats {
    fn start(&mut self) {
        if self.process.is_none() {
            let process = Command::new(&self.program)
                .args(["-a", "127.0.0.1", "-p", &self.port.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            self.process = Some(process.expect("NATS"));
        }
    }
}

fn end(process: &mut Child) {
    // It may have exited by itself.
    drop(process.kill());
    process.wait().expect("gone");
}

/// NATS has to restart on the same port, so it cannot choose a free one by itself.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
