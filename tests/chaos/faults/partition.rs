//! The network drops packets without a word, in one direction or both, between a node and its database, its
//! NATS or its clients. Each node has a network namespace, and a router between drops what it is asked to.

use std::process::Command;
use std::time::Duration;

use meowsenger_testing::services::nats_server;

use super::super::nats::Nats;
use super::super::processes::{is_root, run as run_tool, tool};
use super::super::run::Run;
use super::super::site::Site;

const CLIENTS: usize = 10;
const ANSWERED: Duration = Duration::from_secs(10);
/// Where the services and the clients are.
const HOME: &str = "10.213.100.2";
const NODE_PORT: u16 = 8000;
const NODES: usize = 2;

/// A router between this machine and the nodes' namespaces, removed when dropped.
struct Net {
    id: u32,
    rules: Vec<String>,
}

#[derive(Clone, Copy)]
enum Way {
    FromNode,
    ToNode,
}

impl Net {
    fn start() -> Option<Self> {
        tool("ip")?;
        if !is_root() {
            return None;
        }
        let net = Self { id: std::process::id(), rules: Vec::new() };
        let (router, id) = (net.router(), net.id);
        net.ip(&format!("netns add {router}"));
        net.ip(&format!("link add meow{id} type veth peer name home netns {router}"));
        net.ip(&format!("addr add {HOME}/24 dev meow{id}"));
        net.ip(&format!("link set meow{id} up"));
        net.ip(&format!("-n {router} addr add 10.213.100.1/24 dev home"));
        net.ip(&format!("-n {router} link set home up"));
        net.ip("route add 10.213.0.0/18 via 10.213.100.1");
        net.inside(&router, "echo 1 > /proc/sys/net/ipv4/ip_forward");
        for node in 0..NODES {
            let space = net.space(node);
            net.ip(&format!("netns add {space}"));
            net.ip(&format!(
                "link add node{node} netns {router} type veth peer name home netns {space}"
            ));
            net.ip(&format!("-n {router} addr add 10.213.{node}.1/24 dev node{node}"));
            net.ip(&format!("-n {router} link set node{node} up"));
            net.ip(&format!("-n {space} addr add {}/24 dev home", address(node)));
            net.ip(&format!("-n {space} link set home up"));
            net.ip(&format!("-n {space} link set lo up"));
            net.ip(&format!("-n {space} route add default via 10.213.{node}.1"));
        }
        Some(net)
    }

    /// Drops what a node and a port of another machine, or of its own, send each other.
    fn drop_packets(&mut self, node: usize, port: u16, way: Way) {
        let (address, is_own) = (address(node), port == NODE_PORT);
        let rule = match way {
            Way::FromNode => {
                let side = if is_own { "sport" } else { "dport" };
                format!("from {address} to {HOME} ipproto tcp {side} {port} blackhole")
            }
            Way::ToNode => {
                let side = if is_own { "dport" } else { "sport" };
                format!("from {HOME} to {address} ipproto tcp {side} {port} blackhole")
            }
        };
        self.ip(&format!("-n {} rule add {rule}", self.router()));
        self.rules.push(rule);
    }

    fn heal(&mut self) {
        for rule in std::mem::take(&mut self.rules) {
            self.ip(&format!("-n {} rule del {rule}", self.router()));
        }
    }

    fn router(&self) -> String {
        format!("meow{}r", self.id)
    }

    fn space(&self, node: usize) -> String {
        format!("meow{}n{node}", self.id)
    }

    fn ip(&self, arguments: &str) {
        run_tool(Command::new("ip").args(arguments.split(' ')));
    }

    fn inside(&self, space: &str, script: &str) {
        run_tool(Command::new("ip").args(["netns", "exec", space, "sh", "-c", script]));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let spaces = (0..NODES).map(|node| self.space(node));
        for space in spaces.chain([self.router()]) {
            Command::new("ip").args(["netns", "del", &space]).output().ok();
        }
    }
}

fn address(node: usize) -> String {
    format!("10.213.{node}.2")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn partitions() {
    let Some(mut net) = Net::start() else { return };
    let settings = format!("listen_addresses = '127.0.0.1, {HOME}'");
    let Some(mut site) = Site::start(NODES, &settings).await else { return };
    site.postgres.configure("pg_hba.conf", "host all all 10.213.0.0/16 trust\n");
    site.postgres.script("select pg_reload_conf()").await;
    let nats = Nats::start_at(&nats_server().expect("it was there"), HOME);
    let (database, bus) = (site.postgres.port(), nats.port());
    site.nats = Some(nats);
    for (number, plan) in site.plans.iter_mut().enumerate() {
        plan.inside = ["ip", "netns", "exec", &net.space(number)].map(str::to_owned).to_vec();
        plan.listen = format!("{}:{NODE_PORT}", address(number));
        let url = format!("postgres://postgres@{HOME}:{database}/postgres");
        *plan = plan.clone().set("DATABASE_URL", &url).set("ALLOWED_HOSTS", "*");
        *plan = plan.clone().set("BUS_URL", &format!("nats://{HOME}:{bus}"));
    }
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("partitions, 15 s each", cluster).await;
    use Way::{FromNode, ToNode};
    for (what, port, ways) in [
        ("node 0 and PostgreSQL", database, &[FromNode, ToNode][..]),
        ("PostgreSQL to node 0", database, &[ToNode]),
        ("node 0 to PostgreSQL", database, &[FromNode]),
        ("node 0 and NATS", bus, &[FromNode, ToNode]),
        ("NATS to node 0", bus, &[ToNode]),
    ] {
        run.note(format!("dropped: {what}"));
        for way in ways {
            net.drop_packets(0, port, *way);
        }
        run.under_load(15).await;
        net.heal();
        run.recover().await;
    }
    let longest = run.probes.iter().map(|probe| probe.longest()).max();
    assert!(longest.is_some_and(|longest| longest <= ANSWERED), "{longest:?}");
    run.note("dropped: node 0 and its clients");
    for way in [FromNode, ToNode] {
        net.drop_packets(0, NODE_PORT, way);
    }
    // TCP doubles its pauses: after a longer time it would try again too late for the probe.
    run.under_load(8).await;
    net.heal();
    run.recover().await;
    // Answers that were lost on the way took as long as the partition.
    run.end().await.demand_none(super::super::probe::HANGS);
}
