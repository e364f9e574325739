//! A server for one test, on its own port, with a new SQLite file, or its own schema in the PostgreSQL
//! that `make test` starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use meowsenger::app::{App, SystemClock};
use meowsenger::auth::hashes::HashCost;
use meowsenger::config::{Config, Variables};
use meowsenger::store::migrations;
use meowsenger::{actions, http};
use meowsenger_testing::Watchdog;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::services::{self, Backend, PASSWORD};
use super::{Client, Proxy};

/// Almost nothing: with the real cost, passwords would be half of the work of all tests.
const HASH_COST: HashCost = HashCost { memory_kib: 64, passes: 1 };

/// A running server, stopped when dropped.
pub struct TestApp {
    pub app: Arc<App>,
    /// The simulated system clock of its machine.
    pub system: SystemClock,
    /// `http://127.0.0.1:PORT`
    pub base: String,
    /// Its settings, to start another node on the same data.
    pub variables: Variables,
    /// Removed when the test ends.
    _folder: Arc<TempDir>,
    /// Ends the tests if this one hangs.
    _watchdog: Watchdog,
    users: AtomicU32,
}

impl TestApp {
    /// Starts a server. `None`, so that the test is skipped, if there is no PostgreSQL and none is
    /// required.
    pub async fn start(backend: Backend) -> Option<Self> {
        Self::start_with(backend, &[]).await
    }

    /// Starts a server with some settings.
    pub async fn start_with(backend: Backend, settings: &[(&str, &str)]) -> Option<Self> {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let mut variables = services::variables(backend, folder.path()).await?;
        let settings = settings.iter().map(|(name, value)| (*name, *value));
        variables.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Some(Self::open(variables, folder, SystemClock::default()).await)
    }

    /// A node that reaches its PostgreSQL through a proxy, with the shortest timeouts, and another node
    /// that reaches it directly.
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

    /// Stops as by SIGKILL, and starts again on the same data, on a machine whose clock is so many seconds
    /// ahead.
    pub async fn restart(self, seconds: i64) -> Self {
        self.app.stopping.cancel();
        self.app.stopped.cancel();
        self.app.db.close().await;
        self.node_off_by(seconds).await
    }

    async fn open(variables: Variables, folder: Arc<TempDir>, system: SystemClock) -> Self {
        let config = Config::read(&variables).expect("settings");
        let opened = App::open_with(&config, system.clone(), HASH_COST).await;
        let (app, sends) = opened.expect("opened");
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
            _watchdog: Watchdog::start(),
            users: AtomicU32::new(1),
        }
    }

    /// A client without an account.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.base)
    }

    /// A new user, logged in. The username begins with `name`.
    pub async fn user(&self, name: &str) -> Client {
        self.anonymous().register(&format!("{name}{}", self.number()), PASSWORD).await
    }

    /// A number for names, different each time.
    pub fn number(&self) -> u32 {
        self.users.fetch_add(1, Ordering::Relaxed)
    }
}

impl TestApp {
    /// Deactivates a user, as an operator does.
    pub async fn deactivate(&self, user: &Client) {
        let mut tx = self.app.db.begin().await.expect("begun");
        tx.query("update users set is_active = false where id = $1")
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

    /// Makes a user staff, or a superuser, as an operator does.
    pub async fn make_staff(&self, user: &Client, superuser: bool) {
        let mut tx = self.app.db.begin().await.expect("begun");
        tx.query("update users set is_staff = true, is_superuser = $2 where id = $1")
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
        // Otherwise the node would soon consider its database restored.
        let is_sound = std::thread::panicking() || !self.app.hub.witness.is_contradicted();
        assert!(is_sound, "a version was published twice");
        self.app.stopping.cancel();
        self.app.stopped.cancel();
    }
}
