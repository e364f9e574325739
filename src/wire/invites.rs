//! Invites to groups.

use std::time::Duration;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::error::Result;
use crate::domain::invites::{
    Invite, InvitePreview, LIFETIME_DEFAULT, LIFETIME_MAX, NewInvite, USES_MAX,
};
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::fields::Fields;
use super::kinds::Integer;
use super::pages::PageJson;
use super::users::{UserRefJson, avatar};
use super::visitor::{Visitor, describe};

/// A link by which users join a group by themselves.
#[derive(Serialize, ToSchema)]
#[schema(as = Invite)]
pub struct InviteJson<'a> {
    /// What the link ends with. A user who has it can join.
    code: &'a str,
    /// The link.
    url: String,
    created_by: UserRefJson<'a>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until when it is valid.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// How many users may join by it; null for any number.
    #[schema(required, minimum = 1)]
    max_uses: Option<i64>,
    /// How many users have joined by it.
    #[schema(minimum = 0)]
    uses: i64,
}

/// A page of invites.
pub type InvitePage<'a> = PageJson<InviteJson<'a>>;

impl<'a> InviteJson<'a> {
    /// As the owner and the admins of the group see it.
    pub fn of(invite: &'a Invite, urls: &Urls) -> Self {
        Self {
            code: &invite.code,
            url: urls.invite(&invite.code),
            created_by: UserRefJson::of(&invite.created_by, urls),
            created_at: invite.created_at,
            expires_at: invite.expires_at,
            max_uses: invite.max_uses,
            uses: invite.uses,
        }
    }
}

/// What an invite leads to.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitePreview)]
pub struct InvitePreviewJson<'a> {
    chat: InvitedChatJson<'a>,
    created_by: UserRefJson<'a>,
    /// Until when it is valid.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A group, as users see it who are invited.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitedChat)]
pub struct InvitedChatJson<'a> {
    /// The group's name.
    #[schema(min_length = 1, max_length = 100)]
    name: &'a str,
    /// May be empty.
    #[schema(max_length = 1000)]
    description: &'a str,
    /// The avatar's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
    /// How many members it has.
    #[schema(minimum = 1)]
    members_count: i64,
}

impl<'a> InvitePreviewJson<'a> {
    /// As anybody with the code sees it.
    pub fn of(preview: &'a InvitePreview, urls: &Urls) -> Self {
        let InvitePreview { chat, invite } = preview;
        Self {
            chat: InvitedChatJson {
                name: &chat.name,
                description: &chat.description,
                avatar: avatar(chat.avatar.as_deref(), urls),
                members_count: chat.members_count,
            },
            created_by: UserRefJson::of(&invite.created_by, urls),
            expires_at: invite.expires_at,
        }
    }
}

/// Creates an invite.
#[derive(Debug)]
pub struct CreateInvite;

impl PartialSchema for CreateInvite {
    fn schema() -> RefOr<Schema> {
        describe("Creates an invite.", Self::visit)
    }
}

impl ToSchema for CreateInvite {}

impl CreateInvite {
    fn visit(body: &mut impl Visitor) -> (Option<i64>, Option<i64>) {
        let expires_in = "For how many seconds it is valid; 7 days by default.";
        let max_uses = "How many users may join by it; any number by default.";
        let seconds = Integer { min: 1, max: LIFETIME_MAX };
        (
            body.nullable("expires_in", expires_in, seconds),
            body.nullable("max_uses", max_uses, Integer { min: 1, max: USES_MAX }),
        )
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<NewInvite> {
        let (expires_in, max_uses) = Self::visit(&mut body);
        let seconds = expires_in.unwrap_or(LIFETIME_DEFAULT).unsigned_abs();
        body.finish(Some(NewInvite { lifetime: Duration::from_secs(seconds), max_uses }))
    }
}
