//! Everything fails at once: three nodes, a PostgreSQL, a NATS and thirty clients, while nodes and NATS
//! are killed and connections are cut and stalled. In the end every client must have the server's
//! state, and must have received every change in order.
//!
//! `MEOW_CHAOS_SEED` repeats the choices of a run (not its timing), `MEOW_CHAOS_SECONDS` is its
//! duration (30).

#[path = "chaos/actor.rs"]
mod actor;
#[path = "chaos/cluster.rs"]
mod cluster;
#[path = "chaos/controls.rs"]
mod controls;
#[path = "chaos/history.rs"]
mod history;
#[path = "chaos/judge.rs"]
mod judge;
#[path = "chaos/truth.rs"]
mod truth;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use actor::{Actor, Notes};
use cluster::{BINARY, Cluster};
use history::{History, What};
use meowsenger_client::UserId;
use meowsenger_client::types::NewGroup;
use meowsenger_testing::services::{nats_server, variables};
use meowsenger_testing::{Backend, Chance, Program};

const CLIENTS: usize = 30;
const CHATS: usize = 20;
/// The time after the last fault within which all clients must have the server's state.
const QUIET: Duration = Duration::from_secs(40);
/// The time after that within which pending requests must end.
const FINISH: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_ends_with_what_the_server_has() {
    let folder = TempDir::new().expect("a folder");
    let Some(variables) = variables(Backend::Postgres, folder.path()).await else { return };
    let Some(nats) = nats_server() else { return };
    Program::migrate(BINARY, &variables);
    let mut chance = Chance::from_variable("MEOW_CHAOS_SEED", "chaos");
    let lasting = environment("MEOW_CHAOS_SECONDS").map_or(30, |s| s.parse().expect("seconds"));

    let mut cluster = Cluster::start(folder.path(), variables, &nats, CLIENTS).await;
    let (history, notes) = (Arc::new(History::new()), Arc::new(Notes::default()));
    let mut listening = JoinSet::new();
    let mut actors = Vec::new();
    for (number, proxy) in cluster.proxies.iter().enumerate() {
        let (actor, events) = Actor::enter(number, &proxy.base, &history, &notes).await;
        listening.spawn(actor::listen(number, events, Arc::clone(&history), Arc::clone(&notes)));
        actors.push(Arc::new(actor));
    }
    let ids: Vec<_> = actors.iter().map(|actor| actor.id).collect();
    make_chats(&actors, &ids, &mut chance).await;

    let (stop, stopped) = watch::channel(false);
    let mut acting = JoinSet::new();
    for actor in &actors {
        let others = ids.iter().copied().filter(|id| *id != actor.id).collect();
        acting.spawn(Arc::clone(actor).act(chance.fork(), others, stopped.clone()));
    }
    let until = Instant::now() + Duration::from_secs(lasting);
    while Instant::now() < until {
        let words = disturb(&mut cluster, &mut chance);
        history.add(None, What::Did(words));
        sleep(Duration::from_millis(200 + chance.below(1_300) as u64)).await;
    }

    cluster.heal();
    stop.send_replace(true);
    history.add(None, What::Did("healed".to_owned()));
    let healed = Instant::now();
    let finished = async { while acting.join_next().await.is_some() {} };
    let mut faults = Vec::new();
    if timeout(FINISH, finished).await.is_err() {
        faults.push(format!("{} clients wait for an answer", acting.len()));
    }
    let nodes = cluster.bases();
    let quiet = timeout(QUIET, truth::until_all_know_all(&actors, nodes[0], &notes)).await;
    history.add(None, What::Did(format!("quiet: {}", quiet.is_ok())));
    if quiet.is_err() {
        faults.push("they did not come to know everything in time".to_owned());
    }
    let took = healed.elapsed();

    faults.append(&mut notes.faults.lock().expect("not poisoned"));
    faults.extend(cluster.complaints());
    faults.extend(judge::frames(&history.entries()));
    faults.extend(judge::reported(&history.entries()));
    faults.extend(truth::judge(&actors, &nodes, &notes).await);
    let sends = notes.sends.lock().expect("not poisoned");
    let (acked, tried) = (sends.acked.len(), sends.tried.len());
    let entries = history.entries().len();
    println!("{acked} of {tried} sends acknowledged, {entries} entries, quiet in {took:?}");
    if !faults.is_empty() {
        let (path, count) = (history.keep(), faults.len());
        faults.truncate(40);
        panic!("{count} faults; the history is in {}\n{}", path.display(), faults.join("\n"));
    }
    assert!(acked > 0, "nothing happened");
}

/// Small groups, and some private chats.
async fn make_chats(actors: &[Arc<Actor>], ids: &[UserId], chance: &mut Chance) {
    for number in 0..CHATS {
        let actor = &actors[number % actors.len()];
        let others: Vec<_> = (0..2 + chance.below(6)).filter_map(|_| chance.pick(ids)).collect();
        let others: Vec<_> = others.into_iter().copied().filter(|id| *id != actor.id).collect();
        let made = match others.first() {
            Some(other) if number % 5 == 0 => actor.client.private_chat(*other).await,
            _ => {
                let group = NewGroup::new(format!("Room {number}")).members(others);
                actor.client.create_group(&group).await
            }
        };
        made.expect("made");
    }
}

/// Injects a fault, or repairs one. Describes it.
fn disturb(cluster: &mut Cluster, chance: &mut Chance) -> String {
    let number = chance.below(3);
    let client = chance.below(CLIENTS);
    match chance.below(15) {
        0 | 1 => {
            cluster.kill(number);
            format!("node {number} was killed")
        }
        2 => {
            cluster.pause(number);
            format!("node {number} was paused")
        }
        3..=5 => {
            cluster.restart(number);
            format!("node {number} runs")
        }
        6 | 7 => {
            cluster.kill_nats();
            "NATS was killed".to_owned()
        }
        8 | 9 => {
            cluster.restart_nats();
            "NATS runs".to_owned()
        }
        10 => {
            cluster.proxies.iter().for_each(|proxy| proxy.cut());
            "all connections were cut".to_owned()
        }
        11 => {
            cluster.proxies[client].cut();
            format!("client {client} was cut")
        }
        12 | 13 => {
            cluster.proxies[client].stall(true);
            format!("client {client} is held up")
        }
        _ => {
            cluster.proxies.iter().for_each(|proxy| proxy.stall(false));
            "all connections carry".to_owned()
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests find their services by these variables")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
