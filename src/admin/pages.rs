//! What every page has around its contents, and how a template becomes an answer.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use crate::domain::error::{Error, Result};

use super::style;

/// A page loads its style sheet and icons, and sends forms to this site. Nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// The entries of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NavSection {
    /// How the site is.
    Overview,
    /// Users.
    Users,
    /// Chats.
    Chats,
    /// Reports.
    Reports,
    /// The record of what staff did.
    Audit,
    /// The caller's own sessions, and pages of no entry.
    Own,
}

impl NavSection {
    /// The entries, with their pages.
    const ALL: &[(Self, &str, &str)] = &[
        (Self::Overview, "Overview", "/admin/"),
        (Self::Users, "Users", "/admin/users/"),
        (Self::Chats, "Chats", "/admin/chats/"),
        (Self::Reports, "Reports", "/admin/reports/"),
        (Self::Audit, "Audit", "/admin/audit/"),
    ];
}

/// An entry of the navigation.
#[derive(Debug)]
pub(super) struct NavLink {
    pub(super) text: &'static str,
    pub(super) path: &'static str,
    pub(super) is_current: bool,
}

/// What surrounds the contents of a page: the field `frame` of each template.
#[derive(Debug)]
pub(super) struct PageFrame {
    pub(super) title: String,
    /// Empty where nobody is logged in.
    pub(super) links: Vec<NavLink>,
    /// The caller's username.
    pub(super) username: Option<String>,
    /// For the hidden field of each form.
    pub(super) csrf_token: String,
    /// A message about what was just done.
    pub(super) flash: Option<String>,
    /// The path of the style sheet.
    pub(super) style: String,
}

impl PageFrame {
    /// A page for staff.
    pub(super) fn of_staff(
        title: &str,
        section: NavSection,
        username: &str,
        csrf_token: &str,
    ) -> Self {
        let link = |(own, text, path): &(NavSection, &'static str, &'static str)| NavLink {
            text,
            path,
            is_current: *own == section,
        };
        Self {
            title: title.to_owned(),
            links: NavSection::ALL.iter().map(link).collect(),
            username: Some(username.to_owned()),
            csrf_token: csrf_token.to_owned(),
            flash: None,
            style: style::path(),
        }
    }

    /// A page that everybody may open.
    pub(super) fn without_user(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            links: Vec::new(),
            username: None,
            csrf_token: String::new(),
            flash: None,
            style: style::path(),
        }
    }
}

/// A template as an answer.
pub(super) fn render(template: &impl Template) -> Result<Response> {
    let page = template.render().map_err(Error::internal)?;
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Html(page)).into_response())
}
