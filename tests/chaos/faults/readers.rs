//! Sockets that never read: others are answered as usual meanwhile, and the memory stays bounded.
//! `meowsenger-bench` measures thousands of sockets that reconnect at once.

use std::time::Duration;

use futures_util::future::join_all;
use meowsenger_testing::{Client, PASSWORD, Socket};
use serde_json::json;
use tempfile::TempDir;

use super::super::cluster::{Cluster, Plan};
use super::super::run::Run;
use super::super::site::embedded;

const CLIENTS: usize = 6;
const ANSWERED: Duration = Duration::from_secs(5);
/// Sockets that never read, and what is sent to each: many times what the server queues for one.
const DEAF: usize = 40;
const FLOOD: usize = 150;
/// In MiB. What a debug build needs for pages of code and password hashes is part of it.
const MEMORY: u64 = 300;

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
