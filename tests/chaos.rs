//! Faults, with one load and one judge: clients send, edit, forward, read, join, leave and more while something fails. In
//! the end every acknowledged message must exist once, and every client must have the server's state and must
//! have received every change in order.
//!
//! Here everything fails at once, by chance: nodes, PostgreSQL and NATS are killed and paused, connections are
//! cut and stalled. `MEOW_CHAOS_SEED` repeats the choices of a run (not its timing), `MEOW_CHAOS_SECONDS` is
//! its duration (30). The experiments in `chaos/faults` inject one kind of fault each; `make chaos` runs them.

#[path = "chaos/actor.rs"]
mod actor;
#[path = "chaos/cluster.rs"]
mod cluster;
#[path = "chaos/controls.rs"]
mod controls;
#[path = "chaos/faults/mod.rs"]
mod faults;
#[path = "chaos/history.rs"]
mod history;
#[path = "chaos/judge.rs"]
mod judge;
#[path = "chaos/nats.rs"]
mod nats;
#[path = "chaos/postgres.rs"]
mod postgres;
#[path = "chaos/probe.rs"]
mod probe;
#[path = "chaos/processes.rs"]
mod processes;
#[path = "chaos/run.rs"]
mod run;
#[path = "chaos/site.rs"]
mod site;
#[path = "chaos/truth.rs"]
mod truth;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use cluster::Cluster;
use meowsenger_testing::Chance;
use nats::Nats;
use postgres::Postgres;
use run::Run;
use site::Site;

const CLIENTS: usize = 30;
const CHATS: usize = 20;
/// Clients wait while nodes are down: an answer through a door is not measured.
const ANSWERED: Duration = probe::HANGS;
/// The longest pause of a node, which answers nobody meanwhile. A probe waits for longer: once resumed, the node may have
/// to wait for a paused database.
const PAUSED: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_ends_with_what_the_server_has() {
    let Some(mut site) = Site::start(3, "fsync = off").await else { return };
    let mut chance = Chance::from_variable("MEOW_CHAOS_SEED", "chaos");
    let lasting = environment("MEOW_CHAOS_SECONDS").map_or(30, |s| s.parse().expect("seconds"));
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::begin("everything at once", cluster, CHATS, &mut chance).await;

    let until = Instant::now() + Duration::from_secs(lasting);
    while Instant::now() < until {
        run.cluster.resume_after(PAUSED);
        let words = disturb(&mut run.cluster, &mut site.postgres, &mut chance).await;
        run.note(words);
        sleep(Duration::from_millis(200 + chance.below(1_300) as u64)).await;
    }
    site.postgres.pause(false);
    site.postgres.run().await;
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

/// Injects a fault, or repairs one. Describes it.
async fn disturb(cluster: &mut Cluster, postgres: &mut Postgres, chance: &mut Chance) -> String {
    let number = chance.below(3);
    let client = chance.below(CLIENTS);
    match chance.below(21) {
        0 | 1 => {
            cluster.kill(number);
            format!("node {number} was killed")
        }
        2 => {
            cluster.pause(number);
            format!("node {number} was paused")
        }
        3..=5 => {
            let runs = cluster.restart(number);
            format!("node {number} runs: {runs}")
        }
        6 | 7 => {
            cluster.nats.iter_mut().for_each(Nats::kill);
            "NATS was killed".to_owned()
        }
        8 => {
            cluster.nats.iter().for_each(|nats| nats.pause(true));
            "NATS was paused".to_owned()
        }
        9 | 10 => {
            cluster.nats.iter_mut().for_each(Nats::run);
            "NATS runs".to_owned()
        }
        11 => {
            cluster.proxies.iter().for_each(|proxy| proxy.cut());
            "all connections were cut".to_owned()
        }
        12 => {
            cluster.proxies[client].cut();
            format!("client {client} was cut")
        }
        13 | 14 => {
            cluster.proxies[client].stall(true);
            format!("client {client} is held up")
        }
        15 => {
            cluster.proxies.iter().for_each(|proxy| proxy.stall(false));
            "all connections carry".to_owned()
        }
        16 => {
            postgres.kill();
            postgres.run().await;
            "PostgreSQL was killed and started".to_owned()
        }
        17 => {
            postgres.kill_backend();
            "a connection of PostgreSQL was killed".to_owned()
        }
        18 => {
            postgres.pause(true);
            "PostgreSQL was paused".to_owned()
        }
        _ => {
            postgres.pause(false);
            "PostgreSQL runs".to_owned()
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests find their services by these variables")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
