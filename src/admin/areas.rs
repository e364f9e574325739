//! The routes of users, chats, reports and the audit.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

use super::{audit, chats, reports, user, users};

/// The routes, with their whole paths.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(users::LIST, get(users::list))
        .route("/admin/users/export/", post(users::export))
        .route("/admin/users/deactivate/", post(users::deactivate))
        .route("/admin/users/{id}/", get(user::page))
        .route("/admin/users/{id}/{what}/", get(user::confirm).post(user::act))
        .route("/admin/users/{id}/sessions/{session}/end/", post(user::end_session))
        .route(chats::LIST, get(chats::list))
        .route("/admin/chats/export/", post(chats::export))
        .route("/admin/chats/{id}/", get(chats::one))
        .route("/admin/chats/{id}/delete/", get(chats::confirm).post(chats::delete))
        .route(reports::LIST, get(reports::list))
        .route("/admin/reports/export/", post(reports::export))
        .route("/admin/reports/{id}/", get(reports::one).post(reports::update))
        .route("/admin/reports/{id}/{what}/", get(reports::confirm).post(reports::act))
        .route(audit::LIST, get(audit::list))
        .route("/admin/audit/export/", post(audit::export))
}
