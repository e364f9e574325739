//! What monitoring asks for: the metrics, with the state of the node as it is at the moment. What happens all the
//! time is counted where it happens.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::metrics::MetricsFormat;
use crate::store::explain::{self, Plan};

use super::health;

/// How often the lag of the runtime is measured.
const LAG_INTERVAL: Duration = Duration::from_millis(100);

/// How often the plans of slow statements are looked up.
pub const EXPLAIN_INTERVAL: Duration = Duration::from_secs(1);

/// All metrics, as text.
pub async fn metrics(app: &App, format: MetricsFormat) -> Result<String> {
    app.metrics.node.ready.set(i64::from(health::ready(app).await.is_ok()));
    read_state(app);
    app.metrics.process.read();
    app.metrics.encode(format).map_err(Error::internal)
}

fn read_state(app: &App) {
    let node = &app.metrics.node;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    node.draining.set(i64::from(app.draining.is_cancelled()));
    node.bus.set(i64::from(app.hub.bus.is_connected() == Some(true)));
    let (users, sockets) = app.hub.people.count();
    node.users.set(count(users));
    node.sockets.set(count(sockets));
    node.feeds.set(count(app.hub.feeds.count()));
    node.clock_offset.set(app.clock.system_offset_ms() as f64 / 1_000.0);
    let bus = app.hub.bus.waiting().map(|waiting| ("bus", waiting));
    let queues = [
        ("sends", app.sends.waiting()),
        ("reactions", app.reactions.waiting()),
        ("markers", app.markers.waiting()),
    ];
    for (queue, (depth, limit)) in queues.into_iter().chain(bus) {
        node.queues.set(("queue", queue), depth, limit);
    }
    let permits = [
        ("passwords", app.passwords.load()),
        ("socket_requests", app.socket_requests.load()),
        ("syncs", app.heavy_requests.load()),
    ];
    for (resource, load) in permits {
        node.permits.set(("resource", resource), load.used, load.limit);
        node.waiting.get_or_create(&[("resource", resource)]).set(count(load.waiting));
    }
    for pool in app.db.pools() {
        node.pools.set(
            pool.name,
            [pool.open, pool.open.saturating_sub(pool.idle), pool.waiting, pool.max],
        );
    }
}

/// Measures how late the runtime wakes tasks, for as long as the node serves.
pub async fn measure_lag(app: Arc<App>) {
    loop {
        let due = Instant::now() + LAG_INTERVAL;
        sleep_until(due).await;
        app.metrics.node.woken(due.elapsed());
    }
}

/// Logs by which plans the database runs its slow statements.
pub async fn explain_slow(app: Arc<App>) -> Result<()> {
    for Plan { statement, steps } in explain::slow_statements(&app.db).await {
        match steps {
            Ok(plan) => tracing::warn!(statement, plan, "plan of a slow statement"),
            Err(error) => tracing::debug!(statement, %error, "no plan of a slow statement"),
        }
    }
    Ok(())
}
