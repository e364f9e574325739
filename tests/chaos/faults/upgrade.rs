//! A rolling upgrade under load: nodes of the previous version serve while the schema is migrated, and are
//! replaced one by one. `MEOW_CHAOS_PREVIOUS` is that version's program (`scripts/previous-version`).

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use meowsenger_testing::{Chance, Program};

use super::super::cluster::{BINARY, Plan};
use super::super::processes::skip;
use super::super::run::Run;
use super::super::site::Site;

const CLIENTS: usize = 12;
const ANSWERED: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn rolling_upgrade() {
    let Some(previous) = super::super::environment("MEOW_CHAOS_PREVIOUS") else {
        return skip("MEOW_CHAOS_PREVIOUS is not set");
    };
    let Some(mut site) = Site::start_for(2, &previous).await else { return };
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("rolling upgrade", cluster).await;
    let mut chance = Chance::new("upgrade");
    for _ in 0..4 {
        run.note("a migration is killed");
        let mut migrating = migrate(&site.plans[0]).spawn().expect("started");
        tokio::time::sleep(Duration::from_millis(chance.below(300) as u64)).await;
        migrating.kill().expect("killed");
        migrating.wait().expect("gone");
    }
    let migrated = tokio::task::block_in_place(|| migrate(&site.plans[0]).status().expect("run"));
    assert!(migrated.success(), "{migrated}");
    run.note("migrated");
    run.under_load(3).await;
    for node in 0..run.cluster.len() {
        run.note(format!("node {node} is replaced"));
        assert!(run.cluster.terminate(node), "it ends in order");
        run.cluster.plan(node).binary = PathBuf::from(BINARY);
        assert!(run.cluster.restart(node), "it starts");
        run.under_load(5).await;
    }
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

fn migrate(plan: &Plan) -> std::process::Command {
    let mut command = Program::command(BINARY, &["migrate"], &plan.variables);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
