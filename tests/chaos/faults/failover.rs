//! PostgreSQL fails over: the primary dies under load, its standby is promoted, and the way to the database
//! leads there. With a synchronous standby nothing acknowledged is lost. With one that lagged, what it lacks
//! is lost, and the epoch changes, so that no client keeps what the server does not have.

use std::time::Duration;

use meowsenger_testing::Proxy;

use super::super::postgres::Postgres;
use super::super::run::Run;
use super::super::site::{Site, port};

const CLIENTS: usize = 12;
const ANSWERED: Duration = Duration::from_secs(10);
/// How far the standby lags behind, in seconds.
const LAG: u64 = 2;
/// Nobody can renew the epoch.
const KEEP_EPOCH: &str = "create function keep() returns trigger language plpgsql as $$ begin return null; end $$; \
     create trigger keep before update of epoch on site for each row execute function keep();";

/// A site with a standby, and the way from there to the primary.
async fn with_standby(nodes: usize) -> Option<(Site, Postgres, Proxy)> {
    let site = Site::start(nodes, "").await?;
    let way = Proxy::start(&[&site.postgres.address()]).await;
    let standby = site.postgres.standby(&site.folder.path().join("standby"), port(&way)).await;
    Some((site, standby, way))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn failover_synchronous() {
    let Some((mut site, standby, _way)) = with_standby(2).await else { return };
    let sql = "alter system set synchronous_standby_names = '*'";
    site.postgres.script(sql).await;
    site.postgres.script("select pg_reload_conf()").await;
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady("failover, synchronous", cluster).await;
    run.note("the primary is killed");
    site.postgres.kill();
    run.under_load(2).await;
    standby.script("select pg_promote()").await;
    site.lead_to(&standby);
    run.recover().await;
    run.end().await.demand_none(ANSWERED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn failover_asynchronous() {
    let Some((lost, before, after)) = lose_history(false).await else { return };
    assert!(lost > 0, "the standby did not lag");
    assert_ne!(before, after);
}

/// Where the epoch stays, clients that were ahead keep what the server does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make chaos"]
async fn control_epoch_stays() {
    let Some((_, before, after)) = lose_history(true).await else { return };
    assert_eq!(before, after);
}

/// A failover to a standby that lagged. Returns how many acknowledged messages were lost, and the epochs before
/// and after.
async fn lose_history(epoch_stays: bool) -> Option<(usize, String, String)> {
    let name = if epoch_stays { "control: epoch stays" } else { "failover, asynchronous" };
    let (mut site, standby, way) = with_standby(2).await?;
    let cluster = site.cluster(CLIENTS).await;
    let mut run = Run::steady(name, cluster).await;
    run.expect_errors(&["database history changed"]);
    let before = standby.text("select epoch from site").await;
    run.note("the standby gets nothing");
    way.stall(true);
    run.under_load(LAG).await;
    run.note("the primary is killed");
    run.forgive();
    site.postgres.kill();
    way.cut();
    run.under_load(2).await;
    standby.script("select pg_promote()").await;
    if epoch_stays {
        standby.script(KEEP_EPOCH).await;
    }
    site.lead_to(&standby);
    run.recover().await;
    let verdict = run.end().await;
    let after = standby.text("select epoch from site").await;
    let lost = verdict.forgiven;
    match epoch_stays {
        true => drop(verdict.demand_faults()),
        false => verdict.demand_none(ANSWERED),
    }
    Some((lost, before, after))
}
