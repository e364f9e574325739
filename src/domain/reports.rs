//! Reports: what users tell the staff about a message or a user, and what has become of it.

use serde::{Deserialize, Serialize};

use super::ids::{MessageId, UserId};
use super::message::Message;
use super::time::Timestamp;
use super::user::UserRef;

/// Longest text of a report, and longest note, in characters.
pub const TEXT_MAX: usize = 1_000;

/// Why something is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Reason {
    /// Unwanted advertising.
    Spam,
    /// An attack on a person.
    Abuse,
    /// Against the law.
    Illegal,
    /// The text says what.
    Other,
}

impl Reason {
    const ALL: [Self; 4] = [Self::Spam, Self::Abuse, Self::Illegal, Self::Other];

    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Illegal => "illegal",
            Self::Other => "other",
        }
    }
}

impl TryFrom<String> for Reason {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == name);
        found.ok_or_else(|| format!("no reason is called {name:?}"))
    }
}

/// What has become of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum ReportStatus {
    /// Nothing yet.
    Open,
    /// Staff acted on it.
    Resolved,
    /// Staff saw no reason to act.
    Dismissed,
}

impl ReportStatus {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 3] = [Self::Open, Self::Resolved, Self::Dismissed];

    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Dismissed => "dismissed",
        }
    }
}

impl TryFrom<String> for ReportStatus {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == name);
        found.ok_or_else(|| format!("no status of a report is called {name:?}"))
    }
}

/// A message as it was when it was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCopy {
    /// The text.
    pub content: String,
    /// When it was sent, as it is shown.
    pub timestamp: String,
    /// When it was last edited.
    pub edited_at: Option<String>,
    /// The names of its files.
    #[serde(default)]
    pub attachments: Vec<String>,
}

impl MessageCopy {
    /// The copy of a message.
    pub fn of(message: &Message) -> Self {
        Self {
            content: message.content.as_str().to_owned(),
            timestamp: message.timestamp.to_string(),
            edited_at: message.edited_at.map(|time| time.to_string()),
            attachments: message.attachments().iter().map(|file| file.name.clone()).collect(),
        }
    }
}

/// Which reports; `None` leaves a field out of account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// What has become of them.
    pub status: Option<ReportStatus>,
    /// The reported user.
    pub user: Option<UserId>,
    /// The oldest first, instead of the latest.
    pub oldest_first: bool,
}

/// A report to be made, as far as it could be parsed.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// The reported message.
    pub message: Option<MessageId>,
    /// The reported user.
    pub user: Option<UserId>,
    /// Why.
    pub reason: Option<Reason>,
    /// May be empty.
    pub text: String,
}

/// A change of a report; `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub struct ReportChange {
    /// What has become of it.
    pub status: Option<ReportStatus>,
    /// What staff note about it.
    pub note: Option<String>,
}

/// A report.
#[derive(Clone, Debug)]
pub struct UserReport {
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
    pub reason: Reason,
    /// What the reporter says.
    pub text: String,
    /// What has become of it.
    pub status: ReportStatus,
    /// What staff note about it.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who changed it last.
    pub handled_by: Option<UserId>,
    /// When.
    pub handled_at: Option<Timestamp>,
}
