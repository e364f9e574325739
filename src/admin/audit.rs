//! The record of what staff did.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::actions::audit::{self, AuditPlace};
use crate::app::App;
use crate::domain::audit::{AuditAction, AuditEntry, AuditFilter, AuditTarget};
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::time::Timestamp;

use super::errors::Result;
use super::forms::FieldView;
use super::inputs::{choice, day, end_of_day, filters as set_filters, text_field};
use super::lists::{FilterOption, ListQuery, PageLinks};
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;
use super::{csv, filters};

pub(super) const LIST: &str = "/admin/audit/";
const NAME: &str = "audit";
const TARGETS: &[(&str, &str)] = &[
    ("", "Any"),
    ("user", "User"),
    ("chat", "Chat"),
    ("message", "Message"),
    ("report", "Report"),
];

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditPage {
    frame: PageFrame,
    actor: FieldView,
    actions: Vec<FilterOption>,
    targets: Vec<FilterOption>,
    id: FieldView,
    from: FieldView,
    until: FieldView,
    rows: Vec<AuditEntry>,
    pages: PageLinks,
    export: String,
}

/// `GET /admin/audit/`
pub(super) async fn list(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let filter = filter(&app, &query).await?;
    let request = query.request(read_place)?;
    let caller = &visit.caller.user;
    let page = audit::list(&app, caller, &filter, request, ListQuery::SIZE).await?;
    let mut actions = vec![("", "Any")];
    actions.extend(AuditAction::ALL.map(|action| (action.as_str(), action.as_str())));
    Ok(render(&AuditPage {
        frame: visit.frame("Audit", NavSection::Audit),
        actor: text_field(&query, "actor", "Who"),
        actions: query.options("action", &actions),
        targets: query.options("target", TARGETS),
        id: text_field(&query, "id", "Target's id"),
        from: text_field(&query, "from", "From"),
        until: text_field(&query, "until", "Until"),
        pages: query.links(&page, |(at, id)| format!("{} {id}", at.micros())),
        rows: page.rows,
        export: query.path_of("/admin/audit/export/"),
    })?)
}

/// `POST /admin/audit/export/`, with the filters in the query.
pub(super) async fn export(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let filter = filter(&app, &query).await?;
    let caller = Arc::new(visit.caller.user.clone());
    let set = set_filters(&query, &["actor", "action", "target", "id", "from", "until"]);
    audit::exported(&app, &caller, AuditAction::ExportAudit, set).await?;
    let head = ["id", "at", "actor_id", "actor", "action", "target_id", "detail"];
    let read = move |request| {
        let (app, caller) = (Arc::clone(&app), Arc::clone(&caller));
        async move { audit::list(&app, &caller, &filter, request, csv::ROWS).await }
    };
    Ok(csv::export("audit", &head, read, |entry: &AuditEntry| {
        vec![
            entry.id.to_string(),
            entry.at.to_string(),
            entry.actor_id.to_string(),
            entry.actor.clone().unwrap_or_default(),
            entry.action.clone(),
            entry.target.to_string(),
            entry.detail.clone(),
        ]
    })?)
}

fn read_place(key: &str) -> Option<AuditPlace> {
    let (at, id) = key.split_once(' ')?;
    Some((Timestamp::from_micros(at.parse().ok()?), id.parse().ok()?))
}

async fn filter(app: &App, query: &ListQuery) -> Result<AuditFilter> {
    let actor = match query.filter("actor") {
        "" => None,
        // Nobody has this id, so nothing is found.
        name => Some(audit::actor_named(app, name).await?.unwrap_or(UserId(0))),
    };
    let kind = choice(query, "target", &AuditTarget::ALL, AuditTarget::as_str)?;
    let id = match query.filter("id") {
        "" => None,
        id => Some(id.parse::<i64>().map_err(|_| Error::field("id", "Enter an id."))?),
    };
    let target = match (kind, id) {
        (Some(kind), Some(id)) => Some((kind, id)),
        (None, None) => None,
        _ => return Err(Error::field("id", "Give the kind of the target and its id.").into()),
    };
    Ok(AuditFilter {
        actor,
        action: choice(query, "action", &AuditAction::ALL, AuditAction::as_str)?,
        target,
        from: day(query, "from")?,
        until: end_of_day(query, "until")?,
    })
}
