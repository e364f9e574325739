//! A site under test: a server on a database of its own that was filled for the purpose. Scenarios get one,
//! and need not know which database it is or which of two compared programs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::cpu::Processes;
use crate::database::Database;
use crate::seed::seed;
use crate::server::{self, Server};
use crate::world::{Part, Size, World};
use crate::{Error, Result};

/// The kind of database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A running server with its data. Its folder and its database are removed with it.
pub struct Site {
    pub backend: Backend,
    program: PathBuf,
    folder: TempDir,
    /// PostgreSQL's processes and the database of this site there.
    postgres: Option<(Processes, String)>,
    server: Option<Server>,
    /// Where the server listens.
    pub address: SocketAddr,
    pub world: World,
}

/// Where a site's data is.
pub struct Place<'a> {
    /// A folder on a real disk.
    pub folder: &'a Path,
    /// A PostgreSQL server, as a superuser.
    pub postgres: Option<&'a str>,
}

impl Site {
    /// Creates the database, fills it and starts the server.
    pub async fn open(
        backend: Backend,
        program: &Path,
        place: &Place<'_>,
        size: Size,
        parts: &[Part],
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(place.folder)?;
        let postgres = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(create(place.postgres.ok_or(NO_POSTGRES)?, &folder).await?),
        };
        let world = World::new(size)?;
        let url = postgres.as_ref().map(|(_, url)| url.as_str());
        server::migrate(program, folder.path(), url)?;
        let mut database = Database::open(folder.path(), url).await?;
        seed(&mut database, &world, parts).await?;
        database.close().await?;
        let mut site = Self {
            backend,
            program: program.to_owned(),
            folder,
            postgres,
            server: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            world,
        };
        site.restart()?;
        let mut database = site.database().await?;
        database.wait_for_index().await?;
        database.close().await?;
        Ok(site)
    }

    /// Stops the server and starts a new process on the same data.
    pub fn restart(&mut self) -> Result {
        self.server = None;
        let url = self.postgres.as_ref().map(|(_, url)| url.as_str());
        let server = Server::start_logging(&self.program, self.folder.path(), url)?;
        self.address = server.address()?;
        self.server = Some(server);
        Ok(())
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's process.
    pub fn server(&self) -> Result<Processes> {
        Ok(Processes::One(self.server_pid()?))
    }

    /// Its id.
    pub fn server_pid(&self) -> Result<i32> {
        self.server.as_ref().ok_or("no server")?.pid()
    }

    /// The number of files and sockets that the server has open.
    pub fn open_files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.server_pid()?))?.count())
    }

    /// CPU time of the database's own processes until now: none if it is embedded.
    pub fn database_cpu(&self) -> Result<Duration> {
        self.postgres.as_ref().map_or(Ok(Duration::ZERO), |(processes, _)| processes.cpu())
    }

    /// The version of PostgreSQL, if that is the database.
    pub async fn postgres_version(&self) -> Result<Option<String>> {
        if self.backend == Backend::Sqlite {
            return Ok(None);
        }
        let mut database = self.database().await?;
        let version =
            database.number("select current_setting('server_version_num')::bigint").await?;
        database.close().await?;
        Ok(Some(format!("{}.{}", version / 10_000, version % 10_000)))
    }

    /// A connection to the database.
    pub async fn database(&self) -> Result<Database> {
        Database::open(self.folder.path(), self.postgres.as_ref().map(|(_, url)| url.as_str()))
            .await
    }

    /// Stops the server and removes the data.
    pub async fn close(mut self, place: &Place<'_>) -> Result {
        self.server = None;
        if let (Some((_, url)), Some(admin)) = (&self.postgres, place.postgres) {
            let name = url.rsplit('/').next().unwrap_or_default();
            let mut admin = Database::postgres(admin).await?;
            admin.run(format!("drop database if exists {name} with (force)")).await?;
            admin.close().await?;
        }
        Ok(())
    }
}

const NO_POSTGRES: &str = "no PostgreSQL: give --postgres URL, or run it by scripts/with-services";

/// Creates a database, named after the site's folder. Returns PostgreSQL's processes as well.
async fn create(admin: &str, folder: &TempDir) -> Result<(Processes, String)> {
    let name = folder.path().file_name().and_then(|name| name.to_str()).ok_or("no folder")?;
    let name = name.replace('-', "_").to_lowercase();
    let mut database = Database::postgres(admin).await?;
    if database
        .number("select count(*) from pg_settings where name = 'fsync' and setting = 'on'")
        .await?
        == 0
    {
        crate::warn(
            "PostgreSQL runs with fsync off: its figures are better than those of a real one",
        );
    }
    let pid = database.number("select pg_backend_pid()::bigint").await?;
    let processes = Processes::family_of(i32::try_from(pid)?)?;
    database.run(format!("create database {name}")).await?;
    database.close().await?;
    let (server, _) = admin.rsplit_once('/').ok_or("a URL without a database")?;
    Ok::<_, Error>((processes, format!("{server}/{name}")))
}
