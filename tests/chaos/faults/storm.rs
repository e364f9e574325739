//! Too many clients at once: all sockets reconnect in the same moment, and some never read. Others are answered
//! as usual meanwhile, and the memory stays bounded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use meowsenger_testing::{Chance, Client, PASSWORD, Socket};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::cluster::{Cluster, Plan};
use super::super::run::Run;
use super::super::site::{Site, embedded};

const CLIENTS: usize = 6;
const SOCKETS: usize = 800;
const USERS: usize = 40;
/// In which all sockets must be back.
const BACK: Duration = Duration::from_secs(30);
const ANSWERED: Duration = Duration::from_secs(5);
/// Sockets that never read, and what is sent to each: many times what the server queues for one.
const DEAF: usize = 40;
const FLOOD: usize = 150;
/// In MiB. What a debug build needs for pages of code and password hashes is part of it.
const MEMORY: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn storm_of_reconnects() {
    let Some(mut site) = Site::start(2, "").await else { return };
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("800 sockets reconnect at once, 3 times", cluster).await;
    let users = users(&run.cluster.doors[0].base, USERS).await;
    let (count, mut counted) = watch::channel(0);
    let count = Arc::new(count);
    let mut listening = JoinSet::new();
    let mut chance = Chance::new("storm");
    for number in 0..SOCKETS {
        let client = users[number % USERS].clone();
        listening.spawn(stay(client, Arc::clone(&count), chance.fork()));
    }
    for round in 0..=3 {
        let began = Instant::now();
        // The reference that it returns would block the next change of the count.
        let is_back = timeout(BACK, counted.wait_for(|count| *count >= SOCKETS)).await.is_ok();
        assert!(is_back, "{} of {SOCKETS} sockets are back", *count.borrow());
        println!("round {round}: {SOCKETS} sockets in {:?}", began.elapsed());
        run.under_load(2).await;
        count.send_replace(0);
        run.cluster.doors[0].cut();
    }
    drop(listening);
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

/// Keeps a socket open. A generation of sockets ends when all of them are cut.
async fn stay(client: Client, count: Arc<watch::Sender<usize>>, mut chance: Chance) {
    let token = format!("Bearer {}", client.access);
    loop {
        if let Ok(mut socket) = Socket::dial(&client, "/ws/", &[("authorization", &token)]).await
            && socket.next_or_end().await.is_ok()
        {
            count.send_modify(|count| *count += 1);
            while let Some(Ok(_)) = socket.stream.next().await {}
        }
        sleep(Duration::from_millis(chance.below(500) as u64)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn slow_readers() {
    let folder = TempDir::new().expect("a folder");
    let plan = Plan::new(&embedded(folder.path()).await);
    let cluster = Cluster::start(folder.path(), vec![plan], None, CLIENTS).await;
    let mut run = Run::steady("40 sockets that never read", cluster).await;
    let users = users(run.cluster.bases()[0], 2).await;
    let chat = users[0].group(&[&users[1]]).await;
    let deaf = join_all((0..DEAF).map(|_| Socket::narrow(&users[1]))).await;
    let content = "\u{1F408}".repeat(9_000);
    for _ in 0..FLOOD {
        let path = format!("/api/chats/{chat}/messages/");
        users[0].post(&path, json!({"content": content})).await.expect(201);
    }
    drop(deaf);
    let memory = run.cluster.node(0).memory("VmHWM");
    assert!(memory < MEMORY, "{memory} MiB");
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

async fn users(base: &str, count: usize) -> Vec<Client> {
    let anonymous = Client::new(base);
    let names = (0..count).map(|number| format!("listener{number}"));
    join_all(names.map(|name| {
        let anonymous = anonymous.clone();
        async move { anonymous.register(&name, PASSWORD).await }
    }))
    .await
}
