//! The page of one user, and what staff can do there.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::actions::staff::{self, NotBeneath};
use crate::actions::{reports, staff_users};
use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::page::PageRequest;
use crate::domain::reports::{ReportFilter, UserReport};
use crate::domain::session::SessionInfo;
use crate::domain::user::User;

use super::confirm::ConfirmPage;
use super::errors::Result;
use super::filters;
use super::inputs::{acted, reason};
use super::lists::{ListQuery, PageLinks};
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;

/// Reports on the page; the rest is in the list of reports.
const REPORTS: i64 = 10;

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserPage {
    frame: PageFrame,
    user: User,
    path: String,
    /// Why there are no buttons.
    refused: Option<NotBeneath>,
    may_set_staff: bool,
    sessions: Vec<SessionInfo>,
    pages: PageLinks,
    reports: Vec<UserReport>,
    has_more_reports: bool,
}

/// `GET /admin/users/{id}/`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response> {
    let (id, caller) = (read_id(&id)?, &visit.caller.user);
    let user = staff_users::one(&app, caller, id).await?;
    let query = ListQuery::of(&visit, "sessions of a user");
    let request = query.request(|key| key.parse().ok().map(SessionId))?;
    let sessions = staff_users::sessions(&app, caller, id, request, ListQuery::SIZE).await?;
    let filter = ReportFilter { user: Some(id), ..ReportFilter::default() };
    let reports =
        reports::list(&app, caller, Ok(filter), || Ok(PageRequest::First), REPORTS).await?;
    Ok(render(&UserPage {
        frame: visit.frame(&user.username, NavSection::Users),
        path: path(id),
        refused: reason(&visit, &user),
        may_set_staff: staff::may_set_staff(caller),
        pages: query.links(&sessions, |id| id.0.to_string()),
        sessions: sessions.rows,
        has_more_reports: reports.next.is_some(),
        reports: reports.rows,
        user,
    })?)
}

/// `GET /admin/users/{id}/{what}/`: asks before something that ends sessions or changes rights.
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
) -> Result<Response> {
    let user = staff_users::one(&app, &visit.caller.user, read_id(&id)?).await?;
    if what.ends_with("staff") && !staff::may_set_staff(&visit.caller.user) {
        return Err(Error::PermissionDenied.into());
    }
    let name = &user.username;
    let (question, text, button) = match what.as_str() {
        "deactivate" => (
            format!("Deactivate {name}?"),
            "The user is logged out at once, and cannot log in until the account is activated again.",
            "Deactivate",
        ),
        "end-sessions" => (
            format!("End all sessions of {name}?"),
            "All devices are logged out at once, and their connections are closed.",
            "End all sessions",
        ),
        "make-staff" => (
            format!("Make {name} staff?"),
            "Staff can use this site: deactivate users, delete chats and messages, and handle reports.",
            "Make staff",
        ),
        "end-staff" => (
            format!("Take the staff rights from {name}?"),
            "The user cannot use this site any more.",
            "Take the rights",
        ),
        _ => return Err(Error::NotFound.into()),
    };
    let (back, action) = (path(user.id), format!("{}{what}/", path(user.id)));
    let page = ConfirmPage {
        frame: visit.frame(&question, NavSection::Users),
        texts: vec![text.to_owned()],
        action: &action,
        fields: Vec::new(),
        button,
        back: &back,
    };
    page.show()
}

/// `POST /admin/users/{id}/{what}/`
pub(super) async fn act(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
) -> Result<Response> {
    let (id, caller) = (read_id(&id)?, &visit.caller.user);
    let (done, message) = match what.as_str() {
        "deactivate" => (
            staff_users::set_active(&app, caller, &[id], false).await?,
            "The user was deactivated.",
        ),
        "activate" => {
            (staff_users::set_active(&app, caller, &[id], true).await?, "The user was activated.")
        }
        "end-sessions" => (
            staff_users::end_sessions(&app, caller, id, None).await?,
            "All sessions of the user have ended.",
        ),
        "make-staff" => {
            (staff_users::set_staff(&app, caller, id, true).await?, "The user is staff now.")
        }
        "end-staff" => {
            (staff_users::set_staff(&app, caller, id, false).await?, "The user is no longer staff.")
        }
        "reset-mail" => {
            let origin = visit.facts.mail_origin.clone().ok_or(Error::NotFound)?;
            (
                staff_users::send_reset(&app, caller, id, &origin).await?,
                "A link for a new password was mailed.",
            )
        }
        _ => return Err(Error::NotFound.into()),
    };
    acted(&visit, done, &path(id), message)
}

/// `POST /admin/users/{id}/sessions/{session}/end/`
pub(super) async fn end_session(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path((id, session)): Path<(String, String)>,
) -> Result<Response> {
    let id = read_id(&id)?;
    let session = session.parse().map(SessionId).map_err(|_| Error::NotFound)?;
    let done = staff_users::end_sessions(&app, &visit.caller.user, id, Some(session)).await?;
    acted(&visit, done, &path(id), "The session has ended.")
}

/// The page of a user.
pub(super) fn path(id: UserId) -> String {
    format!("/admin/users/{id}/")
}

fn read_id(text: &str) -> Result<UserId> {
    Ok(text.parse().map(UserId).map_err(|_| Error::NotFound)?)
}
