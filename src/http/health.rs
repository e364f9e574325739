//! `/healthz` and `/readyz`, for supervisors and load balancers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::actions::health::{self, Readiness};
use crate::app::{App, Unready};
use crate::domain::error::Error;
use crate::wire::health::{BusState, Health, NotReady, NotReadyReason};

/// Check that the process is alive
///
/// Nothing else is checked: an unavailable database is no reason to restart.
#[utoipa::path(
    get, path = "/healthz/", tag = "health", operation_id = "get_health", security(()),
    responses((status = 200, description = "It is alive", body = Health))
)]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health::OK)
}

/// Check that the node can serve
///
/// Its database accepts writes and has the right schema, and the node is not draining.
#[utoipa::path(
    get, path = "/readyz/", tag = "health", operation_id = "get_readiness", security(()),
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "It cannot", body = NotReady),
    )
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    match health::ready(&app).await {
        Ok(Readiness { clock_offset_ms, bus }) => {
            let bus = bus.map(|there| if there { BusState::Ok } else { BusState::Away });
            Json(Health { clock_offset_ms, bus, ..Health::OK }).into_response()
        }
        Err(reason) => {
            let (word, reason) = match reason {
                Unready::Draining => ("draining", NotReadyReason::Draining),
                Unready::Database => ("database", NotReadyReason::Database),
                Unready::Migrations => ("migrations", NotReadyReason::Migrations),
            };
            let detail = Error::Unavailable(word.into()).to_string();
            let body = Json(NotReady { detail, reason });
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], body).into_response()
        }
    }
}
