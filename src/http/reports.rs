//! `/api/reports/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::actions::reports;
use crate::app::App;
use crate::domain::error::{Error, Result as DomainResult};
use crate::domain::reports::{ReportFilter, ReportStatus};
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::reports::{
    CreateReport, ReportJson, ReportPage, ReportStatusSchema, UpdateReport,
};

use super::bodies::Body;
use super::caller::Authenticated;
use super::errors::Result;
use super::ids::{Id, PathId};
use super::pagination::Paging;

/// List reports
///
/// As staff, the latest first.
#[utoipa::path(
    get, path = "/api/reports/", tag = "reports", operation_id = "list_reports",
    params(
        ("status" = Option<ReportStatusSchema>, Query, description = "Only reports with this status."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of reports", body = ReportPage),
        (status = 400, description = "The filter is wrong", body = FieldTexts,
            example = json!({"status": ["Select a valid choice. new is not one of the available choices."]})),
        (status = 403, description = "You are not staff", body = Detail),
        (status = 404, description = "The cursor does not belong to this list", body = Detail,
            example = json!({"detail": "Invalid cursor"})),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let status = paging.filter("status").map(read_status).transpose();
    let list = format!("reports {}", paging.filter("status").unwrap_or_default());
    let request = || paging.request(&list, |id| id.parse().ok());
    let filter = status.map(|status| ReportFilter { status, ..ReportFilter::default() });
    let page = reports::list(&app, &caller.user, filter, request, paging.size).await?;
    Ok(paging.envelope(&list, &page, i64::to_string, |report| ReportJson::of(report, &app.urls)))
}

/// Report a message or a user
///
/// To the staff. A reported message is copied as it is now. Only messages of your chats, and none that is deleted.
#[utoipa::path(
    post, path = "/api/reports/", tag = "reports", operation_id = "create_report",
    request_body = CreateReport,
    responses((status = 201, description = "The report", body = ReportJson))
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    body: Body,
) -> Result<Response> {
    let new = CreateReport::parse(body.fields()?);
    let report = reports::create(&app, &caller, new).await?;
    Ok((StatusCode::CREATED, Json(ReportJson::of(&report, &app.urls))).into_response())
}

/// Handle a report
///
/// As staff. The audit table records it.
#[utoipa::path(
    patch, path = "/api/reports/{id}/", tag = "reports", operation_id = "update_report",
    params(("id" = i64, Path, minimum = 1, description = "The report's id.")),
    request_body = UpdateReport,
    responses(
        (status = 200, description = "The report", body = ReportJson),
        (status = 403, description = "You are not staff", body = Detail),
        (status = 404, description = "No such report", body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<ReportId>,
    body: Body,
) -> Result<Response> {
    let change = body.read(UpdateReport::parse);
    let report = reports::update(&app, &caller.user, id.0, change).await?;
    Ok(Json(ReportJson::of(&report, &app.urls)).into_response())
}

/// A report's id in a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportId(i64);

impl From<PathId> for ReportId {
    fn from(id: PathId) -> Self {
        Self(id.number())
    }
}

fn read_status(name: &str) -> DomainResult<ReportStatus> {
    let wrong = || format!("Select a valid choice. {name} is not one of the available choices.");
    ReportStatus::try_from(name.to_owned()).map_err(|_| Error::field("status", wrong()))
}
