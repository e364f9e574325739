//! Reports: the queue, the kept copy, and what staff do about them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::actions::staff::NotBeneath;
use crate::actions::{audit, messages, reports, staff_users};
use crate::app::App;
use crate::domain::audit::AuditAction;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::ids::UserId;
use crate::domain::reports::{ReportChange, ReportFilter, ReportStatus, TEXT_MAX, UserReport};
use crate::domain::text;
use crate::domain::user::User;

use super::confirm::ConfirmPage;
use super::errors::Result;
use super::forms::FieldView;
use super::inputs::{acted, filters as set_filters, no_choice, reason, text_field};
use super::lists::{FilterOption, ListQuery, PageLinks};
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;
use super::{csv, filters};

pub(super) const LIST: &str = "/admin/reports/";
const NAME: &str = "reports";
/// The queue is what nobody has handled.
const STATUSES: &[(&str, &str)] =
    &[("", "Open"), ("resolved", "Resolved"), ("dismissed", "Dismissed"), ("any", "Any")];
const ORDERS: &[(&str, &str)] = &[("", "Latest first"), ("oldest", "Oldest first")];

#[derive(Template)]
#[template(path = "admin/reports.html")]
struct ReportsPage {
    frame: PageFrame,
    statuses: Vec<FilterOption>,
    user: FieldView,
    orders: Vec<FilterOption>,
    rows: Vec<UserReport>,
    pages: PageLinks,
    export: String,
}

#[derive(Template)]
#[template(path = "admin/report.html")]
struct ReportPage {
    frame: PageFrame,
    report: UserReport,
    path: String,
    /// The reported user, unless the account was deleted.
    user: Option<User>,
    refused: Option<NotBeneath>,
    note_max: usize,
}

/// `GET /admin/reports/`
pub(super) async fn list(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let filter = filter(&query)?;
    let request = || query.request(|key| key.parse().ok()).map_err(|_| Error::InvalidCursor);
    let caller = &visit.caller.user;
    let page = reports::list(&app, caller, Ok(filter), request, ListQuery::SIZE).await?;
    Ok(render(&ReportsPage {
        frame: visit.frame("Reports", NavSection::Reports),
        statuses: query.options("status", STATUSES),
        user: text_field(&query, "user", "About the user with the id"),
        orders: query.options("sort", ORDERS),
        pages: query.links(&page, i64::to_string),
        rows: page.rows,
        export: query.path_of("/admin/reports/export/"),
    })?)
}

/// `POST /admin/reports/export/`, with the filters in the query.
pub(super) async fn export(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let filter = filter(&query)?;
    let caller = Arc::new(visit.caller.user.clone());
    let filters = set_filters(&query, &["status", "user", "sort"]);
    audit::exported(&app, &caller, AuditAction::ExportReports, filters).await?;
    let head = [
        "id",
        "created_at",
        "status",
        "reason",
        "reporter",
        "user",
        "message",
        "copy",
        "text",
        "note",
        "handled_by",
        "handled_at",
    ];
    let read = move |request| {
        let (app, caller) = (Arc::clone(&app), Arc::clone(&caller));
        async move { reports::list(&app, &caller, Ok(filter), || Ok(request), csv::ROWS).await }
    };
    Ok(csv::export("reports", &head, read, |report: &UserReport| {
        vec![
            report.id.to_string(),
            report.created_at.to_string(),
            report.status.as_str().to_owned(),
            report.reason.as_str().to_owned(),
            report.reporter.username.clone(),
            report.user.username.clone(),
            report.message.map(|id| id.to_string()).unwrap_or_default(),
            report.copy.as_ref().map(|copy| copy.content.clone()).unwrap_or_default(),
            report.text.clone(),
            report.note.clone(),
            report.handled_by.map(|id| id.to_string()).unwrap_or_default(),
            report.handled_at.map(|time| time.to_string()).unwrap_or_default(),
        ]
    })?)
}

