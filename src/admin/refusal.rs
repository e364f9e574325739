//! The page that says why staff may not act on some users, so that nothing was done.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use crate::actions::staff::NotBeneath;
use crate::domain::user::User;

use super::errors::Result;
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "admin/refusal.html")]
struct RefusalPage<'a> {
    frame: PageFrame,
    refused: &'a [(User, NotBeneath)],
    back: &'a str,
}

/// The page, with status 403.
pub(super) fn show(visit: &Visit, refused: &[(User, NotBeneath)], back: &str) -> Result<Response> {
    let frame = visit.frame("Nothing was done", NavSection::Users);
    let mut response = render(&RefusalPage { frame, refused, back })?;
    *response.status_mut() = StatusCode::FORBIDDEN;
    Ok(response)
}
