//! `/metrics`, on an address of its own: it says much about a site, and nobody but its monitoring should read it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::Layer;
use tower_http::normalize_path::{NormalizePath, NormalizePathLayer};

use crate::actions::monitoring;
use crate::app::App;
use crate::metrics::MetricsFormat;

/// Connections of monitoring: a few servers that scrape, and people who look.
pub(super) const CONNECTIONS: usize = 32;

/// The service of that address.
pub(super) fn service(app: &Arc<App>) -> NormalizePath<Router> {
    let router = Router::new()
        .route("/metrics/", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "Not found: try /metrics\n") })
        .with_state(Arc::clone(app));
    NormalizePathLayer::append_trailing_slash().layer(router)
}

async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = match accepted.is_some_and(|text| text.contains("application/openmetrics-text")) {
        true => MetricsFormat::OpenMetrics,
        false => MetricsFormat::Text,
    };
    match monitoring::metrics(&app, format).await {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => {
            tracing::error!(error = %error.cause(), "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
