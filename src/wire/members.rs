//! Members as the API shows them, and the bodies that add them and change their roles.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::domain::chat::{NewMembers, too_many_members};
use crate::domain::error::{FieldErrors, Result};
use crate::domain::ids::UserId;
use crate::domain::numbering::Seq;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::fields::Fields;
use super::pages::PageJson;
use super::users::UserRef;

/// A person in a chat.
#[derive(Serialize, ToSchema)]
pub struct Member<'a> {
    user: UserRef<'a>,
    #[schema(value_type = schema::Role)]
    role: Role,
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
    /// Everything up to here has reached one of the member's devices.
    #[schema(value_type = i64, minimum = 0)]
    last_delivered_seq: Seq,
    /// Everything up to here has been read.
    #[schema(value_type = i64, minimum = 0)]
    last_read_seq: Seq,
}

/// A page of members.
pub type MemberPage<'a> = PageJson<Member<'a>>;

impl<'a> Member<'a> {
    /// As every member sees them.
    pub fn of(member: &'a domain::chat::Member, urls: &Urls) -> Self {
        Self {
            user: UserRef::of(&member.user, urls),
            role: member.role,
            joined_at: member.joined_at,
            last_delivered_seq: member.last_delivered_seq,
            last_read_seq: member.last_read_seq,
        }
    }
}

/// Those who were named to be added.
#[derive(Serialize, ToSchema)]
pub struct Added<'a> {
    /// In the order in which they were named.
    pub results: Vec<Member<'a>>,
}

/// Adds people to a group.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct AddMembers {
    /// One's id. Required where `users` is left out.
    #[schema(minimum = 1, example = 8)]
    user: Option<i64>,
    /// Several ids.
    #[schema(nullable = false, min_items = 1, example = json!([8, 9]))]
    users: Option<Vec<i64>>,
    /// As what: `member` where it is left out, `admin` if one is the owner.
    #[schema(value_type = Option<schema::Role>, nullable = false)]
    role: Option<String>,
}

impl AddMembers {
    /// Reads the body; `max` is the largest group. With what can be read comes all that is wrong:
    /// whether they are there is told together with it.
    pub fn parse(mut body: Fields, max: usize) -> (NewMembers, FieldErrors) {
        let one = body.nullable_id("user");
        let several = body.ids("users");
        let role = body.optional("role", |name| match role(name)? {
            Role::Owner => Err("A group has one owner, who passes it on.".to_owned()),
            role => Ok(role),
        });
        let field = if several.is_some() { "users" } else { "user" };
        let named = one.into_iter().chain(several.clone().into_iter().flatten());
        let mut users = once(named.collect(), None);
        if users.is_empty() && body.is_right() {
            match several {
                Some(_) => body.fault("users", "This list may not be empty."),
                None => body.require("user"),
            }
        }
        if users.len() > max {
            body.fault("members", too_many_members(max));
            users.clear();
        }
        (NewMembers { users, field, role: role.unwrap_or(Role::Member) }, body.into_errors())
    }
}

/// Gives a member another role.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangeRole {
    /// `owner` passes the group on: one is an admin then.
    #[schema(value_type = schema::Role)]
    role: String,
}

/// Gives a member another role: what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct PatchRole {
    /// `owner` passes the group on: one is an admin then.
    #[schema(value_type = Option<schema::Role>, nullable = false)]
    role: Option<String>,
}

impl ChangeRole {
    /// Reads the body; `partial` where the role may be left out.
    pub fn parse(mut body: Fields, partial: bool) -> Result<Option<Role>> {
        if !partial && !body.has("role") {
            body.require("role");
        }
        let role = body.optional("role", role);
        body.finish(Some(role))
    }
}

fn role(name: String) -> Result<Role, String> {
    Role::try_from(name.clone()).map_err(|_| format!("\"{name}\" is not a valid choice."))
}

/// Each once, in their order, without one.
pub(super) fn once(ids: Vec<i64>, without: Option<UserId>) -> Vec<UserId> {
    let mut seen = HashSet::new();
    let fresh = |id: &UserId| Some(*id) != without && seen.insert(*id);
    ids.into_iter().map(UserId).filter(fresh).collect()
}

/// The enumerations as the schema names them: the domain knows no schema.
pub mod schema {
    use utoipa::ToSchema;

    /// What a member may do.
    #[derive(ToSchema)]
    #[schema(rename_all = "lowercase")]
    pub enum Role {
        /// Everything.
        Owner,
        /// Everything but roles and the group's end.
        Admin,
        /// Read and write.
        Member,
    }
}
