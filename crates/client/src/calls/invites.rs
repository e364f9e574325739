//! Invites to groups, and reports to the staff.

use serde_json::json;

use crate::call::Call;
use crate::errors::Result;
use crate::ids::{ChatId, MessageId, UserId};
use crate::lists::List;
use crate::rest::Client;
use crate::types::{Chat, Invite, InvitePreview, NewInvite, Report, ReportReason, ReportStatus};

impl Client {
    /// The invites of a group that have not expired, the latest first. As its owner or an admin.
    pub fn invites(&self, chat: ChatId) -> List<Invite> {
        List::new(self, format!("/api/chats/{chat}/invites/"))
    }

    /// Creates an invite to a group. As its owner or an admin.
    pub async fn create_invite(&self, chat: ChatId, new: &NewInvite) -> Result<Invite> {
        self.run(Call::post(format!("/api/chats/{chat}/invites/"), new)).await
    }

    /// Revokes an invite. As the owner or an admin of the group.
    pub async fn revoke_invite(&self, chat: ChatId, code: &str) -> Result<()> {
        self.run(Call::delete(format!("/api/chats/{chat}/invites/{code}/"))).await
    }

    /// What an invite leads to.
    pub async fn invite(&self, code: &str) -> Result<InvitePreview> {
        self.run(Call::get(format!("/api/invites/{code}/"))).await
    }

    /// Joins a group by an invite. A member already gets the group, too.
    pub async fn accept_invite(&self, code: &str) -> Result<Chat> {
        self.run(Call::post(format!("/api/invites/{code}/accept/"), json!({})).idempotent()).await
    }

    /// Reports a message to the staff, with a copy of it.
    pub async fn report_message(
        &self,
        message: MessageId,
        reason: ReportReason,
        text: &str,
    ) -> Result<Report> {
        let body = json!({"message": message, "reason": reason, "text": text});
        self.run(Call::post("/api/reports/", body)).await
    }

    /// Reports a user to the staff.
    pub async fn report_user(
        &self,
        user: UserId,
        reason: ReportReason,
        text: &str,
    ) -> Result<Report> {
        let body = json!({"user": user, "reason": reason, "text": text});
        self.run(Call::post("/api/reports/", body)).await
    }

    /// All reports, the latest first. As staff.
    pub fn reports(&self) -> List<Report> {
        List::new(self, "/api/reports/")
    }

    /// Handles a report. As staff.
    pub async fn handle_report(&self, id: i64, status: ReportStatus, note: &str) -> Result<Report> {
        let body = json!({"status": status, "note": note});
        self.run(Call::patch(format!("/api/reports/{id}/"), body)).await
    }
}
