//! What every page passes: only active staff who are logged in get further. Everybody else is sent to the login, the
//! same for pages that exist and for others. A form is read here, and refused without its token, so no page can forget
//! to check it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use crate::actions::admin_sessions;
use crate::app::App;
use crate::domain::session::Caller;

use super::errors::{Result, as_page};
use super::forms::FormData;
use super::pages::{NavSection, PageFrame};
use super::request::RequestFacts;
use super::visit::{Admitted, Visit, VisitInner, read_flash};
use super::{cookies, csrf, paths};

/// Lets staff through to the pages.
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    Extension(facts): Extension<RequestFacts>,
    mut request: Request,
    next: Next,
) -> Response {
    let cookie = cookies::read(request.headers(), cookies::SESSION).unwrap_or_default().to_owned();
    let caller = match admitted(&app, &facts, &cookie).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return to_login(&request),
        Err(error) => return as_page(error.into_response(), &facts, PageFrame::without_user),
    };
    let user = caller.user.id;
    let flash = cookies::read(request.headers(), cookies::FLASH);
    let mut inner = VisitInner {
        csrf_token: csrf::token(&app, &cookie),
        flash: flash.and_then(|signed| read_flash(&app, &caller, signed)),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        form: FormData::default(),
        app: Arc::clone(&app),
        caller,
        facts,
    };
    let form = match is_reading(request.method()) {
        true => Ok(FormData::default()),
        false => csrf::sent_form(&app, &mut request, &cookie).await,
    };
    let (visit, response) = match form {
        Ok(form) => {
            inner.form = form;
            let visit = Visit::from(inner);
            request.extensions_mut().insert(visit.clone());
            (visit, next.run(request).await)
        }
        Err(error) => (inner.into(), error.into_response()),
    };
    let mut response = as_page(response, &visit.facts, |title| visit.frame(title, NavSection::Own));
    if visit.flash.is_some() && !response.status().is_redirection() {
        // It was shown.
        if let Ok(cookie) = cookies::set(cookies::FLASH, "", 0, visit.facts.is_secure) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response.extensions_mut().insert(Admitted(user));
    response
}

/// The staff member whose session the cookie names. Their requests count as calls, and those of others for their
/// address.
async fn admitted(app: &App, facts: &RequestFacts, cookie: &str) -> Result<Option<Caller>> {
    let caller = admin_sessions::authenticate(app, cookie).await?;
    let now = app.clock.now();
    match &caller {
        Some(caller) => app.rate_limits.user(caller.user.id, 1, now)?,
        None => app.rate_limits.anonymous(facts.device.ip, now)?,
    }
    Ok(caller)
}

fn is_reading(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Sends to the login, and from there back to where the request was for.
fn to_login(request: &Request) -> Response {
    let mut path = paths::LOGIN.to_owned();
    let wanted = request.uri().path_and_query().map_or("", |wanted| wanted.as_str());
    if is_reading(request.method()) && wanted != paths::HOME {
        let mut query = form_urlencoded::Serializer::new(String::new());
        path = format!("{path}?{}", query.append_pair("next", wanted).finish());
    }
    let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static(paths::LOGIN));
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}
