//! What the audit table records: who did what to which target, with the fields before and after. Pure.

use serde_json::{Map, Value, json};

use super::ids::UserId;
use super::time::Timestamp;
use super::user::User;

/// What staff did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditAction {
    /// Changed an account: a profile, its activity, its staff flag.
    UserUpdate,
    /// Ended sessions of a user.
    UserSessionsEnd,
    /// Mailed a link that resets a password.
    UserResetMail,
    /// Deleted a chat.
    ChatDelete,
    /// Deleted a message.
    MessageDelete,
    /// Handled a report.
    ReportUpdate,
    /// Logged in to the admin site.
    AdminLogin,
    /// Exported a list of users.
    ExportUsers,
    /// Exported a list of chats.
    ExportChats,
    /// Exported a list of reports.
    ExportReports,
    /// Exported a list of audit rows.
    ExportAudit,
}

impl AuditAction {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 11] = [
        Self::UserUpdate,
        Self::UserSessionsEnd,
        Self::UserResetMail,
        Self::ChatDelete,
        Self::MessageDelete,
        Self::ReportUpdate,
        Self::AdminLogin,
        Self::ExportUsers,
        Self::ExportChats,
        Self::ExportReports,
        Self::ExportAudit,
    ];

    /// The name in the database: the kind of the target, a dot, what was done.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserUpdate => "user.update",
            Self::UserSessionsEnd => "user.sessions_end",
            Self::UserResetMail => "user.reset_mail",
            Self::ChatDelete => "chat.delete",
            Self::MessageDelete => "message.delete",
            Self::ReportUpdate => "report.update",
            Self::AdminLogin => "admin.login",
            Self::ExportUsers => "export.users",
            Self::ExportChats => "export.chats",
            Self::ExportReports => "export.reports",
            Self::ExportAudit => "export.audit",
        }
    }
}

/// A row of the audit table.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Its id.
    pub id: i64,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor_id: UserId,
    /// Their username now.
    pub actor: Option<String>,
    /// The name of an [`AuditAction`], perhaps of a later version.
    pub action: String,
    /// The id of what it was done to, which may be gone; 0 for the site.
    pub target: i64,
    /// JSON as [`AuditChanges`] writes it, or the text of an earlier version.
    pub detail: String,
}

impl AuditEntry {
    /// The kind of its target: the action's name up to the dot.
    pub fn kind(&self) -> &str {
        self.action.split('.').next().unwrap_or_default()
    }

    /// The changed fields with their values before and after, if the detail lists them.
    pub fn changes(&self) -> Vec<(String, String, String)> {
        let Ok(Value::Object(fields)) = serde_json::from_str(&self.detail) else {
            return Vec::new();
        };
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let row = |(name, change): (String, Value)| {
            (name, text(&change["before"]), text(&change["after"]))
        };
        fields.into_iter().map(row).collect()
    }
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// A user.
    User,
    /// A chat.
    Chat,
    /// A message.
    Message,
    /// A report.
    Report,
}

impl AuditTarget {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 4] = [Self::User, Self::Chat, Self::Message, Self::Report];

    /// What the names of its actions begin with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Chat => "chat",
            Self::Message => "message",
            Self::Report => "report",
        }
    }
}

/// Which rows of the audit table; `None` leaves a field out of account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Who did it.
    pub actor: Option<UserId>,
    /// What was done.
    pub action: Option<AuditAction>,
    /// To what.
    pub target: Option<(AuditTarget, i64)>,
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

/// Fields with their values before and after.
#[derive(Clone, Debug, Default)]
pub struct AuditChanges(Map<String, Value>);

impl AuditChanges {
    /// With one more field: before it, after it; null where there is no value.
    pub fn with(mut self, field: &str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), json!({"before": before.into(), "after": after.into()}));
        self
    }

    /// The fields that differ between two states of a user. Passwords are never included: a [`User`]
    /// has none.
    pub fn between(before: &User, after: &User) -> Self {
        let fields = fields(before).into_iter().zip(fields(after));
        fields
            .filter(|((_, before), (_, after))| before != after)
            .fold(Self::default(), |changes, ((name, before), (_, after))| {
                changes.with(name, before, after)
            })
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the table has them: `{"email": {"before": "…", "after": "…"}}`.
    pub fn into_detail(self) -> String {
        Value::Object(self.0).to_string()
    }
}

/// The fields that staff can change.
fn fields(user: &User) -> [(&'static str, Value); 9] {
    [
        ("username", json!(user.username)),
        ("email", json!(user.email)),
        ("first_name", json!(user.first_name)),
        ("last_name", json!(user.last_name)),
        ("avatar", json!(user.avatar)),
        ("status_text", json!(user.status_text)),
        ("availability", json!(user.availability.as_str())),
        ("is_active", json!(user.is_active)),
        ("is_staff", json!(user.is_staff)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(detail: &str) -> AuditEntry {
        AuditEntry {
            id: 1,
            at: Timestamp::MIN,
            actor: None,
            actor_id: UserId(1),
            action: "report.update".to_owned(),
            target: 2,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn a_detail_reads_as_it_was_written_and_an_older_one_has_no_fields() {
        let detail =
            AuditChanges::default().with("status", "open", "resolved").with("count", 1, ());
        let found = entry(&detail.into_detail()).changes();
        let row = |name: &str, before: &str, after: &str| {
            (name.to_owned(), before.to_owned(), after.to_owned())
        };
        assert_eq!(found, [row("count", "1", ""), row("status", "open", "resolved")]);
        assert_eq!(entry("status: open to resolved, note: x").changes(), []);
        assert_eq!(entry("").kind(), "report");
    }
}
