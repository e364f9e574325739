//! Joins the other nodes of the site. What is said there is the hub's business.

use std::sync::Arc;

use crate::app::App;
use crate::hub::link::Messenger;

/// Carries news between this node and the others. Nodes with the same past hear each other: a bus
/// may serve several sites, and versions mean nothing to those of another past. So a renewed epoch
/// is another way.
pub async fn run(app: Arc<App>, mut messenger: Messenger) {
    let mut epochs = app.epoch.subscribe();
    loop {
        let Ok(epoch) = epochs.wait_for(|epoch| !epoch.is_empty()).await.map(|e| e.clone()) else {
            return;
        };
        tokio::select! {
            () = messenger.run(&app.hub, &epoch, || app.clock.uptime()) => {}
            _ = epochs.changed() => {}
        }
    }
}
