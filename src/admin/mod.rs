//! The admin site: pages for staff below `/admin/`, rendered on the server, without scripts. A handler reads the
//! request, calls actions and renders a template; it decides nothing. `http` mounts the routes behind its own middleware
//! and says who asks ([`RequestFacts`]). Every page passes `guard`, which authenticates, checks forms against forgery,
//! and hides from everybody else which pages exist.

mod areas;
mod audit;
mod chats;
mod confirm;
mod cookies;
mod csrf;
mod csv;
mod errors;
mod filters;
mod forms;
mod guard;
mod inputs;
mod lists;
mod login;
mod overview;
mod own_sessions;
mod pages;
mod paths;
mod plots;
mod refusal;
mod reports;
mod request;
mod served_style;
mod style;
mod user;
mod users;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};

use crate::app::App;

pub use errors::{Failed, error_page};
pub use request::RequestFacts;
pub use visit::Admitted;

/// The routes, with their whole paths. The request has [`RequestFacts`] as an extension.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let open = Router::new()
        .route(paths::LOGIN, get(login::page).post(login::submit))
        .route("/admin/style/{name}/", get(served_style::sheet))
        .method_not_allowed_fallback(errors::method_not_allowed)
        .layer(from_fn(errors::show));
    let closed = Router::new()
        .route("/admin/", get(overview::page))
        .route("/admin/logout/", post(login::logout))
        .route("/admin/sessions/", get(own_sessions::list))
        .route(
            "/admin/sessions/end-others/",
            get(own_sessions::confirm).post(own_sessions::end_others),
        )
        .route("/admin/sessions/{id}/end/", post(own_sessions::end))
        .merge(areas::routes())
        .route("/admin/{*rest}", any(errors::not_found))
        .method_not_allowed_fallback(errors::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(app), guard::guard));
    open.merge(closed)
}
