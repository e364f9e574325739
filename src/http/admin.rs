//! Mounts the admin site: says who asks, answers 500 as a page when a handler panics, and passes on to the log what it
//! has to say. The pages are in `admin`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::admin::{self, Admitted, Failed, RequestFacts};
use crate::app::App;
use crate::domain::error::Error;
use crate::domain::session::Device;

use super::context::Context;
use super::errors::{self, ApiError, Logged};
use super::hosts::MailOrigin;
use super::proxies::Peer;

/// Where the site is.
pub(super) const PREFIX: &str = "/admin/";
/// The same as people type it.
const TYPED: &str = "/admin";

/// Marks a request whose path had no slash at its end.
#[derive(Clone, Copy, Debug)]
struct IsTyped;

/// The routes of the admin site.
pub(super) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    admin::routes(app).layer(from_fn_with_state(Arc::clone(app), visit))
}

/// Notes that a path has no slash at its end, before one is added: the cookie's path has one.
pub(super) fn note_typed(mut request: Request) -> Request {
    if request.uri().path() == TYPED {
        request.extensions_mut().insert(IsTyped);
    }
    request
}

async fn visit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.extensions().get::<IsTyped>().is_some() {
        let location = HeaderValue::from_static(PREFIX);
        return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    }
    let (mut parts, body) = request.into_parts();
    let Ok(device) = Device::from_request_parts(&mut parts, &app).await;
    let Ok(peer) = Peer::from_request_parts(&mut parts, &app).await;
    let public = app.server.public_url.as_deref();
    let mail_origin = match parts.method == Method::POST {
        true => {
            let Ok(MailOrigin(origin)) = MailOrigin::from_request_parts(&mut parts, &app).await;
            Some(origin)
        }
        false => None,
    };
    let context = parts.extensions.get::<Context>().cloned();
    let request_id = context.as_ref().map(|context| context.request_id().to_owned());
    let request_id = request_id.unwrap_or_default();
    let facts = RequestFacts {
        device,
        request_id: request_id.clone(),
        is_secure: peer.is_secure || public.is_some_and(|url| url.starts_with("https://")),
        mail_origin,
    };
    parts.extensions.insert(facts.clone());
    let answered = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind();
    let mut response = answered.await.unwrap_or_else(|_| {
        // The hook has logged the panic's own message.
        admin::error_page(Error::internal("a handler panicked"), &facts)
    });
    let extensions = response.extensions_mut();
    if let (Some(context), Some(Admitted(user))) = (context, extensions.get()) {
        context.set_user(*user);
    }
    if let Some(Failed(error)) = extensions.remove() {
        errors::log(&error, &request_id);
        extensions.insert(Logged(ApiError::Action(error)));
    }
    response
}
