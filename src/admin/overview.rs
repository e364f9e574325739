//! The overview: how the site is.

use askama::Template;
use axum::response::Response;

use super::errors::Result;
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    frame: PageFrame,
    version: &'static str,
}

/// `GET /admin/`
pub(super) async fn page(visit: Visit) -> Result<Response> {
    let frame = visit.frame("Overview", NavSection::Overview);
    Ok(render(&OverviewPage { frame, version: env!("CARGO_PKG_VERSION") })?)
}
