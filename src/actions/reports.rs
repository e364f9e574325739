//! Reports: users tell the staff about a message or a user, and staff handle it, which the audit table records.

use std::sync::Arc;

use crate::app::App;
use crate::domain::audit::{AuditAction, AuditChanges};
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::ids::{MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::page::{Page, PageRequest};
use crate::domain::reports::{MessageCopy, NewReport, ReportChange, ReportFilter, UserReport};
use crate::domain::session::Caller;
use crate::domain::text::no_such;
use crate::domain::user::User;
use crate::store::reports::ReportRow;
use crate::store::{reports, users};

use super::unit::Unit;
use super::{access, attempts, staff};

/// The answer to a report about the reporter.
const ONESELF: &str = "You cannot report yourself.";

/// A reported user, and the message.
type Target = (UserId, Option<(MessageId, MessageCopy)>);

/// Reports a message or a user.
pub async fn create(app: &Arc<App>, caller: &Caller, new: Input<NewReport>) -> Result<UserReport> {
    let Input { value: new, mut errors } = new;
    let target = match (new.message, new.user) {
        (Some(message), None) => reported_message(app, caller, message, &mut errors).await?,
        (None, Some(user)) => reported_user(app, caller, user, &mut errors).await?,
        _ => None,
    };
    errors.into_result()?;
    let refused = || Error::internal("a report was refused without an error");
    let ((user, message), reason) = target.zip(new.reason).ok_or_else(refused)?;
    let mut unit = Unit::begin(app).await?;
    let now = unit.now();
    let row = ReportRow { reporter: caller.user.id, user, message, reason, text: &new.text };
    let id = reports::insert(&mut unit.tx, &row, now).await?;
    let made = reports::by_id(&mut unit.tx, id).await?;
    attempts::report(app, &mut unit, caller.user.id).await?;
    unit.commit().await?;
    made.ok_or_else(|| Error::internal("a report that was stored is missing"))
}

/// A message that the caller may see, and that is not deleted.
async fn reported_message(
    app: &App,
    caller: &Caller,
    id: MessageId,
    errors: &mut FieldErrors,
) -> Result<Option<Target>> {
    let found = match access::message(&app.db, id, caller.user.id).await {
        Err(Error::NotFound) => None,
        found => Some(found?).filter(|message| message.deleted_at.is_none()),
    };
    match found {
        None => errors.add("message", no_such(id)),
        Some(message) if message.sender.id == caller.user.id => errors.add("message", ONESELF),
        Some(message) => {
            return Ok(Some((message.sender.id, Some((id, MessageCopy::of(&message))))));
        }
    }
    Ok(None)
}

async fn reported_user(
    app: &App,
    caller: &Caller,
    id: UserId,
    errors: &mut FieldErrors,
) -> Result<Option<Target>> {
    let found = users::by_id(&app.db, id).await?;
    if id == caller.user.id {
        errors.add("user", ONESELF);
    } else if found.is_some_and(|user| user.is_there_for(&caller.user)) {
        return Ok(Some((id, None)));
    } else {
        errors.add("user", no_such(id));
    }
    Ok(None)
}

/// A page of reports, for staff.
pub async fn list(
    app: &App,
    actor: &User,
    filter: Result<ReportFilter>,
    request: impl FnOnce() -> Result<PageRequest<i64>>,
    size: i64,
) -> Result<Page<UserReport, i64>> {
    staff::for_staff(actor)?;
    let (filter, request) = (filter?, request()?);
    let rows = reports::page(&app.db, filter, &request, size + 1).await?;
    Ok(Page::of(&request, rows, size, |report: &UserReport| report.id))
}

/// A report, for staff.
pub async fn one(app: &App, actor: &User, id: i64) -> Result<UserReport> {
    staff::for_staff(actor)?;
    reports::by_id(&app.db, id).await?.ok_or(Error::NotFound)
}

/// Handles a report, for staff. What changes nothing is not recorded.
pub async fn update(
    app: &Arc<App>,
    actor: &User,
    id: i64,
    change: Result<ReportChange>,
) -> Result<UserReport> {
    staff::for_staff(actor)?;
    let mut unit = Unit::begin(app).await?;
    let before = reports::lock(&mut unit.tx, id).await?.ok_or(Error::NotFound)?;
    let ReportChange { status, note } = change?;
    let mut after = before.clone();
    after.status = status.unwrap_or(before.status);
    after.note = note.unwrap_or(after.note);
    if (after.status, &after.note) == (before.status, &before.note) {
        return Ok(before);
    }
    let (me, now) = (actor.id, unit.now());
    (after.handled_by, after.handled_at) = (Some(me), Some(now));
    reports::update(&mut unit.tx, &after).await?;
    let changes = AuditChanges::default()
        .with("status", before.status.as_str(), after.status.as_str())
        .with("note", before.note.as_str(), after.note.as_str());
    staff::record(&mut unit, me, AuditAction::ReportUpdate, id, changes).await?;
    unit.commit().await?;
    Ok(after)
}
