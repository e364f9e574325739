//! `/healthz` and `/readyz`, for whoever restarts or balances nodes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::actions::health;
use crate::app::App;

use super::errors::Result;

/// The process is alive. Asks nothing of anyone: a database that is away is no reason to restart.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The node can serve: its database answers and it is not stopping. 503 where not.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Value>> {
    let mut body = json!({"status": "ok"});
    if let Some(there) = health::ready(&app).await?.bus {
        body["bus"] = json!(if there { "ok" } else { "away" });
    }
    Ok(Json(body))
}
