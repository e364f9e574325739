//! `/healthz` and `/readyz`, for supervisors and load balancers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::actions::health;
use crate::app::{App, Unready};
use crate::domain::error::Error;

/// The process is alive. It checks nothing else: an unavailable database is no reason to restart.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The node can serve: its database accepts writes and has the right schema, and the node is not
/// draining. Otherwise 503, with the reason in a word.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    match health::ready(&app).await {
        Ok(readiness) => {
            let mut body = json!({"status": "ok"});
            if let Some(offset_ms) = readiness.clock_offset_ms {
                body["clock_offset_ms"] = json!(offset_ms);
            }
            if let Some(there) = readiness.bus {
                body["bus"] = json!(if there { "ok" } else { "away" });
            }
            Json(body).into_response()
        }
        Err(reason) => {
            let reason = match reason {
                Unready::Draining => "draining",
                Unready::Database => "database",
                Unready::Migrations => "migrations",
            };
            let detail = Error::Unavailable(reason.into()).to_string();
            let body = Json(json!({"detail": detail, "reason": reason}));
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], body).into_response()
        }
    }
}
