//! A PostgreSQL server of the run's own, as processes that are killed, paused and promoted. It knows how,
//! not when.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use meowsenger_testing::eventually;
use meowsenger_testing::services::run_script;
use sqlx::{Connection, PgConnection};

use super::processes::{children, end, free_port, run, signal, skip};

/// For a start, which may include the recovery from a crash.
const START: Duration = Duration::from_secs(60);

pub struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Its user and group, if the tests run as root, which PostgreSQL refuses.
    owner: Option<(u32, u32)>,
    process: Option<Child>,
}

impl Postgres {
    /// A new server with its data in `folder`, which is made. `settings` are lines of its
    /// `postgresql.conf`. `None` if its programs are not installed.
    pub async fn start(folder: &Path, settings: &str) -> Option<Self> {
        let mut server = Self {
            bin: programs()?,
            folder: folder.to_owned(),
            port: free_port(),
            owner: owner(),
            process: None,
        };
        fs::create_dir_all(folder).expect("made");
        server.own(folder.parent().expect("a parent"));
        server.own(folder);
        let options = ["-U", "postgres", "--encoding=UTF8", "--no-locale", "--auth=trust"];
        let mut initdb = server.command("initdb");
        run(initdb.args(options).args(["--no-sync", "--wal-segsize=1", "-D"]).arg(folder));
        server.configure(
            "postgresql.conf",
            &format!(
                "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n\
                 shared_buffers = 32MB\nmax_wal_size = 64MB\nhot_standby = on\n{settings}\n"
            ),
        );
        server.run().await;
        Some(server)
    }

    /// A standby, which follows this server at `way`, and is connected.
    pub async fn standby(&self, folder: &Path, way: u16) -> Self {
        let (bin, owner) = (self.bin.clone(), self.owner);
        let (folder, port) = (folder.to_owned(), free_port());
        let mut standby = Self { bin, folder, port, owner, process: None };
        let mut copy = standby.command("pg_basebackup");
        let port = self.port.to_string();
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port, "-R", "-c", "fast", "-D"]);
        run(copy.arg(&standby.folder));
        let line = format!("primary_conninfo = 'host=127.0.0.1 port={way} user=postgres'\n");
        standby.configure("postgresql.auto.conf", &line);
        standby.run().await;
        standby
    }

    pub fn url(&self) -> String {
        url(self.port)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub async fn script(&self, sql: &str) {
        run_script(&self.url(), sql).await;
    }

    /// The result of a query that returns one text.
    pub async fn text(&self, sql: &'static str) -> String {
        let mut connection = PgConnection::connect(&self.url()).await.expect("connected");
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a text")
    }

    /// Adds lines to one of its configuration files, for the next start or reload.
    pub fn configure(&self, file: &str, lines: &str) {
        let path = self.folder.join(file);
        let mut file = File::options().append(true).create(true).open(&path).expect("opened");
        file.write_all(lines.as_bytes()).expect("written");
        self.own(&path);
    }

    /// Starts it if it has ended, and waits until it accepts connections. Processes of a killed server may
    /// hold its memory for a moment, so it tries again.
    pub async fn run(&mut self) {
        let look = async || self.is_up().then_some(());
        eventually(START, "PostgreSQL runs", look).await;
    }

    fn is_up(&mut self) -> bool {
        if self.process.as_mut().is_none_or(|process| process.try_wait().expect("ours").is_some()) {
            let log = self.folder.with_extension("log");
            let log = File::options().append(true).create(true).open(log).expect("a log");
            let mut server = self.command("postgres");
            server.args(["-p", &self.port.to_string(), "-D"]).arg(&self.folder);
            let output = log.try_clone().expect("cloned");
            self.process = Some(server.stdout(output).stderr(log).spawn().expect("started"));
        }
        let state = fs::read_to_string(self.folder.join("postmaster.pid")).unwrap_or_default();
        let mine = self.process.as_ref().map(|process| process.id().to_string());
        state.lines().next().map(str::to_owned) == mine
            && ["ready", "standby"].iter().any(|word| state.lines().any(|l| l.trim() == *word))
    }

    /// SIGKILL for all of its processes, as when its container is killed.
    pub fn kill(&mut self) {
        let pids = self.pids();
        if let Some(mut postmaster) = self.process.take() {
            signal("-KILL", &pids);
            end(&mut postmaster);
        }
    }

    /// SIGKILL for the postmaster alone.
    pub fn kill_postmaster(&mut self) {
        if let Some(mut postmaster) = self.process.take() {
            end(&mut postmaster);
        }
    }

    /// SIGKILL for one process that serves a connection. The postmaster then ends all others, and recovers.
    pub fn kill_backend(&self) {
        let serves = |pid: &&u32| {
            let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            title.contains("127.0.0.1")
        };
        if let Some(pid) = self.pids().iter().find(serves) {
            signal("-KILL", &[*pid]);
        }
    }

    /// Stops all of its processes in the middle of whatever they do, or lets them go on.
    pub fn pause(&self, paused: bool) {
        signal(if paused { "-STOP" } else { "-CONT" }, &self.pids());
    }

    /// Its processes: the postmaster first.
    pub fn pids(&self) -> Vec<u32> {
        let postmaster = self.process.as_ref().map(Child::id);
        postmaster.into_iter().flat_map(|pid| [vec![pid], children(pid)].concat()).collect()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.stdin(Stdio::null()).current_dir("/");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn own(&self, path: &Path) {
        if let Some((user, group)) = self.owner {
            chown(path, Some(user), Some(group)).expect("given");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The URL of a server, or of a way to it.
pub fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// The folder of PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the tests find their services by it")]
    let named = std::env::var_os("PG_BIN").map(PathBuf::from);
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    installed.sort();
    let mut found = named.into_iter().chain(installed.into_iter().rev());
    let programs = found.find(|folder| folder.join("initdb").is_file());
    if programs.is_none() {
        skip("PostgreSQL is missing; set PG_BIN");
    }
    programs
}

/// The user `postgres`, if this is root.
fn owner() -> Option<(u32, u32)> {
    let number = |option: &str, user: &[&str]| {
        let output = Command::new("id").arg(option).args(user).output().expect("run");
        String::from_utf8(output.stdout).expect("text").trim().parse::<u32>().ok()
    };
    let is_root = number("-u", &[]) == Some(0);
    is_root.then(|| Some((number("-u", &["postgres"])?, number("-g", &["postgres"])?))).flatten()
}
