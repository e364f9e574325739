//! Whether the node can serve.

use std::time::Duration;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::store::site;

/// How long the database may take to answer before the node counts as not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// How well a node can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the bus is there; `None` where none is wanted. Without it all works, but other nodes
    /// hear late of what happens here: no reason to send anybody elsewhere.
    pub bus: Option<bool>,
}

/// Fails where the node stops, or its database does not answer.
pub async fn ready(app: &App) -> Result<Readiness> {
    if app.stopping.is_cancelled() {
        return Err(Error::Unavailable("stopping".into()));
    }
    match tokio::time::timeout(PATIENCE, site::epoch(&app.db)).await {
        Ok(answer) => answer.map(|_| Readiness { bus: app.hub.bus() }).map_err(Into::into),
        Err(_) => Err(Error::Unavailable("the database does not answer".into())),
    }
}
