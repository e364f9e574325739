//! PgBouncer with session pooling between the nodes and PostgreSQL: it dies, is paused, and PostgreSQL dies behind
//! it. `tests/store/pooler.rs` shows that other modes are refused.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use meowsenger_testing::eventually;
use tokio::net::TcpStream;

use super::super::processes::{end, free_port, signal, tool};
use super::super::run::Run;
use super::super::site::Site;

const CLIENTS: usize = 12;
const ANSWERED: Duration = Duration::from_secs(10);
/// A node that finds no database does not start.
const STARTED: Duration = Duration::from_secs(10);

/// A pooler, stopped when dropped.
struct Pooler {
    program: PathBuf,
    file: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Pooler {
    async fn start(site: &Site) -> Option<Self> {
        let program = tool("pgbouncer")?;
        let port = free_port();
        let file = site.folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = session\ndefault_pool_size = 20\nserver_login_retry = 1\n",
            site.postgres.port()
        );
        fs::write(&file, text).expect("written");
        let mut pooler = Self { program, file, port, process: None };
        pooler.run();
        let listens = async || TcpStream::connect(("127.0.0.1", port)).await.ok();
        eventually(STARTED, "PgBouncer listens", listens).await;
        Some(pooler)
    }

    fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["-q", "-u", "postgres"]).arg(&self.file).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("started"));
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            end(&mut process);
        }
    }

    fn pause(&self, paused: bool) {
        let pids = self.process.iter().map(Child::id).collect::<Vec<_>>();
        signal(if paused { "-STOP" } else { "-CONT" }, &pids);
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn pooler_killed_and_paused() {
    let Some(mut site) = Site::start(2, "").await else { return };
    let Some(mut pooler) = Pooler::start(&site).await else { return };
    for way in &site.to_database {
        way.lead_to(&[&format!("127.0.0.1:{}", pooler.port)]);
    }
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("PgBouncer killed, paused 10 s", cluster).await;
    run.note("PgBouncer is killed");
    pooler.kill();
    run.under_load(3).await;
    pooler.run();
    run.recover().await;
    run.note("PgBouncer is paused");
    pooler.pause(true);
    run.under_load(10).await;
    pooler.pause(false);
    run.note("PostgreSQL is killed behind PgBouncer");
    site.postgres.kill();
    run.under_load(2).await;
    site.postgres.run().await;
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}
