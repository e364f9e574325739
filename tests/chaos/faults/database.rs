//! Nodes lose their database: it is killed, paused, or no longer answers. A node then answers 503 within
//! seconds, and everything works again within seconds after the database is back.

use std::time::Duration;

use super::super::run::Run;
use super::super::site::Site;

const CLIENTS: usize = 12;
/// Twice the default timeout of the database.
const ANSWERED: Duration = Duration::from_secs(10);

async fn begin(name: &'static str) -> Option<(Site, Run)> {
    let mut site = Site::start(2, "").await?;
    let cluster = site.cluster(CLIENTS).await;
    let run = Run::steady(name, cluster).await;
    Some((site, run))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn database_killed() {
    let Some((mut site, mut run)) = begin("database killed").await else { return };
    for _ in 0..3 {
        run.note("PostgreSQL is killed");
        site.postgres.kill();
        run.under_load(3).await;
        site.postgres.run().await;
        run.recover().await;
    }
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn database_postmaster_and_backends_killed() {
    let Some((mut site, mut run)) = begin("postmaster, backends killed").await else { return };
    for _ in 0..4 {
        run.note("a process of PostgreSQL is killed");
        site.postgres.kill_backend();
        run.under_load(2).await;
    }
    run.note("the postmaster is killed");
    site.postgres.kill_postmaster();
    run.under_load(1).await;
    site.postgres.run().await;
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn database_paused() {
    let Some((site, mut run)) = begin("database paused 20 s").await else { return };
    run.note("PostgreSQL is paused");
    site.postgres.pause(true);
    run.under_load(20).await;
    site.postgres.pause(false);
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn database_silent_for_one_node() {
    let Some((site, mut run)) = begin("database silent for a node, 20 s").await else { return };
    run.note("node 0 gets nothing from its database");
    site.to_database[0].stall(true);
    run.under_load(20).await;
    site.to_database[0].stall(false);
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn bus_killed_paused_and_silent() {
    let Some((site, mut run)) = begin("NATS killed, paused, silent").await else { return };
    let nats = |run: &mut Run| run.cluster.nats.take().expect("it runs");
    let mut bus = nats(&mut run);
    run.note("NATS is killed");
    bus.kill();
    run.under_load(5).await;
    bus.run();
    run.note("NATS is paused");
    bus.pause(true);
    run.under_load(10).await;
    bus.pause(false);
    run.note("node 1 gets nothing from NATS");
    site.to_bus[1].stall(true);
    run.under_load(10).await;
    site.to_bus[1].stall(false);
    run.cluster.nats = Some(bus);
    run.recover().await;
    run.end().await.demand_none(Duration::from_secs(2));
}

/// Without timeouts a silent database must be noticed by the judge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn control_no_timeouts() {
    let Some(mut site) = Site::start(2, "").await else { return };
    for plan in &mut site.plans {
        for name in ["DATABASE_CONNECT_TIMEOUT", "DATABASE_STATEMENT_TIMEOUT"] {
            *plan = plan.clone().set(name, "1h");
        }
    }
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("control: no timeouts", cluster).await;
    site.to_database[0].stall(true);
    run.under_load(22).await;
    site.to_database[0].stall(false);
    run.recover().await;
    let verdict = run.end().await.demand_faults();
    assert!(verdict.longest > ANSWERED, "{:?}", verdict.longest);
}