/// `GET /admin/reports/{id}/`
pub(super) async fn one(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response> {
    let report = reports::one(&app, &visit.caller.user, read_id(&id)?).await?;
    let user = match staff_users::one(&app, &visit.caller.user, report.user.id).await {
        Err(Error::NotFound) => None,
        found => Some(found?),
    };
    Ok(render(&ReportPage {
        frame: visit.frame(&format!("Report {}", report.id), NavSection::Reports),
        path: format!("{LIST}{}/", report.id),
        refused: user.as_ref().and_then(|user| reason(&visit, user)),
        note_max: TEXT_MAX,
        user,
        report,
    })?)
}

/// `POST /admin/reports/{id}/`: sets the status, with a note.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response> {
    let report = reports::update(&app, &visit.caller.user, read_id(&id)?, change(&visit)).await?;
    let message = match report.status {
        ReportStatus::Open => "The report is open again.",
        ReportStatus::Resolved => "The report was resolved.",
        ReportStatus::Dismissed => "The report was dismissed.",
    };
    Ok(visit.done(&format!("{LIST}{}/", report.id), message)?)
}

/// `GET /admin/reports/{id}/{what}/`: asks before a message is deleted or its author deactivated.
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
) -> Result<Response> {
    let report = reports::one(&app, &visit.caller.user, read_id(&id)?).await?;
    let name = &report.user.username;
    let (question, text, button) = match what.as_str() {
        "delete-message" if report.message.is_some() => (
            "Delete the message?".to_owned(),
            "It is deleted for everybody, with its files. The copy in the report stays.",
            "Delete the message",
        ),
        "deactivate" => (
            format!("Deactivate {name}?"),
            "The user is logged out at once, and cannot log in until the account is activated again.",
            "Deactivate",
        ),
        _ => return Err(Error::NotFound.into()),
    };
    let back = format!("{LIST}{}/", report.id);
    let page = ConfirmPage {
        frame: visit.frame(&question, NavSection::Reports),
        texts: vec![text.to_owned()],
        action: &format!("{back}{what}/"),
        fields: Vec::new(),
        button,
        back: &back,
    };
    page.show()
}

/// `POST /admin/reports/{id}/{what}/`
pub(super) async fn act(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
) -> Result<Response> {
    let caller = &visit.caller.user;
    let report = reports::one(&app, caller, read_id(&id)?).await?;
    let back = format!("{LIST}{}/", report.id);
    match (what.as_str(), report.message) {
        ("delete-message", Some(message)) => {
            let message = match messages::moderate(&app, caller, message).await {
                Ok(true) => "The message was deleted.",
                Ok(false) | Err(Error::NotFound) => "The message was deleted already.",
                Err(error) => return Err(error.into()),
            };
            Ok(visit.done(&back, message)?)
        }
        ("deactivate", _) => {
            let done = staff_users::set_active(&app, caller, &[report.user.id], false).await?;
            acted(&visit, done, &back, "The author was deactivated.")
        }
        _ => Err(Error::NotFound.into()),
    }
}

fn change(visit: &Visit) -> DomainResult<ReportChange> {
    let name = visit.form.text("status");
    let status = ReportStatus::try_from(name.to_owned()).map_err(|_| no_choice("status", name))?;
    let note = visit.form.text("note").trim().replace("\r\n", "\n");
    text::check(&note, TEXT_MAX).map_err(|fault| Error::field("note", fault))?;
    Ok(ReportChange { status: Some(status), note: Some(note) })
}

fn filter(query: &ListQuery) -> Result<ReportFilter> {
    let status = match query.filter("status") {
        "" => Some(ReportStatus::Open),
        "any" => None,
        name => {
            let found = ReportStatus::try_from(name.to_owned());
            Some(found.map_err(|_| no_choice("status", name))?)
        }
    };
    let user = match query.filter("user") {
        "" => None,
        id => Some(id.parse().map(UserId).map_err(|_| Error::field("user", "Enter an id."))?),
    };
    let oldest_first = match query.filter("sort") {
        "" => false,
        "oldest" => true,
        name => return Err(no_choice("sort", name).into()),
    };
    Ok(ReportFilter { status, user, oldest_first })
}

fn read_id(text: &str) -> Result<i64> {
    Ok(text.parse().map_err(|_| Error::NotFound)?)
}
