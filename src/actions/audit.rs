//! The record of what staff did: lists of it, for staff, and the entries of exports. Nothing changes it.

use std::sync::Arc;

use crate::app::App;
use crate::domain::audit::{AuditAction, AuditChanges, AuditEntry, AuditFilter};
use crate::domain::error::Result;
use crate::domain::ids::UserId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{audit, users};

use super::staff;
use super::unit::Unit;

/// A place in the list.
pub type AuditPlace = (Timestamp, i64);

/// A page of the record, latest first.
pub async fn list(
    app: &App,
    actor: &User,
    filter: &AuditFilter,
    request: PageRequest<AuditPlace>,
    size: i64,
) -> Result<Page<AuditEntry, AuditPlace>> {
    staff::for_staff(actor)?;
    let (upwards, place) = match request {
        PageRequest::First => (false, (Timestamp::MAX, i64::MAX)),
        PageRequest::After(place) => (false, place),
        PageRequest::Before(place) => (true, place),
    };
    let rows = audit::beyond(&app.db, filter, upwards, place, size + 1).await?;
    Ok(Page::of(&request, rows, size, |entry| (entry.at, entry.id)))
}

/// Who has this username, address or id, for a filter.
pub async fn actor_named(app: &App, name: &str) -> Result<Option<UserId>> {
    let key = text::fold(name.replace(char::is_control, " ").trim());
    let found = users::by_login(&app.db, &key).await?.map(|(id, _)| id);
    Ok(found.or_else(|| key.parse().ok().map(UserId)))
}

/// Records that a list is exported, by which filters.
pub async fn exported(
    app: &Arc<App>,
    actor: &User,
    action: AuditAction,
    filters: Vec<(String, String)>,
) -> Result<()> {
    staff::for_staff(actor)?;
    let mut unit = Unit::begin(app).await?;
    let with =
        |changes: AuditChanges, (name, value): (String, String)| changes.with(&name, (), value);
    let changes = filters.into_iter().fold(AuditChanges::default(), with);
    staff::record(&mut unit, actor.id, action, 0, changes).await?;
    unit.commit().await
}
