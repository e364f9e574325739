//! The caller's own sessions: the devices that are logged in, and the sessions of this site.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::actions::sessions;
use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::SessionId;
use crate::domain::session::SessionInfo;

use super::confirm::ConfirmPage;
use super::errors::Result;
use super::filters;
use super::lists::{ListQuery, PageLinks};
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;

const LIST: &str = "/admin/sessions/";

#[derive(Template)]
#[template(path = "admin/own_sessions.html")]
struct SessionsPage {
    frame: PageFrame,
    current: SessionId,
    rows: Vec<SessionInfo>,
    pages: PageLinks,
}

/// `GET /admin/sessions/`
pub(super) async fn list(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, "own sessions");
    let request = query.request(|key| key.parse().ok().map(SessionId))?;
    let page = sessions::list(&app, &visit.caller, request, ListQuery::SIZE).await?;
    let pages = query.links(&page, |id| id.0.to_string());
    let frame = visit.frame("Your sessions", NavSection::Own);
    Ok(render(&SessionsPage { frame, current: visit.caller.session, rows: page.rows, pages })?)
}

/// `POST /admin/sessions/{id}/end/`
pub(super) async fn end(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response> {
    let id = id.parse().map(SessionId).map_err(|_| Error::NotFound)?;
    sessions::end(&app, &visit.caller, id).await?;
    Ok(visit.done(LIST, "The session has ended.")?)
}

/// `GET /admin/sessions/end-others/`
pub(super) async fn confirm(visit: Visit) -> Result<Response> {
    let page = ConfirmPage {
        frame: visit.frame("End all your other sessions?", NavSection::Own),
        texts: vec![
            "All your other devices are logged out at once, and their connections are closed."
                .to_owned(),
        ],
        action: "/admin/sessions/end-others/",
        fields: Vec::new(),
        button: "End all other sessions",
        back: LIST,
    };
    page.show()
}

/// `POST /admin/sessions/end-others/`
pub(super) async fn end_others(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    sessions::end_others(&app, &visit.caller).await?;
    Ok(visit.done(LIST, "All other sessions have ended.")?)
}
