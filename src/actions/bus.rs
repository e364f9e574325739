//! Joins the other nodes of the site. What is said there is the hub's business.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::hub::link::Messenger;
use crate::store::site;

/// How long after a failure the database is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Carries news between this node and the others. Nodes with the same past hear each other: a bus
/// may serve several sites, and versions mean nothing to those of another past.
pub async fn run(app: Arc<App>, messenger: Messenger) {
    let epoch = loop {
        match site::epoch(&app.db).await {
            Ok(epoch) => break epoch,
            Err(error) => tracing::warn!(%error, "the bus has to wait for the database"),
        }
        tokio::time::sleep(AGAIN).await;
    };
    messenger.run(&app.hub, &epoch, || app.clock.uptime()).await;
}
