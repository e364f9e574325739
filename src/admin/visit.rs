//! A request of staff who are logged in: what the pages read from it, and how they answer. Made by `guard` alone.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::ids::UserId;
use crate::domain::session::Caller;

use super::cookies;
use super::forms::FormData;
use super::pages::{NavSection, PageFrame};
use super::request::RequestFacts;

/// How long a message waits for the next page.
const FLASH_SECONDS: u64 = 60;
const FLASH_PURPOSE: &str = "admin flash";

/// The staff member of a request, for the log.
#[derive(Clone, Copy, Debug)]
pub struct Admitted(pub UserId);

/// A request of staff who are logged in.
#[derive(Clone, Debug)]
pub(super) struct Visit(Arc<VisitInner>);

/// What a [`Visit`] knows.
#[derive(Debug)]
pub(super) struct VisitInner {
    /// The node.
    pub(super) app: Arc<App>,
    /// Who asks.
    pub(super) caller: Caller,
    /// The request itself.
    pub(super) facts: RequestFacts,
    /// For the forms of the page.
    pub(super) csrf_token: String,
    /// What the request before said about itself.
    pub(super) flash: Option<String>,
    /// The path of the request.
    pub(super) path: String,
    /// Its query, as it was sent.
    pub(super) query: String,
    /// The fields of a form that was sent. Its token was checked.
    pub(super) form: FormData,
}

impl std::ops::Deref for Visit {
    type Target = VisitInner;

    fn deref(&self) -> &VisitInner {
        &self.0
    }
}

impl From<VisitInner> for Visit {
    fn from(inner: VisitInner) -> Self {
        Self(Arc::new(inner))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    /// Panics without `guard` before it, which answers 500 instead of a page for everybody.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().expect("every page is behind `guard`"))
    }
}

impl Visit {
    /// The surroundings of a page.
    pub(super) fn frame(&self, title: &str, section: NavSection) -> PageFrame {
        let username = &self.caller.user.username;
        let frame = PageFrame::of_staff(title, section, username, &self.csrf_token);
        PageFrame { flash: self.flash.clone(), ..frame }
    }

    /// The answer to a form that did what it should: another page, which shows the message.
    pub(super) fn done(&self, to: &str, message: &str) -> DomainResult<Response> {
        let signed = self.app.signing_key.sign_text(&self.flash_purpose(), message);
        let cookie = cookies::set(cookies::FLASH, &signed, FLASH_SECONDS, self.facts.is_secure)?;
        let headers = [
            (header::LOCATION, to.parse().map_err(Error::internal)?),
            (header::SET_COOKIE, cookie),
        ];
        Ok((StatusCode::FOUND, headers).into_response())
    }

    /// Bound to the session, so that nobody is shown the message of another.
    fn flash_purpose(&self) -> String {
        flash_purpose(&self.caller)
    }
}

/// The message in a cookie that [`Visit::done`] set.
pub(super) fn read_flash(app: &App, caller: &Caller, cookie: &str) -> Option<String> {
    app.signing_key.verify_text(&flash_purpose(caller), cookie)
}

fn flash_purpose(caller: &Caller) -> String {
    format!("{FLASH_PURPOSE} {}", caller.session.0)
}
