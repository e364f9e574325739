//! What most experiments start with: nodes on a PostgreSQL of their own, each with a proxy on its way to the
//! database and to NATS, or one node on SQLite.

use std::path::Path;

use meowsenger::config::Variables;
use meowsenger_testing::services::{nats_server, variables};
use meowsenger_testing::{Backend, Program, Proxy};
use tempfile::TempDir;

use super::cluster::{BINARY, Cluster, Plan};
use super::nats::Nats;
use super::postgres::{self, Postgres};

/// Nodes with their services. Dropped in this order: nodes first.
pub struct Site {
    /// Taken by the run.
    pub plans: Vec<Plan>,
    pub nats: Option<Nats>,
    /// Each node's way to the database.
    pub to_database: Vec<Proxy>,
    /// Each node's way to NATS.
    pub to_bus: Vec<Proxy>,
    pub postgres: Postgres,
    pub folder: TempDir,
}

impl Site {
    /// A new database for so many nodes. `settings` are PostgreSQL's. `None` if a service is missing.
    pub async fn start(nodes: usize, settings: &str) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("primary");
        Self::make(folder, &data, nodes, settings, BINARY).await
    }

    /// The same with nodes of another version, and its schema.
    pub async fn start_for(nodes: usize, binary: &str) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let data = folder.path().join("primary");
        Self::make(folder, &data, nodes, "", binary).await
    }

    /// The same with the data of PostgreSQL on a disk.
    pub async fn start_in(disk: &Path, nodes: usize, settings: &str) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        Self::make(folder, &disk.join("primary"), nodes, settings, BINARY).await
    }

    async fn make(
        folder: TempDir,
        data: &Path,
        nodes: usize,
        settings: &str,
        binary: &str,
    ) -> Option<Self> {
        let nats = Nats::start(&nats_server()?);
        let postgres = Postgres::start(data, settings).await?;
        let mut common = embedded(folder.path()).await;
        common.insert("DATABASE_URL".to_owned(), postgres.url());
        common.insert("DATABASE_POOL_SIZE".to_owned(), "6".to_owned());
        Program::migrate(binary, &common);
        let (mut plans, mut to_database, mut to_bus) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..nodes {
            let database = Proxy::start(&[&postgres.address()]).await;
            let bus = Proxy::start(&[&nats.address()]).await;
            let mut plan = Plan::new(&common).set("DATABASE_URL", &postgres::url(port(&database)));
            plan.binary = binary.into();
            plans.push(plan.set("BUS_URL", &bus.base.replace("http", "nats")));
            to_database.push(database);
            to_bus.push(bus);
        }
        Some(Self { plans, nats: Some(nats), to_database, to_bus, postgres, folder })
    }

    /// Starts the nodes.
    pub async fn cluster(&mut self, clients: usize) -> Cluster {
        let (plans, nats) = (self.plans.clone(), self.nats.take());
        Cluster::start(self.folder.path(), plans, nats, clients).await
    }

    /// Leads the nodes to another server, as a balancer does after a failover.
    pub fn lead_to(&self, server: &Postgres) {
        for way in &self.to_database {
            way.lead_to(&[&server.address()]);
            way.cut();
        }
    }
}

/// The settings of a node on SQLite.
pub async fn embedded(folder: &Path) -> Variables {
    variables(Backend::Sqlite, folder).await.expect("no service needed")
}

/// The port of a proxy.
pub fn port(proxy: &Proxy) -> u16 {
    proxy.base.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}
