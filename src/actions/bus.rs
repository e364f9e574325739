//! Runs the bus: this node exchanges events with the others of its site. The hub knows how.

use std::sync::Arc;

use crate::app::App;
use crate::hub::bus::worker::BusWorker;

/// Runs the bus for the current epoch. NATS may serve several sites, and the versions of another epoch
/// mean nothing here, so the epoch is part of every subject.
pub async fn run(app: Arc<App>, mut worker: BusWorker) {
    let mut epochs = app.epoch.subscribe();
    loop {
        let Ok(epoch) = epochs.wait_for(|epoch| !epoch.is_empty()).await.map(|e| e.clone()) else {
            return;
        };
        let deliver = |envelope: &_| app.hub.receive(envelope, app.clock.uptime());
        tokio::select! {
            () = worker.run(&app.hub.bus.interest, &epoch, deliver) => {}
            _ = epochs.changed() => {}
        }
    }
}
