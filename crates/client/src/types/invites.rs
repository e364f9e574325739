//! Invites to groups, and reports to the staff.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

use super::UserRef;
use crate::ids::{MessageId, UserId};

/// A link by which users join a group by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Invite {
    /// What the link ends with. A user who has it can join.
    pub code: String,
    /// The link.
    pub url: String,
    /// Who created it.
    pub created_by: UserRef,
    /// When.
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
    /// Until when it is valid.
    #[serde(with = "rfc3339")]
    pub expires_at: OffsetDateTime,
    /// How many users may join by it; `None` for any number.
    pub max_uses: Option<i64>,
    /// How many have.
    pub uses: i64,
}

/// An invite to be created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewInvite {
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u32>,
}

impl NewInvite {
    /// Valid for 7 days, for any number of users.
    pub fn new() -> Self {
        Self::default()
    }

    /// Valid for so long: whole seconds, up to 30 days.
    pub fn expires_in(self, lifetime: std::time::Duration) -> Self {
        Self { expires_in: Some(lifetime.as_secs()), ..self }
    }

    /// For at most so many users.
    pub fn max_uses(self, max_uses: u32) -> Self {
        Self { max_uses: Some(max_uses), ..self }
    }
}

/// What an invite leads to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct InvitePreview {
    /// The group.
    pub chat: InvitedChat,
    /// Who created the invite.
    pub created_by: UserRef,
    /// Until when it is valid.
    #[serde(with = "rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// A group that you are invited to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct InvitedChat {
    /// Its name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// The avatar's URL.
    pub avatar: Option<String>,
    /// How many members it has.
    pub members_count: i64,
}

/// Why something is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReportReason {
    /// Unwanted advertising.
    Spam,
    /// An attack on a person.
    Abuse,
    /// Against the law.
    Illegal,
    /// Anything else, and a value that this client does not know.
    #[serde(other)]
    Other,
}

/// What has become of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReportStatus {
    /// Nothing yet.
    Open,
    /// Staff acted on it.
    Resolved,
    /// Staff saw no reason to act.
    Dismissed,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// A message as it was when it was reported.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct MessageCopy {
    /// The text.
    pub content: String,
    /// When it was sent.
    #[serde(with = "rfc3339")]
    pub timestamp: OffsetDateTime,
    /// When it was last edited.
    #[serde(with = "rfc3339::option")]
    pub edited_at: Option<OffsetDateTime>,
    /// The names of its files.
    #[serde(default)]
    pub attachments: Vec<String>,
}

/// A report to the staff.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Its id.
    pub id: i64,
    /// Who made it.
    pub reporter: UserRef,
    /// The reported user: of a message, its sender.
    pub user: UserRef,
    /// The reported message, which may be gone.
    pub message: Option<MessageId>,
    /// The message as it was.
    pub copy: Option<MessageCopy>,
    /// Why.
    pub reason: ReportReason,
    /// What the reporter says.
    pub text: String,
    /// What has become of it.
    pub status: ReportStatus,
    /// What staff note about it.
    pub note: String,
    /// When it was made.
    #[serde(with = "rfc3339")]
    pub created_at: OffsetDateTime,
    /// Who changed it last.
    pub handled_by: Option<UserId>,
    /// When.
    #[serde(with = "rfc3339::option")]
    pub handled_at: Option<OffsetDateTime>,
}
