//! Reports to the staff.

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain;
use crate::domain::error::{FieldErrors, Result};
use crate::domain::ids::{MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::reports::{NewReport, Reason, ReportChange, ReportStatus, TEXT_MAX};
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::fields::Fields;
use super::kinds::{ObjectId, choice};
use super::pages::PageJson;
use super::texts::trimmed;
use super::users::UserRefJson;
use super::visitor::{Visitor, describe};

/// A report to the staff.
#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
pub struct ReportJson<'a> {
    /// The report's id.
    #[schema(minimum = 1)]
    id: i64,
    /// Who made it.
    reporter: UserRefJson<'a>,
    /// The reported user: of a message, its sender.
    user: UserRefJson<'a>,
    /// The reported message's id; null if a user is reported. The message may be gone.
    #[schema(required, value_type = Option<i64>, minimum = 1)]
    message: Option<MessageId>,
    /// The message as it was when it was reported.
    #[schema(required)]
    copy: Option<MessageCopyJson<'a>>,
    #[schema(value_type = ReasonSchema)]
    reason: Reason,
    /// What the reporter says. May be empty.
    #[schema(max_length = 1000)]
    text: &'a str,
    #[schema(value_type = ReportStatusSchema)]
    status: ReportStatus,
    /// What staff note about it. May be empty.
    #[schema(max_length = 1000)]
    note: &'a str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The id of the staff member who changed it last.
    #[schema(required, value_type = Option<i64>, minimum = 1)]
    handled_by: Option<UserId>,
    /// When that was.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    handled_at: Option<Timestamp>,
}

/// A message as it was when it was reported.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageCopy)]
pub struct MessageCopyJson<'a> {
    /// The text.
    content: &'a str,
    /// When it was sent.
    #[schema(format = DateTime)]
    timestamp: &'a str,
    /// When it was last edited.
    #[schema(required, format = DateTime)]
    edited_at: Option<&'a str>,
    /// The names of its files, which are deleted with the message.
    attachments: &'a [String],
}

/// A page of reports.
pub type ReportPage<'a> = PageJson<ReportJson<'a>>;

impl<'a> ReportJson<'a> {
    /// As the reporter and the staff see it.
    pub fn of(report: &'a domain::reports::UserReport, urls: &Urls) -> Self {
        Self {
            id: report.id,
            reporter: UserRefJson::of(&report.reporter, urls),
            user: UserRefJson::of(&report.user, urls),
            message: report.message,
            copy: report.copy.as_ref().map(|copy| MessageCopyJson {
                content: &copy.content,
                timestamp: &copy.timestamp,
                edited_at: copy.edited_at.as_deref(),
                attachments: &copy.attachments,
            }),
            reason: report.reason,
            text: &report.text,
            status: report.status,
            note: &report.note,
            created_at: report.created_at,
            handled_by: report.handled_by,
            handled_at: report.handled_at,
        }
    }
}

/// Reports a message or a user.
#[derive(Debug)]
pub struct CreateReport;

impl PartialSchema for CreateReport {
    fn schema() -> RefOr<Schema> {
        describe("Reports a message or a user.", Self::visit)
    }
}

impl ToSchema for CreateReport {}

impl CreateReport {
    fn visit(body: &mut impl Visitor) -> NewReport {
        let id = || ObjectId { example: Some(12) };
        NewReport {
            message: body.nullable("message", "The id of a message.", id()).map(MessageId),
            user: body
                .nullable("user", "The id of a user, instead of `message`.", id())
                .map(UserId),
            reason: body.required("reason", "", choice::<Reason>("ReportReason")),
            text: body.optional("text", "May be empty.", trimmed(TEXT_MAX)).unwrap_or_default(),
        }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Input<NewReport> {
        let value = Self::visit(&mut body);
        let is_one = value.message.is_some() != value.user.is_some();
        let mut errors = body.into_errors();
        if !is_one && !errors.contains("message") && !errors.contains("user") {
            errors.add(FieldErrors::NON_FIELD, "Report either a message or a user.");
        }
        Input { value, errors }
    }
}

/// Handles a report.
#[derive(Debug)]
pub struct UpdateReport;

impl PartialSchema for UpdateReport {
    fn schema() -> RefOr<Schema> {
        describe("Handles a report.", Self::visit)
    }
}

impl ToSchema for UpdateReport {}

impl UpdateReport {
    fn visit(body: &mut impl Visitor) -> ReportChange {
        ReportChange {
            status: body.optional("status", "", choice::<ReportStatus>("ReportStatus")),
            note: body.optional("note", "May be empty.", trimmed(TEXT_MAX)),
        }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<ReportChange> {
        let change = Self::visit(&mut body);
        body.finish(Some(change))
    }
}

/// Why something is reported.
#[derive(ToSchema)]
#[schema(as = ReportReason, rename_all = "lowercase")]
pub enum ReasonSchema {
    /// Unwanted advertising.
    Spam,
    /// An attack on a person.
    Abuse,
    /// Against the law.
    Illegal,
    /// Anything else.
    Other,
}

/// What has become of a report.
#[derive(ToSchema)]
#[schema(as = ReportStatus, rename_all = "lowercase")]
pub enum ReportStatusSchema {
    /// Nothing yet.
    Open,
    /// Staff acted on it.
    Resolved,
    /// Staff saw no reason to act.
    Dismissed,
}
