//! A server for one test: on a port of its own, with a fresh SQLite file, or a schema of its own in
//! the PostgreSQL that `make test` starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use meowsenger::app::{App, SystemClock};
use meowsenger::auth::secrets::random_hex;
use meowsenger::config::{Config, Variables};
use meowsenger::store::{Target, migrations};
use meowsenger::{actions, http};
use sqlx::Executor;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::client::Client;
use super::proxy::Proxy;

/// A password that every validator lets through.
pub const PASSWORD: &str = "nine-lives-2026";

/// What every test's server signs with.
pub const SECRET_KEY: &str = "only-for-tests-only-for-tests-only-for-tests-only-for-tests-";

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A running server, stopped when dropped.
pub struct TestApp {
    pub app: Arc<App>,
    /// The clock of the machine that it believes to run on.
    pub system: SystemClock,
    /// `http://127.0.0.1:PORT`
    pub base: String,
    /// What it was started with, to start another node on the same data.
    pub variables: Variables,
    /// Removed with the test.
    _folder: Arc<TempDir>,
    users: AtomicU32,
}

impl TestApp {
    /// Starts a server. `None`, so that the test is skipped, where there is no PostgreSQL to ask
    /// and nobody requires one.
    pub async fn start(backend: Backend) -> Option<Self> {
        Self::start_with(backend, &[]).await
    }

    /// The same with some settings.
    pub async fn start_with(backend: Backend, settings: &[(&str, &str)]) -> Option<Self> {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let mut variables = variables(backend, folder.path()).await?;
        let settings = settings.iter().map(|(name, value)| (*name, *value));
        variables.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Some(Self::open(variables, folder, SystemClock::default()).await)
    }

    /// A node that reaches its PostgreSQL through a proxy, with as little patience as can be set, and
    /// another node that reaches it directly.
    pub async fn start_behind_proxy() -> Option<(Self, Self, Proxy)> {
        let hasty = [("DATABASE_CONNECT_TIMEOUT", "1s"), ("DATABASE_STATEMENT_TIMEOUT", "1s")];
        let direct = Self::start_with(Backend::Postgres, &hasty).await?;
        let mut url: url::Url = direct.variables["DATABASE_URL"].parse().expect("a URL");
        let (host, port) = (url.host_str().expect("a host"), url.port().unwrap_or(5432));
        let proxy = Proxy::start(&[&format!("http://{host}:{port}")]).await;
        let place: url::Url = proxy.base.parse().expect("a URL");
        url.set_host(place.host_str()).expect("set");
        url.set_port(place.port()).expect("set");
        let mut variables = direct.variables.clone();
        variables.insert("DATABASE_URL".to_owned(), url.to_string());
        let behind =
            Self::open(variables, Arc::clone(&direct._folder), SystemClock::default()).await;
        Some((behind, direct, proxy))
    }

    /// Another node on the same database.
    pub async fn second_node(&self) -> Self {
        self.node_off_by(0).await
    }

    /// Another node on the same database, on a machine whose clock is so many seconds ahead.
    pub async fn node_off_by(&self, seconds: i64) -> Self {
        let system = SystemClock::default();
        system.set_ahead(seconds * 1_000_000);
        Self::open(self.variables.clone(), Arc::clone(&self._folder), system).await
    }

    /// Ends, as by SIGKILL, and starts again on the same data, on a machine whose clock is so many
    /// seconds ahead.
    pub async fn restart(self, seconds: i64) -> Self {
        self.app.stopping.cancel();
        self.app.stopped.cancel();
        self.app.db.close().await;
        self.node_off_by(seconds).await
    }

    async fn open(variables: Variables, folder: Arc<TempDir>, system: SystemClock) -> Self {
        let config = Config::read(&variables).expect("settings");
        let (app, sends) = App::open_with(&config, system.clone()).await.expect("opened");
        migrations::migrate(&app.db, app.clock.now(), |_| {}).await.expect("migrated");
        actions::epoch::enter(&app).await.expect("the epoch");
        actions::start(&app, sends);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        app.spawn(http::serve(Arc::clone(&app), listener));
        Self {
            app,
            system,
            base: format!("http://{address}"),
            variables,
            _folder: folder,
            users: AtomicU32::new(1),
        }
    }

