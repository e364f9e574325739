//! Members as the API shows them, and the bodies that add them and change their roles.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain;
use crate::domain::chat::{NewMembers, too_many_members};
use crate::domain::error::Result;
use crate::domain::ids::UserId;
use crate::domain::input::Input;
use crate::domain::numbering::Seq;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::fields::Fields;
use super::kinds::{ObjectId, ObjectIds, choice};
use super::pages::PageJson;
use super::users::UserRefJson;
use super::visitor::{Visitor, describe};

/// A member of a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberJson<'a> {
    user: UserRefJson<'a>,
    #[schema(value_type = RoleSchema)]
    role: Role,
    /// When the user joined the chat.
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
    /// The delivery marker: everything up to here has reached one of the member's devices.
    #[schema(value_type = i64, minimum = 0)]
    last_delivered_seq: Seq,
    /// The read marker: the member has read everything up to here.
    #[schema(value_type = i64, minimum = 0)]
    last_read_seq: Seq,
}

/// A page of members.
pub type MemberPage<'a> = PageJson<MemberJson<'a>>;

impl<'a> MemberJson<'a> {
    /// As every member sees the member.
    pub fn of(member: &'a domain::chat::Member, urls: &Urls) -> Self {
        Self {
            user: UserRefJson::of(&member.user, urls),
            role: member.role,
            joined_at: member.joined_at,
            last_delivered_seq: member.last_delivered_seq,
            last_read_seq: member.last_read_seq,
        }
    }
}

/// The users who were named to be added.
#[derive(Serialize, ToSchema)]
#[schema(as = AddedMembers)]
pub struct AddedJson<'a> {
    /// In the order of the request.
    pub results: Vec<MemberJson<'a>>,
}

/// Adds members to a group.
#[derive(Debug)]
pub struct AddMembers {
    user: Option<i64>,
    users: Option<Vec<i64>>,
    role: Option<Role>,
}

impl PartialSchema for AddMembers {
    fn schema() -> RefOr<Schema> {
        describe("Adds members to a group.", Self::visit)
    }
}

impl ToSchema for AddMembers {}

impl AddMembers {
    fn visit(body: &mut impl Visitor) -> Self {
        let several = ObjectIds { min: Some(1), example: &[8, 9], ..ObjectIds::default() };
        Self {
            user: body.nullable(
                "user",
                "One user's id. Required without `users`.",
                ObjectId { example: Some(8) },
            ),
            users: body.optional("users", "Several users' ids.", several),
            role: body.optional(
                "role",
                "`member` by default. Only the owner can add an `admin`.",
                choice("Role"),
            ),
        }
    }

    /// Reads the body; `max` is the largest group.
    pub fn parse(mut body: Fields, max: usize) -> Input<NewMembers> {
        let Self { user, users: several, role } = Self::visit(&mut body);
        if role == Some(Role::Owner) {
            body.fault("role", "A group has one owner, who passes it on.");
        }
        let is_list = several.is_some();
        let field = if is_list { "users" } else { "user" };
        let named = user.into_iter().chain(several.into_iter().flatten());
        let mut users = once(named.collect(), None);
        if users.is_empty() && body.is_right() {
            if is_list {
                body.fault("users", "This list may not be empty.");
            } else {
                body.require("user");
            }
        }
        if users.len() > max {
            body.fault("members", too_many_members(max));
            users.clear();
        }
        let role = role.filter(|role| *role != Role::Owner).unwrap_or(Role::Member);
        Input { value: NewMembers { users, field, role }, errors: body.into_errors() }
    }
}

/// Changes a member's role.
#[derive(Debug)]
pub struct ChangeRole(Option<Role>);

impl PartialSchema for ChangeRole {
    fn schema() -> RefOr<Schema> {
        describe("Changes a member's role.", Self::visit)
    }
}

impl ToSchema for ChangeRole {}

impl ChangeRole {
    fn visit(body: &mut impl Visitor) -> Self {
        let about = "`owner` transfers the group; you become an admin.";
        Self(body.required("role", about, choice("Role")))
    }

    /// Reads the body. `None` if a PATCH leaves the role out.
    pub fn parse(mut body: Fields) -> Result<Option<Role>> {
        let Self(role) = Self::visit(&mut body);
        body.finish(Some(role))
    }
}

/// The ids in their order, without duplicates and without the user `without`.
pub(super) fn once(ids: Vec<i64>, without: Option<UserId>) -> Vec<UserId> {
    let mut seen = HashSet::new();
    let fresh = |id: &UserId| Some(*id) != without && seen.insert(*id);
    ids.into_iter().map(UserId).filter(fresh).collect()
}

/// The role of a member.
#[derive(ToSchema)]
#[schema(as = Role, rename_all = "lowercase")]
pub enum RoleSchema {
    /// May do everything.
    Owner,
    /// May do everything except change roles and delete the group.
    Admin,
    /// May read and write.
    Member,
}
