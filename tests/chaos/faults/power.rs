//! The power is cut: whatever was not flushed is gone. The data is on a disk whose cache is a process, which is
//! killed together with everything that runs on it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use meowsenger_testing::{Chance, eventually};
use tempfile::TempDir;

use super::super::cluster::{Cluster, Plan};
use super::super::processes::{end, is_root, run as run_tool, tool};
use super::super::run::Run;
use super::super::site::{Site, embedded};

const CLIENTS: usize = 8;
const CUTS: usize = 2;
const ANSWERED: Duration = Duration::from_secs(10);
/// The library of Debian's package, with which `fsync` does nothing.
const NO_FLUSH: &str = "/usr/lib/x86_64-linux-gnu/libeatmydata.so";

/// ext4 on a disk with a volatile cache: nbdkit has the cache, nbdfuse makes a file of it, which a loop device
/// mounts.
struct Disk {
    folder: TempDir,
    cache: Child,
    bridge: Child,
    device: String,
}

impl Disk {
    async fn start() -> Option<Self> {
        let (nbdkit, nbdfuse, mkfs) = (tool("nbdkit")?, tool("nbdfuse")?, tool("mkfs.ext4")?);
        if !is_root() {
            return None;
        }
        let folder = TempDir::new().expect("a folder");
        // PostgreSQL's own user has to get through.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).expect("set");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("bridge")).expect("made");
        fs::create_dir(at("mounted")).expect("made");
        run_tool(Command::new("truncate").args(["-s", "256M"]).arg(at("image")));
        run_tool(Command::new(mkfs).args(["-q", "-F"]).arg(at("image")));
        let socket = at("socket");
        let mut cache = quiet(&nbdkit);
        cache.args(["-f", "--filter=cache", "-U"]).arg(&socket).arg("file").arg(at("image"));
        let cache = cache.arg("cache=writeback").spawn().expect("started");
        until_there(&socket).await;
        let mut bridge = quiet(&nbdfuse);
        bridge.arg(at("bridge/disk")).arg(format!("nbd+unix:///?socket={}", socket.display()));
        let bridge = bridge.spawn().expect("started");
        until_there(&at("bridge/disk")).await;
        let mut disk = Self { folder, cache, bridge, device: String::new() };
        let output =
            Command::new("losetup").args(["--show", "-f"]).arg(disk.at("bridge/disk")).output();
        disk.device =
            String::from_utf8(output.expect("run").stdout).expect("text").trim().to_owned();
        run_tool(Command::new("mount").arg(&disk.device).arg(disk.path()));
        Some(disk)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self) -> PathBuf {
        self.at("mounted")
    }

    /// The cache is lost.
    fn cut(&mut self) {
        end(&mut self.cache);
    }

    /// Mounts what was flushed, once nothing runs on the disk any more. From now on its cache is the system's.
    fn replug(&mut self) {
        self.unplug();
        run_tool(Command::new("mount").args(["-o", "loop"]).arg(self.at("image")).arg(self.path()));
    }

    fn unplug(&mut self) {
        umount(&self.path());
        if !self.device.is_empty() {
            Command::new("losetup").args(["-d", &self.device]).status().expect("run");
            self.device.clear();
        }
        end(&mut self.bridge);
        umount(&self.at("bridge"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unplug();
        self.cut();
    }
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A lazy unmount: it takes effect when the last open file is closed. It may be unmounted already.
fn umount(path: &Path) {
    quiet(Path::new("umount")).arg("--lazy").arg(path).status().expect("run");
}

async fn until_there(path: &Path) {
    let look = async || path.exists().then_some(());
    eventually(Duration::from_secs(10), "a tool is ready", look).await;
}

/// A site whose power is cut after a random time under load, and that is started again.
async fn cut_sqlite(name: &'static str, preload: Option<&str>) -> Option<Run> {
    let mut disk = Disk::start().await?;
    let logs = TempDir::new().expect("a folder");
    let mut plan = Plan::new(&embedded(&disk.path().join("data")).await);
    if let Some(library) = preload {
        plan = plan.set("LD_PRELOAD", library);
    }
    let cluster = Cluster::start(logs.path(), vec![plan], None, CLIENTS).await;
    let mut run = Run::steady(name, cluster).await;
    // So that the accounts are there even if the server flushes nothing.
    run_tool(Command::new("sync").arg("--file-system").arg(disk.path()));
    run.under_load(1 + Chance::new(name).below(4) as u64).await;
    run.note("the power is cut");
    disk.cut();
    run.cluster.kill(0);
    disk.replug();
    run.recover().await;
    run.keep(disk);
    run.keep(logs);
    Some(run)
}

async fn cut_postgres(name: &'static str, settings: &str) -> Option<Run> {
    let mut disk = Disk::start().await?;
    let mut site = Site::start_in(&disk.path(), 2, settings).await?;
    // `initdb` was asked not to.
    run_tool(Command::new("sync").arg("--file-system").arg(disk.path()));
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady(name, cluster).await;
    run.under_load(1 + Chance::new(name).below(4) as u64).await;
    run.note("the power of PostgreSQL is cut");
    disk.cut();
    site.postgres.kill();
    disk.replug();
    site.postgres.run().await;
    run.recover().await;
    run.keep(site);
    run.keep(disk);
    Some(run)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn power_cut_sqlite() {
    for _ in 0..CUTS {
        let Some(run) = cut_sqlite("power cut, SQLite", None).await else { return };
        run.end().await.demand_none(ANSWERED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn power_cut_postgres() {
    for _ in 0..CUTS {
        let Some(run) = cut_postgres("power cut, PostgreSQL", "").await else { return };
        run.end().await.demand_none(ANSWERED);
    }
}

/// Without flushes, acknowledged messages must be found to be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn control_no_flush_sqlite() {
    if !Path::new(NO_FLUSH).exists() {
        return super::super::processes::skip("eatmydata is missing");
    }
    let name = "control: power cut, SQLite without flushes";
    let Some(run) = cut_sqlite(name, Some(NO_FLUSH)).await else { return };
    assert!(run.end().await.demand_faults().lost > 0);
}
