//! `/api/auth/password/reset/`: for who has forgotten the password.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::resets;
use crate::app::App;
use crate::wire::accounts::{ConfirmReset, RequestReset};
use crate::wire::errors::FieldTexts;

use super::bodies::Body;
use super::errors::Result;
use super::hosts::MailOrigin;
use super::proxies::Peer;

/// Mails a link for resetting a password
///
/// To `<PUBLIC_URL>/reset?uid=…&token=…`, good for one use, for an hour or as long as the setting
/// `PASSWORD_RESET_TIMEOUT` says. The answer is the same whether there is such an account or not.
#[utoipa::path(
    post, path = "/api/auth/password/reset/", tag = "auth",
    operation_id = "auth_password_reset",
    security(()), request_body = RequestReset,
    responses((status = 204, description = "Mailed, if there is"), (status = 400, body = FieldTexts))
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

/// Sets a new password by a link
///
/// Every session of the account ends.
#[utoipa::path(
    post, path = "/api/auth/password/reset/confirm/", tag = "auth",
    operation_id = "auth_password_reset_confirm",
    security(()), request_body = ConfirmReset,
    responses((status = 204, description = "Set"), (status = 400, body = FieldTexts))
)]
pub(super) async fn confirm(State(app): State<Arc<App>>, body: Body) -> Result<StatusCode> {
    resets::confirm(&app, ConfirmReset::parse(body.fields()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