    /// Somebody who has no account.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.base)
    }

    /// A new user, logged in. The username begins with `name`.
    pub async fn user(&self, name: &str) -> Client {
        self.anonymous().register(&format!("{name}{}", self.number()), PASSWORD).await
    }

    /// For names: another one each time.
    pub fn number(&self) -> u32 {
        self.users.fetch_add(1, Ordering::Relaxed)
    }
}

impl TestApp {
    /// Shuts somebody out, as an operator does.
    pub async fn deactivate(&self, user: &Client) {
        let mut tx = self.app.db.begin().await.expect("begun");
        Target::from(&mut tx)
            .query("update users set is_active = false where id = $1")
            .bind(user.id)
            .execute()
            .await
            .expect("updated");
        tx.commit().await.expect("committed");
    }

    /// Runs a script on the database, as an operator does.
    pub async fn script(&self, sql: &str) {
        let mut tx = self.app.db.begin().await.expect("begun");
        tx.script(sql.to_owned()).await.expect("run");
        tx.commit().await.expect("committed");
    }

    /// Makes somebody staff, or a superuser, as an operator does.
    pub async fn make_staff(&self, user: &Client, superuser: bool) {
        let mut tx = self.app.db.begin().await.expect("begun");
        Target::from(&mut tx)
            .query("update users set is_staff = true, is_superuser = $2 where id = $1")
            .bind(user.id)
            .bind(superuser)
            .execute()
            .await
            .expect("updated");
        tx.commit().await.expect("committed");
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // Else the node would soon take its database for a restored one.
        let is_sound = std::thread::panicking() || !self.app.hub.witness.is_contradicted();
        assert!(is_sound, "a version was published twice");
        self.app.stopping.cancel();
        self.app.stopped.cancel();
    }
}

/// The settings of a fresh, empty database. `None` where there is no PostgreSQL and none required.
pub async fn variables(backend: Backend, folder: &std::path::Path) -> Option<Variables> {
    let mut variables = Variables::new();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("DATA_DIR", folder.display().to_string());
    set("SECRET_KEY", SECRET_KEY.to_owned());
    // What tests them switches them on.
    set("THROTTLE", "off".to_owned());
    set("SHUTDOWN_DELAY", "0".to_owned());
    if backend == Backend::Postgres {
        set("DATABASE_URL", fresh_schema().await?);
        set("DATABASE_POOL_SIZE", "6".to_owned());
    }
    Some(variables)
}

/// The NATS server of the tests. `None` where there is none and none required.
pub fn bus_url() -> Option<String> {
    service("MEOW_TEST_NATS_URL")
}

/// The NATS program. `None` where there is none and none is required.
pub fn nats_server() -> Option<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    let named = environment("NATS_SERVER").map(PathBuf::from);
    let found = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let usual = PathBuf::from("/usr/sbin/nats-server");
    let program = named.into_iter().chain(found).chain([usual]).find(|path| path.is_file());
    let required = environment("MEOW_REQUIRE_SERVICES").is_some();
    assert!(
        program.is_some() || !required,
        "MEOW_REQUIRE_SERVICES is set, and no nats-server found"
    );
    program
}

fn service(name: &str) -> Option<String> {
    let url = environment(name);
    if url.is_none() && environment("MEOW_REQUIRE_SERVICES").is_some() {
        panic!("MEOW_REQUIRE_SERVICES is set and {name} is not");
    }
    url
}

/// Makes a schema and gives the URL by which everything happens in it. The server is thrown away as
/// a whole, so it is not removed.
async fn fresh_schema() -> Option<String> {
    let server = service("MEOW_TEST_POSTGRES_URL")?;
    let schema = format!("test_{}", random_hex::<8>().expect("random"));
    let pool = sqlx::PgPool::connect(&server).await.expect("the test server answers");
    let sql = sqlx::AssertSqlSafe(format!("create schema {schema}"));
    pool.execute(sqlx::raw_sql(sql)).await.expect("a schema");
    pool.close().await;
    let sign = if server.contains('?') { '&' } else { '?' };
    Some(format!("{server}{sign}options=-csearch_path%3D{schema}"))
}

#[expect(clippy::disallowed_methods, reason = "tests are told of their services this way")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
