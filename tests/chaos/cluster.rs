//! The system under test: nodes and a NATS, as processes that are killed and started again. It knows
//! how to start and stop them, not when.

use std::fs::{File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use meowsenger::config::Variables;
use meowsenger_testing::{Program, Proxy, eventually};

use super::nats::Nats;

pub const BINARY: &str = env!("CARGO_BIN_EXE_meowsenger");

/// For a node that cannot start before its database answers.
const START: Duration = Duration::from_secs(60);

/// How a node is started.
#[derive(Clone)]
pub struct Plan {
    pub binary: PathBuf,
    /// The command that executes the program, such as one that enters a namespace.
    pub inside: Vec<String>,
    pub variables: Variables,
    pub listen: String,
}

/// Nodes, a NATS, and the proxies in front of the nodes.
pub struct Cluster {
    folder: PathBuf,
    nodes: Vec<Node>,
    pub nats: Option<Nats>,
    /// One for each client, to any node.
    pub proxies: Vec<Proxy>,
    /// One for each node.
    pub doors: Vec<Proxy>,
}

struct Node {
    plan: Plan,
    program: Option<Program>,
    paused: Option<Instant>,
}

impl Plan {
    pub fn new(variables: &Variables) -> Self {
        let (variables, listen) = (variables.clone(), "127.0.0.1:0".to_owned());
        let plan = Self { binary: BINARY.into(), inside: Vec::new(), variables, listen };
        // A dead node's sockets count until the others have declared it dead.
        plan.set("LOG_LEVEL", "warn").set("MAX_SOCKETS_PER_USER", "1000")
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Its `runserver`.
    pub fn command(&self) -> Command {
        let binary = self.binary.to_str().expect("a path");
        let all: Vec<_> = self.inside.iter().map(String::as_str).chain([binary]).collect();
        let arguments = [&all[1..], &["runserver", &self.listen]].concat();
        Program::command(all[0], &arguments, &self.variables)
    }
}

impl Cluster {
    /// Starts everything. The database is migrated already, or embedded.
    pub async fn start(
        folder: &Path,
        plans: Vec<Plan>,
        nats: Option<Nats>,
        clients: usize,
    ) -> Self {
        let nodes =
            plans.into_iter().map(|plan| Node { plan, program: None, paused: None }).collect();
        let (folder, proxies, doors) = (folder.to_owned(), Vec::new(), Vec::new());
        let mut cluster = Self { folder, nodes, nats, proxies, doors };
        for number in 0..cluster.nodes.len() {
            assert!(cluster.restart(number), "node {number} does not start");
            cluster.doors.push(Proxy::start(&[]).await);
        }
        for _ in 0..clients {
            cluster.proxies.push(Proxy::start(&[]).await);
        }
        cluster.lead();
        cluster
    }

    /// The URLs of the running nodes.
    pub fn bases(&self) -> Vec<&str> {
        self.running().map(|node| node.base.as_str()).collect()
    }

    /// A node that runs.
    pub fn node(&mut self, number: usize) -> &mut Program {
        self.nodes[number].program.as_mut().expect("it runs")
    }

    /// SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(node) = self.nodes[number].program.take() {
            drop(node);
            self.lead();
        }
    }

    /// Stops a node as an operator does. Whether it ended well.
    pub fn terminate(&mut self, number: usize) -> bool {
        let node = self.nodes[number].program.take();
        let well = node.is_some_and(|node| node.terminate().success());
        self.lead();
        well
    }

    /// Waits until a node ends by itself.
    pub async fn ended(&mut self, number: usize) -> ExitStatus {
        let node = self.nodes[number].program.as_mut().expect("it runs");
        eventually(START, "the node ends", async || node.ended()).await
    }

    /// Pauses a node, which cannot notice it.
    pub fn pause(&mut self, number: usize) {
        self.signal(number, "-STOP");
        self.nodes[number].paused.get_or_insert_with(Instant::now);
    }

    /// Resumes the nodes that have been paused for longer.
    pub fn resume_after(&mut self, longest: Duration) {
        for number in 0..self.len() {
            if self.nodes[number].paused.is_some_and(|since| since.elapsed() > longest) {
                self.restart(number);
            }
        }
    }

    /// Starts a node that has ended, or resumes a paused one. False if it does not start, as without its
    /// database.
    pub fn restart(&mut self, number: usize) -> bool {
        self.signal(number, "-CONT");
        let log = self.open_log(number);
        let node = &mut self.nodes[number];
        node.paused = None;
        if node.program.as_mut().is_some_and(|program| program.ended().is_none()) {
            return true;
        }
        node.program = Program::try_start(node.plan.command().stderr(log)).ok();
        self.lead();
        self.nodes[number].program.is_some()
    }

    /// How the node will be started next time.
    pub fn plan(&mut self, number: usize) -> &mut Plan {
        &mut self.nodes[number].plan
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Lets everything run.
    pub async fn heal(&mut self) {
        self.nats.iter_mut().for_each(Nats::run);
        for number in 0..self.len() {
            let look = async || self.restart(number).then_some(());
            eventually(START, "a node starts", look).await;
        }
        self.proxies.iter().chain(&self.doors).for_each(|proxy| proxy.stall(false));
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

    /// The most memory that a running node has used, in MiB.
    pub fn memory(&self) -> u64 {
        self.running().map(|node| node.memory("VmHWM")).max().unwrap_or_default()
    }

    fn running(&self) -> impl Iterator<Item = &Program> {
        self.nodes.iter().filter_map(|node| node.program.as_ref())
    }

    fn signal(&self, number: usize, signal: &str) {
        if let Some(node) = &self.nodes[number].program {
            super::processes::signal(signal, &[node.id()]);
        }
    }

    fn open_log(&self, number: usize) -> File {
        File::options().append(true).create(true).open(self.log(number)).expect("a log")
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("node-{number}.log"))
    }

    fn lead(&self) {
        self.proxies.iter().for_each(|proxy| proxy.lead_to(&self.bases()));
        for (door, node) in self.doors.iter().zip(&self.nodes) {
            let base = node.program.as_ref().map(|program| program.base.as_str());
            door.lead_to(&base.into_iter().collect::<Vec<_>>());
        }
    }
}
