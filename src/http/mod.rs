//! REST: the routes, and the middleware that every request passes. A handler extracts its arguments,
//! calls one action and shows the result; it decides nothing.

mod access_log;
mod account;
mod admin;
mod answers;
mod asyncapi;
mod attachments;
mod auth;
mod avatars;
mod blocks;
mod bodies;
mod caller;
mod chat_settings;
mod chats;
mod compression;
mod connection;
mod connections;
mod context;
mod cors;
mod discard;
mod docs;
mod encodings;
mod errors;
mod examples;
mod fallbacks;
mod form_file;
mod forms;
mod health;
mod home;
mod hosts;
mod ids;
mod invites;
mod media;
mod members;
mod message_search;
mod messages;
mod metrics;
mod middleware;
mod multipart;
mod openapi;
mod pagination;
mod parameters;
mod picture_body;
mod pins;
mod proxies;
mod ranges;
mod rate_limits;
mod reactions;
mod receipts;
mod receive;
mod reports;
mod resets;
mod serve;
mod served_file;
mod sessions;
mod socket;
mod socket_frames;
mod spool;
mod stream;
mod sync;
mod unreadable;
mod users;
mod web;

use std::sync::Arc;

use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder};
use tower_http::normalize_path::{NormalizePath, NormalizePathLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

use compression::Compressors;
use connections::ConnectionLimits;

pub use asyncapi::socket_document;
pub use hosts::is_allowed_host;

/// Serves until [`App::stopping`]; the connections are among [`App::tasks`].
pub async fn serve(app: Arc<App>, listener: TcpListener) {
    match listener.local_addr() {
        Ok(address) => app.urls.listen_on(address),
        Err(error) => tracing::warn!(%error, "the listener does not know its address"),
    }
    let server = &app.server;
    let limits = ConnectionLimits::new(server.max_connections, server.max_connections_per_address);
    serve::serve(service(&app), app, listener, limits).await;
}

/// Serves `/metrics` until [`App::stopping`], on an address of its own.
pub async fn serve_metrics(app: Arc<App>, listener: TcpListener) {
    let limits = ConnectionLimits::new(metrics::CONNECTIONS, metrics::CONNECTIONS);
    serve::serve(metrics::service(&app), app, listener, limits).await;
}

/// The OpenAPI document, for messages of at most `message_length` characters.
pub fn document(message_length: usize) -> OpenApi {
    let (_, mut open) = open_routes().split_for_parts();
    open.merge(page_routes().split_for_parts().1);
    let (_, private) = private_routes().split_for_parts();
    openapi::document(open, private, message_length)
}

/// The whole service. Canonical paths end in a slash, but work without it as well: a redirect would turn
/// a POST into a GET.
pub fn service(app: &Arc<App>) -> NormalizePath<Router> {
    let (open, _) = open_routes().split_for_parts();
    let (pages, _) = page_routes().split_for_parts();
    let (private, _) = private_routes().split_for_parts();
    let router = open
        .layer(from_fn_with_state(Arc::clone(app), rate_limits::open))
        .merge(pages)
        .method_not_allowed_fallback(fallbacks::method_not_allowed)
        .merge(private.method_not_allowed_fallback(fallbacks::private_method_not_allowed))
        .merge(admin::routes(app))
        .fallback(web::fallback)
        .with_state(Arc::clone(app))
        // Outermost first: the first layer sees the request first and the answer last.
        .layer(
            ServiceBuilder::new()
                .layer(from_fn(discard::discard_rest))
                .layer(from_fn_with_state(Compressors::new(), compression::compress))
                .layer(from_fn_with_state(Arc::clone(app), access_log::log))
                .layer(from_fn_with_state(Arc::clone(app), middleware::headers))
                .layer(from_fn_with_state(Arc::clone(app), cors::cors))
                .layer(from_fn_with_state(Arc::clone(app), hosts::allowed))
                .layer(from_fn(rate_limits::room))
                .layer(from_fn(middleware::catch_panic)),
        );
    // The router writes `Allow` itself, after all of its layers.
    let router = Router::new().fallback_service(router).layer(from_fn(middleware::allow));
    NormalizePathLayer::append_trailing_slash().layer(router)
}

/// Describe the API
///
/// The calls, as an OpenAPI 3.1 document: this one.
#[utoipa::path(
    get, path = "/api/schema/", tag = "schema", operation_id = "get_schema",
    security(()), responses((status = 200, description = "The document", body = docs::Document))
)]
async fn schema(State(app): State<Arc<App>>) -> Json<OpenApi> {
    // It is built for each request: few ask for it.
    Json(document(app.limits.message_length))
}

/// Routes without credentials. Those that are sent are ignored.
fn open_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::verify))
        .routes(routes!(resets::request))
        .routes(routes!(resets::confirm))
        .routes(routes!(schema))
        .routes(routes!(docs::socket_schema))
        .routes(routes!(home::page))
        .routes(routes!(docs::page))
        // The files of the page are its own business.
        .route("/api/docs/{file}/", get(docs::asset))
        .route("/favicon.ico/", get(home::icon))
        .route("/favicon.svg/", get(home::vector_icon))
}

/// Routes without credentials that count towards no rate limit.
fn page_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(media::avatar))
        .routes(routes!(socket::upgrade))
}

/// Routes that need an access token.
fn private_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(auth::logout))
        .routes(routes!(account::one, account::update, account::end))
        .routes(routes!(avatars::replace_own, avatars::remove_own))
        .routes(routes!(account::change_password))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(auth::ws_ticket))
        .routes(routes!(users::list))
        .routes(routes!(users::search))
        .routes(routes!(users::one, users::update))
        .routes(routes!(avatars::replace_of_user, avatars::remove_of_user))
        .routes(routes!(blocks::list))
        .routes(routes!(blocks::block, blocks::unblock))
        .routes(routes!(chats::list, chats::create))
        .routes(routes!(chats::unread))
        .routes(routes!(chats::one, chats::update, chats::delete))
        .routes(routes!(chat_settings::one, chat_settings::update))
        .routes(routes!(invites::list, invites::create))
        .routes(routes!(invites::revoke))
        .routes(routes!(invites::preview))
        .routes(routes!(invites::accept))
        .routes(routes!(avatars::replace_of_chat, avatars::remove_of_chat))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::one, members::update, members::remove))
        .routes(routes!(messages::list, messages::send))
        .routes(routes!(receipts::read))
        .routes(routes!(message_search::search))
        .routes(routes!(messages::one, messages::edit, messages::delete))
        .routes(routes!(messages::forward))
        .routes(routes!(receipts::of_message))
        .routes(routes!(reactions::list))
        .routes(routes!(pins::list))
        .routes(routes!(pins::add, pins::remove))
        .routes(routes!(reactions::add, reactions::remove))
        .routes(routes!(reports::list, reports::create))
        .routes(routes!(reports::update))
        .routes(routes!(sync::changes))
        .routes(routes!(attachments::upload))
        .routes(routes!(attachments::links))
        .routes(routes!(attachments::file, attachments::delete))
        .routes(routes!(attachments::thumbnail))
}
