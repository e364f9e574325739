//! Disks fail: full, stalled, broken, read-only, and no file can be opened. Writes are refused meanwhile;
//! nothing acknowledged is lost, and writes work again as soon as the disk does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::super::cluster::{Cluster, Plan};
use super::super::processes::{end, is_root, run as run_tool, tool};
use super::super::run::Run;
use super::super::site::{Site, embedded};

const CLIENTS: usize = 8;
const ANSWERED: Duration = Duration::from_secs(10);

/// A file system of its own, unmounted when dropped.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// In memory.
    fn small(size: &str) -> Option<Self> {
        let disk = Self::empty()?;
        let size = format!("size={size}");
        run_tool(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(disk.path()));
        Some(disk)
    }

    /// ext4 in a file, which turns read-only when it finds an error.
    fn ext4(image: &Path) -> Option<Self> {
        let mkfs = tool("mkfs.ext4")?;
        let disk = Self::empty()?;
        run_tool(Command::new("truncate").args(["-s", "256M"]).arg(image));
        run_tool(Command::new(mkfs).args(["-q", "-F", "-e", "remount-ro"]).arg(image));
        disk.mount(image);
        Some(disk)
    }

    fn empty() -> Option<Self> {
        is_root().then(|| Self { folder: TempDir::new().expect("a folder") })
    }

    fn mount(&self, image: &Path) {
        run_tool(Command::new("mount").args(["-o", "loop"]).arg(image).arg(self.path()));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it to the last byte. The result is removed to make room.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = fs::File::create(&path).expect("made");
        std::io::copy(&mut std::io::repeat(0), &mut file).expect_err("full");
        path
    }

    fn unmount(&self) {
        run_tool(Command::new("umount").arg(self.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let quietly = |program: &str, option: &str| {
            let mut command = Command::new(program);
            command.arg(option).arg(self.path()).stderr(Stdio::null()).status().expect("run");
        };
        // In case the experiment failed meanwhile.
        quietly("fsfreeze", "--unfreeze");
        // Takes effect when the last open file is closed.
        quietly("umount", "--lazy");
    }
}

/// A node with its data in this folder.
async fn node_in(name: &'static str, data: &Path, logs: &TempDir) -> Run {
    let plan = Plan::new(&embedded(data).await);
    Run::steady(name, Cluster::start(logs.path(), vec![plan], None, CLIENTS).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn disk_full_sqlite() {
    let Some(disk) = Disk::small("24m") else { return };
    let logs = TempDir::new().expect("a folder");
    let mut run = node_in("disk full, SQLite", &disk.path().join("data"), &logs).await;
    for _ in 0..3 {
        run.note("the disk is full");
        let filler = disk.fill();
        run.under_load(4).await;
        fs::remove_file(filler).expect("removed");
        run.recover().await;
    }
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn disk_full_postgres() {
    let Some(disk) = Disk::small("128m") else { return };
    let Some(mut site) = Site::start_in(disk.path(), 2, "max_wal_size = 16MB").await else {
        return;
    };
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("disk full, PostgreSQL", cluster).await;
    for _ in 0..2 {
        run.note("the disk is full");
        let filler = disk.fill();
        run.under_load(6).await;
        fs::remove_file(filler).expect("removed");
        site.postgres.run().await;
        run.recover().await;
    }
    run.end().await.demand_none(ANSWERED);
    drop(site);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn disk_stalls_sqlite() {
    let folder = TempDir::new().expect("a folder");
    let Some(disk) = Disk::ext4(&folder.path().join("image")) else { return };
    let mut run = node_in("disk stalls 15 s, SQLite", &disk.path().join("data"), &folder).await;
    run.note("the disk stalls");
    run_tool(Command::new("fsfreeze").arg("--freeze").arg(disk.path()));
    run.under_load(15).await;
    run_tool(Command::new("fsfreeze").arg("--unfreeze").arg(disk.path()));
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

/// After an error ext4 turns read-only. The disk is checked and mounted again, and the node started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn disk_read_only_sqlite() {
    let folder = TempDir::new().expect("a folder");
    let image = folder.path().join("image");
    let Some(disk) = Disk::ext4(&image) else { return };
    let mut run = node_in("disk read-only, SQLite", &disk.path().join("data"), &folder).await;
    run.note("the disk is read-only");
    let device = Command::new("findmnt").args(["-no", "SOURCE"]).arg(disk.path()).output();
    let device = String::from_utf8(device.expect("run").stdout).expect("text");
    let name = device.trim().rsplit('/').next().expect("a name").to_owned();
    fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").expect("an error");
    run.under_load(5).await;
    run.cluster.kill(0);
    disk.unmount();
    // 1: it has corrected the error.
    let status = Command::new("fsck.ext4").arg("-fy").arg(&image).output().expect("run").status;
    assert!(status.code().is_some_and(|code| code <= 1), "{status}");
    disk.mount(&image);
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

/// A flush fails once. The node must end instead of believing the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn disk_error_sqlite() {
    let Some(strace) = tool("strace") else { return };
    let folder = TempDir::new().expect("a folder");
    let mut run = node_in("disk error at a flush, SQLite", folder.path(), &folder).await;
    run.expect_errors(&["the disk did not keep what was written to it"]);
    run.note("a flush fails");
    let mut fault = fail_flushes(&strace, &[run.cluster.node(0).id()]);
    let status = run.cluster.ended(0).await;
    assert_eq!(status.code(), Some(1), "{status}");
    end(&mut fault);
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn disk_error_postgres() {
    let Some(strace) = tool("strace") else { return };
    let Some(mut site) = Site::start(2, "").await else { return };
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("disk error at a flush, PostgreSQL", cluster).await;
    run.note("flushes fail");
    let mut fault = fail_flushes(&strace, &site.postgres.pids());
    run.under_load(5).await;
    end(&mut fault);
    site.postgres.run().await;
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

/// The node can open no more files, so it cannot accept connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn no_file_handles() {
    let folder = TempDir::new().expect("a folder");
    let mut run = node_in("no file handles for 5 s", folder.path(), &folder).await;
    let node = run.cluster.node(0).id().to_string();
    let limit = |files: &str| run_tool(Command::new("prlimit").args(["--pid", &node, files]));
    run.note("no file can be opened");
    limit("--nofile=20:1024");
    run.cluster.proxies.iter().for_each(|proxy| proxy.cut());
    run.under_load(5).await;
    limit("--nofile=1024:1024");
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

/// A disk drops writes and reports them as done: what was acknowledged must be found to be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn control_disk_lies() {
    let Some(strace) = tool("strace") else { return };
    let folder = TempDir::new().expect("a folder");
    let mut run = node_in("control: a disk that lies", folder.path(), &folder).await;
    let mut fault = inject(&strace, "pwrite64:retval=4096:when=20+20", &[run.cluster.node(0).id()]);
    run.under_load(3).await;
    run.cluster.kill(0);
    end(&mut fault);
    run.recover().await;
    assert!(run.end().await.demand_faults().lost > 0);
}

/// The first flush of each thread reports an error of the disk.
fn fail_flushes(strace: &Path, pids: &[u32]) -> Child {
    inject(strace, "fsync,fdatasync:error=EIO:when=1", pids)
}

/// Tampers with system calls of running processes, until it is ended.
fn inject(strace: &Path, what: &str, pids: &[u32]) -> Child {
    let calls = what.split(':').next().expect("calls");
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={what}")]);
    for pid in pids {
        command.args(["-p", &pid.to_string()]);
    }
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("started")
}
