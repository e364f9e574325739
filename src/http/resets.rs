//! `/api/auth/password/reset/`: for users who forgot their password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::resets;
use crate::app::App;
use crate::wire::accounts::{ConfirmReset, RequestReset};

use super::bodies::Body;
use super::errors::Result;
use super::hosts::MailOrigin;
use super::proxies::Peer;

/// Request a password reset
///
/// Mails a link to `<PUBLIC_URL>/reset?uid=…&token=…`, usable once and for an hour, or as long as the
/// setting `PASSWORD_RESET_TIMEOUT` says. The answer does not reveal whether the account exists.
#[utoipa::path(
    post, path = "/api/auth/password/reset/", tag = "auth",
    operation_id = "request_password_reset",
    security(()), request_body = RequestReset,
    responses((status = 204, description = "The link is mailed, if the account exists"))
)]
pub(super) async fn request(
    State(app): State<Arc<App>>,
    MailOrigin(origin): MailOrigin,
    peer: Peer,
    body: Body,
) -> Result<StatusCode> {
    let email = body.read(RequestReset::parse)?;
    resets::request(&app, email, origin, peer.address)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reset your password
///
/// With the link that was mailed. Ends every session of the account.
#[utoipa::path(
    post, path = "/api/auth/password/reset/confirm/", tag = "auth",
    operation_id = "reset_password",
    security(()), request_body = ConfirmReset,
    responses((status = 204, description = "The password is changed"))
)]
pub(super) async fn confirm(State(app): State<Arc<App>>, body: Body) -> Result<StatusCode> {
    resets::confirm(&app, ConfirmReset::parse(body.fields()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
