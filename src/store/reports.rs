//! Reports to the staff.

use constcat::concat;
use serde::Deserialize;

use crate::domain::ids::{MessageId, UserId};
use crate::domain::page::PageRequest;
use crate::domain::reports::{MessageCopy, Reason, ReportFilter, ReportStatus, UserReport};
use crate::domain::time::Timestamp;
use crate::domain::user::UserRef;

use super::db::Tx;
use super::error::{Failure, Result};
use super::query::Target;

#[derive(Deserialize)]
struct RefRow {
    id: UserId,
    username: String,
    first_name: String,
    last_name: String,
    avatar: Option<String>,
}

impl From<RefRow> for UserRef {
    fn from(row: RefRow) -> Self {
        let RefRow { id, username, first_name, last_name, avatar } = row;
        Self { id, username, first_name, last_name, avatar }
    }
}

#[derive(Deserialize)]
struct Row {
    report_id: i64,
    message_id: Option<MessageId>,
    message_copy: Option<String>,
    reason: Reason,
    text: String,
    status: ReportStatus,
    note: String,
    created_at: Timestamp,
    handled_by: Option<UserId>,
    handled_at: Option<Timestamp>,
    reporter: RefRow,
    user: RefRow,
}

fn report(row: Row) -> Result<UserReport> {
    let copy: Option<MessageCopy> = row
        .message_copy
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .map_err(Failure::wrong)?;
    Ok(UserReport {
        id: row.report_id,
        reporter: row.reporter.into(),
        user: row.user.into(),
        message: row.message_id,
        copy,
        reason: row.reason,
        text: row.text,
        status: row.status,
        note: row.note,
        created_at: row.created_at,
        handled_by: row.handled_by,
        handled_at: row.handled_at,
    })
}

const SELECT: &str = "\
    select r.id as report_id, r.message_id, r.message_copy, r.reason, r.text, r.status, r.note, \
           r.created_at, r.handled_by, r.handled_at, \
           a.id, a.username, a.first_name, a.last_name, a.avatar, \
           u.id, u.username, u.first_name, u.last_name, u.avatar \
    from reports r join users a on a.id = r.reporter_id join users u on u.id = r.user_id where ";

/// A report to be stored.
#[derive(Debug)]
pub struct ReportRow<'a> {
    /// Who makes it.
    pub reporter: UserId,
    /// The reported user.
    pub user: UserId,
    /// The reported message, and its copy.
    pub message: Option<(MessageId, MessageCopy)>,
    /// Why.
    pub reason: Reason,
    /// What the reporter says.
    pub text: &'a str,
}

/// Stores a report.
pub async fn insert(tx: &mut Tx, new: &ReportRow<'_>, now: Timestamp) -> Result<i64> {
    let (message, copy) = match &new.message {
        Some((id, copy)) => (Some(*id), Some(serde_json::to_string(copy).map_err(Failure::wrong)?)),
        None => (None, None),
    };
    let (id,): (i64,) = tx
        .query(
            "insert into reports (reporter_id, user_id, message_id, message_copy, reason, text, \
                                  created_at) \
             values ($1, $2, $3, $4, $5, $6, $7) returning id",
        )
        .bind(new.reporter)
        .bind(new.user)
        .bind(message)
        .bind(copy)
        .bind(new.reason.as_str())
        .bind(new.text)
        .bind(now)
        .one()
        .await?;
    Ok(id)
}

/// A report.
pub async fn by_id(at: impl Into<Target<'_>>, id: i64) -> Result<Option<UserReport>> {
    let row: Option<Row> =
        at.into().query(concat!(SELECT, "r.id = $1")).bind(id).optional().await?;
    row.map(report).transpose()
}

/// A report for updating, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, id: i64) -> Result<Option<UserReport>> {
    tx.query("update reports set status = status where id = $1").bind(id).execute().await?;
    by_id(tx, id).await
}

/// Reports, the latest first unless the filter says otherwise.
pub async fn page(
    at: impl Into<Target<'_>>,
    filter: ReportFilter,
    request: &PageRequest<i64>,
    limit: i64,
) -> Result<Vec<UserReport>> {
    const DOWN: &str = "r.id < $1 order by r.id desc limit $2";
    const UP: &str = "r.id > $1 order by r.id limit $2";
    const OF_STATUS: &str = "r.status = $3 and ";
    const ABOUT: &str = "r.user_id = $3 and ($4 is null or r.status = $4) and ";
    let ReportFilter { status, user, oldest_first } = filter;
    let (is_next, place) = match request {
        PageRequest::First => (true, if oldest_first { 0 } else { i64::MAX }),
        PageRequest::After(place) => (true, *place),
        PageRequest::Before(place) => (false, *place),
    };
    let query = at.into().query(match (user, status, is_next != oldest_first) {
        (None, None, true) => concat!(SELECT, DOWN),
        (None, None, false) => concat!(SELECT, UP),
        (None, Some(_), true) => concat!(SELECT, OF_STATUS, DOWN),
        (None, Some(_), false) => concat!(SELECT, OF_STATUS, UP),
        (Some(_), _, true) => concat!(SELECT, ABOUT, DOWN),
        (Some(_), _, false) => concat!(SELECT, ABOUT, UP),
    });
    let query = query.bind(place).bind(limit);
    let status = status.map(ReportStatus::as_str);
    let mut rows: Vec<Row> = match (user, status) {
        (Some(user), status) => query.bind(user).bind(status).all().await?,
        (None, Some(status)) => query.bind(status).all().await?,
        (None, None) => query.all().await?,
    };
    if !is_next {
        rows.reverse();
    }
    rows.into_iter().map(report).collect()
}

/// Writes what has become of a report.
pub async fn update(tx: &mut Tx, report: &UserReport) -> Result<()> {
    tx.query(
        "update reports set status = $2, note = $3, handled_by = $4, handled_at = $5 where id = $1",
    )
    .bind(report.id)
    .bind(report.status.as_str())
    .bind(report.note.as_str())
    .bind(report.handled_by)
    .bind(report.handled_at)
    .execute()
    .await
    .map(drop)
}

/// Deletes some reports that are not open and were last changed before this moment. Returns how many.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.query(
        "delete from reports where id in \
             (select id from reports where handled_at < $1 and status <> 'open' \
              order by handled_at limit $2)",
    )
    .bind(before)
    .bind(limit)
    .execute()
    .await
}
