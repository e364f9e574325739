//! PostgreSQL behind PgBouncer, if that is installed: session pooling works; modes that would lose the
//! session's settings are refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use meowsenger::app::open_database;
use meowsenger::config::{Config, Variables};
use meowsenger::store::migrations;
use meowsenger_testing::eventually;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::support::{Backend, Store};

/// Debian's path, which only root has in PATH.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A pooler in front of the tests' server, stopped when dropped.
struct Pooler {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    async fn start(server: &Url, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PgBouncer drops root privileges before it reads this file.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("set");
        let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = unused.local_addr().expect("an address").port();
        drop(unused);
        let file = folder.path().join("pgbouncer.ini");
        let (host, to) = (server.host_str().expect("a host"), server.port().unwrap_or(5432));
        let text = format!(
            "[databases]\n* = host={host} port={to} user=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\n{settings}\n"
        );
        std::fs::write(&file, text).expect("written");
        let mut command = Command::new(PROGRAM);
        command.args(["-q", "-u", "nobody"]).arg(&file).stderr(Stdio::null());
        let process = command.spawn().expect("started");
        let look = async || TcpStream::connect(("127.0.0.1", port)).await.ok();
        eventually(Duration::from_secs(10), "the pooler accepts connections", look).await;
        Self { process, port, _folder: folder }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The same server through a pooler, which refuses `options`, and so the test's own schema.
fn variables(store: &Store, pooler: &Pooler) -> Variables {
    let mut variables = store.variables.clone();
    let mut url = Url::parse(&variables["DATABASE_URL"]).expect("a URL");
    url.set_port(Some(pooler.port)).expect("a host");
    url.set_query(None);
    variables.insert("DATABASE_URL".to_owned(), url.to_string());
    variables
}

#[tokio::test]
async fn session_pooling_works_and_is_durable_and_transaction_pooling_is_refused() {
    if !Path::new(PROGRAM).exists() {
        return;
    }
    let Some(store) = Store::empty(Backend::Postgres).await else { return };
    let server = Url::parse(&store.variables["DATABASE_URL"]).expect("a URL");
    {
        let pooler = Pooler::start(&server, "pool_mode = session").await;
        let config = Config::read(&variables(&store, &pooler)).expect("settings");
        let db = open_database(&config).await.expect("works");
        let mut tx = db.begin().await.expect("begun");
        let (setting,): (String,) = tx.query("show synchronous_commit").one().await.expect("read");
        assert_eq!(setting, "on");
        drop(tx);
        migrations::state(&db).await.expect("statements are kept");
        db.close().await;
    }
    for order in [0, 1] {
        let settings = format!("pool_mode = transaction\nserver_round_robin = {order}");
        let pooler = Pooler::start(&server, &settings).await;
        let config = Config::read(&variables(&store, &pooler)).expect("settings");
        let refused = open_database(&config).await.expect_err("refused").to_string();
        assert!(refused.contains("pool_mode = session"), "{refused}");
    }
}
