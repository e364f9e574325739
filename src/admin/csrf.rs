//! Protection of forms against forgery by other sites. A form carries an HMAC of the cookie that it belongs to: the
//! session's, or before there is one a random cookie of the login page. Browsers also say where a request comes from.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use tokio::time::timeout;

use crate::app::App;
use crate::domain::error::Error;

use super::errors::{AdminError, Result};
use super::forms::FormData;

/// The hidden field.
const FIELD: &str = "csrfmiddlewaretoken";
const PURPOSE: &str = "admin form";
/// The largest form, in bytes.
const FORM_MAX: usize = 64 * 1024;
/// How long it may take to arrive.
const FORM_TIMEOUT: Duration = Duration::from_secs(20);

/// The token of forms that belong to a cookie.
pub(super) fn token(app: &App, cookie: &str) -> String {
    app.signing_key.hmac_of_text(PURPOSE, cookie)
}

/// The form of a request, if it was made for the cookie's owner.
pub(super) async fn sent_form(app: &App, request: &mut Request, cookie: &str) -> Result<FormData> {
    let body = std::mem::replace(request.body_mut(), Body::empty());
    let received = timeout(FORM_TIMEOUT, to_bytes(body, FORM_MAX)).await;
    let received =
        received.map_err(|_| Error::Malformed("The form took too long to arrive.".into()))?;
    let received = received.map_err(|_| Error::TooLarge("The form is larger than 64 KiB."))?;
    let form = FormData::parse(&received);
    match is_genuine(app, request.headers(), cookie, form.text(FIELD)) {
        true => Ok(form),
        false => Err(AdminError::Forged),
    }
}

/// Whether a form was made for the client that sends it.
fn is_genuine(app: &App, headers: &HeaderMap, cookie: &str, token: &str) -> bool {
    is_same_origin(headers) && app.signing_key.is_hmac_of_text(PURPOSE, cookie, token)
}

/// Whether the browser sends the request for a page of this origin, as far as it says so. A page of a neighbouring
/// host could set cookies for this one.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    site.is_none_or(|site| site == b"same-origin" || site == b"none")
}
