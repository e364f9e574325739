//! `/api/schema/socket/` and `/api/docs/`: the AsyncAPI document, and a page that shows the OpenAPI
//! document, from assets inside the binary.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::app::App;
use crate::domain::error::Error;

use super::errors::Result;

/// The page may run its own scripts and styles. (Swagger UI sets styles in its markup and draws icons
/// from `data:`.)
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'self'; \
                      form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("assets/docs.html");
const STYLE: &str = include_str!("assets/docs.css");
const DARK_MODE: &str = include_str!("assets/dark-mode.js");

/// Describe the socket
///
/// Its frames, close codes and limits, as an AsyncAPI 3.0 document.
#[utoipa::path(
    get, path = "/api/schema/socket/", tag = "schema", operation_id = "get_socket_schema",
    security(()), responses((status = 200, description = "The document", body = Document))
)]
pub(super) async fn socket_schema(State(app): State<Arc<App>>) -> Result<Json<Value>> {
    let document = super::asyncapi::socket_document(app.limits.message_length);
    Ok(Json(document.map_err(Error::internal)?))
}

/// A document in a format of its own.
#[derive(ToSchema)]
pub(super) struct Document(
    #[expect(dead_code, reason = "it is only described")] HashMap<String, Value>,
);

/// Show the API
///
/// A page on which you can read this document and try the calls.
#[utoipa::path(
    get, path = "/api/docs/", tag = "schema", operation_id = "get_docs", security(()),
    responses((status = 200, description = "The page", content_type = "text/html", body = String))
)]
pub(super) async fn page() -> Result<Response> {
    show("text/html; charset=utf-8", PAGE)
}

/// A file of the page: of ours, or of Swagger UI.
pub(super) async fn asset(Path(file): Path<String>) -> Result<Response> {
    match file.as_str() {
        "docs.css" => show("text/css", STYLE),
        "dark-mode.js" => show("text/javascript", DARK_MODE),
        _ => {
            let file = find(&file)?;
            show(&file.content_type, file.bytes.into_owned())
        }
    }
}

fn find(file: &str) -> Result<SwaggerFile<'static>> {
    let config = Config::from("/api/schema/").validator_url("none").persist_authorization(true);
    let found = utoipa_swagger_ui::serve(file, Arc::new(config)).map_err(|error| {
        Error::internal(format!("cannot load the docs page's file {file:?}: {error}"))
    })?;
    Ok(found.ok_or(Error::NotFound)?)
}

fn show(kind: &str, content: impl IntoResponse) -> Result<Response> {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_str(kind).map_err(Error::internal)?),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    Ok((headers, content).into_response())
}
