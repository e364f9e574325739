//! The clocks of machines jump under load. With PostgreSQL a node's own clock does not matter. With SQLite it
//! is the only one: messages keep their order, and sessions stay as long as they have not expired by the new
//! time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::super::cluster::{Cluster, Plan};
use super::super::processes::skip;
use super::super::run::Run;
use super::super::site::{Site, embedded};

const CLIENTS: usize = 10;
const ANSWERED: Duration = Duration::from_secs(5);
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The node's clock, which is what the file says.
fn with_clock(plan: Plan, file: &Path) -> Option<Plan> {
    if !Path::new(LIBRARY).exists() {
        skip("libfaketime is missing");
        return None;
    }
    fs::write(file, "+0").expect("written");
    let plan = plan.set("LD_PRELOAD", LIBRARY).set("FAKETIME_NO_CACHE", "1");
    let plan = plan.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Some(plan.set("FAKETIME_TIMESTAMP_FILE", file.to_str().expect("a path")))
}

async fn jump(run: &Run, file: &Path, times: &[&str]) {
    for time in times {
        run.note(format!("the clock is at {time}"));
        fs::write(file, time).expect("written");
        run.under_load(7).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn clock_of_a_node_jumps() {
    let Some(mut site) = Site::start(2, "").await else { return };
    let file = site.folder.path().join("clock");
    let Some(plan) = with_clock(site.plans[0].clone(), &file) else { return };
    site.plans[0] = plan;
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("clock of a node: +1 h, -2 h, +100 d, 2038", cluster).await;
    jump(&run, &file, &["+1h", "-2h", "+100d", "+4200d", "+0"]).await;
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn clock_of_sqlite_jumps() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("clock");
    // The probe does not refresh its token.
    let plan = Plan::new(&embedded(folder.path()).await).set("ACCESS_TOKEN_LIFETIME", "12h");
    let Some(plan) = with_clock(plan, &file) else { return };
    let cluster = Cluster::start(folder.path(), vec![plan], None, CLIENTS).await;
    let mut run = Run::steady("clock of SQLite: +1 h, -2 h", cluster).await;
    jump(&run, &file, &["+1h", "+0", "-2h", "+0"]).await;
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

/// A clock that is far ahead ends the sessions, which the judge must notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn control_clock_far_ahead() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("clock");
    let plan = Plan::new(&embedded(folder.path()).await);
    let Some(plan) = with_clock(plan, &file) else { return };
    let cluster = Cluster::start(folder.path(), vec![plan], None, CLIENTS).await;
    let run = Run::steady("control: clock of SQLite +100 d", cluster).await;
    jump(&run, &file, &["+100d"]).await;
    let faults = run.faults_so_far();
    assert!(!faults.is_empty(), "nobody noticed");
}
