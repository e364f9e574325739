//! Logging in and out. The page is open to everybody, so it says the same about every login that fails.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::actions::admin_sessions;
use crate::app::App;
use crate::auth::secrets::random_hex;
use crate::domain::error::{Error, Result as DomainResult};
use crate::wire::sessions::Login;

use super::errors::Result;
use super::forms::FormData;
use super::pages::{PageFrame, render};
use super::request::RequestFacts;
use super::visit::Visit;
use super::{cookies, csrf, paths};

/// The length of the cookie that the form is bound to, in hexadecimal.
const COOKIE_LENGTH: usize = 32;
/// How long a login page can be used.
const COOKIE_SECONDS: u64 = 12 * 3_600;
const FAILED: &str = "No active staff account was found with this username and password.";

#[derive(Template)]
#[template(path = "admin/login.html")]
struct LoginPage<'a> {
    frame: PageFrame,
    username: &'a str,
    next: &'a str,
    error: Option<String>,
}

/// `GET /admin/login/`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(facts): Extension<RequestFacts>,
    request: Request,
) -> Result<Response> {
    app.rate_limits.anonymous(facts.device.ip, app.clock.now())?;
    let query = FormData::parse(request.uri().query().unwrap_or_default().as_bytes());
    let next = local(query.text("next"));
    let session = cookies::read(request.headers(), cookies::SESSION).unwrap_or_default();
    if admin_sessions::authenticate(&app, session).await?.is_some() {
        return see(&next, None);
    }
    show(&app, &facts, request.headers(), "", &next, None)
}

/// `POST /admin/login/`
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Extension(facts): Extension<RequestFacts>,
    mut request: Request,
) -> Result<Response> {
    app.rate_limits.anonymous(facts.device.ip, app.clock.now())?;
    let cookie = login_cookie(request.headers()).unwrap_or_default().to_owned();
    let form = csrf::sent_form(&app, &mut request, &cookie).await?;
    let (username, next) = (form.text("username"), local(form.text("next")));
    let opened = match Login::parse(form.fields()) {
        Ok((key, password)) => admin_sessions::login(&app, &key, &password, &facts.device).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(session) => {
            let seconds = admin_sessions::LIFETIME.as_secs();
            let cookie = cookies::set(cookies::SESSION, &session, seconds, facts.is_secure)?;
            see(&next, Some(cookie))
        }
        Err(error @ (Error::LoginFailed(_) | Error::Invalid(_) | Error::Throttled(_))) => {
            show(&app, &facts, request.headers(), username, &next, Some(error))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/logout/`
pub(super) async fn logout(visit: Visit) -> Result<Response> {
    admin_sessions::logout(&visit.app, &visit.caller).await?;
    let cookie = cookies::set(cookies::SESSION, "", 0, visit.facts.is_secure)?;
    see(paths::LOGIN, Some(cookie))
}

fn show(
    app: &App,
    facts: &RequestFacts,
    headers: &HeaderMap,
    username: &str,
    next: &str,
    error: Option<Error>,
) -> Result<Response> {
    let mut frame = PageFrame::without_user("Log in");
    let known = login_cookie(headers).map(str::to_owned);
    let cookie = match &known {
        Some(cookie) => cookie.clone(),
        None => random_hex::<{ COOKIE_LENGTH / 2 }>()
            .map_err(|_| Error::internal("no random numbers"))?,
    };
    frame.csrf_token = csrf::token(app, &cookie);
    let (status, text) = match &error {
        None => (StatusCode::OK, None),
        Some(Error::Throttled(_)) => {
            (StatusCode::TOO_MANY_REQUESTS, error.as_ref().map(Error::to_string))
        }
        // As in Django.
        Some(_) => (StatusCode::OK, Some(FAILED.to_owned())),
    };
    let mut response = render(&LoginPage { frame, username, next, error: text })?;
    *response.status_mut() = status;
    if let Some(seconds) = error.as_ref().and_then(Error::retry_after) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if known.is_none() {
        let cookie = cookies::set(cookies::LOGIN, &cookie, COOKIE_SECONDS, facts.is_secure)?;
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The cookie that the login's form is bound to, if the client has one.
fn login_cookie(headers: &HeaderMap) -> Option<&str> {
    let is_ours = |cookie: &&str| {
        cookie.len() == COOKIE_LENGTH && cookie.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    cookies::read(headers, cookies::LOGIN).filter(is_ours)
}

fn see(path: &str, cookie: Option<HeaderValue>) -> Result<Response> {
    let location: DomainResult<HeaderValue> = path.parse().map_err(Error::internal);
    let mut response = (StatusCode::FOUND, [(header::LOCATION, location?)]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Where a login leads: only to a page of the admin site, whatever a link to the login says.
fn local(next: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let is_local = next.starts_with(paths::HOME) && !next.contains("//") && !next.contains("/.");
    match is_local && next.bytes().all(is_plain) {
        true => next.to_owned(),
        false => paths::HOME.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_login_leads_to_no_other_site() {
        for path in ["/admin/", "/admin/users/?search=a%20b&sort=-id", "/admin/users/7/"] {
            assert_eq!(local(path), path);
        }
        for path in [
            "",
            "/",
            "/api/",
            "/administrator/",
            "//evil.example/admin/",
            "https://evil.example/admin/",
            "/admin//evil.example",
            "/admin/../api/",
            "/admin/./x",
            "/admin/\\evil.example",
            "/admin/\r\nset-cookie: a=b",
            "/admin/\u{fc}",
            " /admin/",
            "javascript:alert(1)",
        ] {
            assert_eq!(local(path), "/admin/", "{path}");
        }
    }
}
