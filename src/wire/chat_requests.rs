//! What clients send to change a chat and who is in it, each as the schema shows it and as it is
//! read, as in `requests`.

use utoipa::ToSchema;

use crate::domain::chat::{ChatChange, ChatName, Description, NewMembers, too_many_members};
use crate::domain::error::{FieldErrors, Result};
use crate::domain::ids::UserId;
use crate::domain::role::Role;

use super::fields::Fields;
use super::objects::schema;

/// Changes a group.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct UpdateChat {
    /// Required by PUT.
    #[schema(min_length = 1, max_length = 100, example = "Kitchen")]
    name: String,
    #[schema(max_length = 1000, nullable = false)]
    description: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// The ids of all who are to be in it, beside oneself. Those who stay keep their roles.
    #[schema(nullable = false, example = json!([8]))]
    members: Option<Vec<i64>>,
}

/// Changes a group: what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct PatchChat {
    #[schema(min_length = 1, max_length = 100, nullable = false, example = "Kitchen")]
    name: Option<String>,
    #[schema(max_length = 1000, nullable = false)]
    description: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// The ids of all who are to be in it, beside oneself. Those who stay keep their roles.
    #[schema(nullable = false, example = json!([8]))]
    members: Option<Vec<i64>>,
}

impl UpdateChat {
    /// Reads the body; `partial` where the name too may be left out. `me` is ignored among the
    /// members; `max` is the largest group, oneself included. With what can be read comes all that
    /// is wrong: who may be left out is decided before that is told.
    pub fn parse(
        mut body: Fields,
        partial: bool,
        me: UserId,
        max: usize,
    ) -> (ChatChange, FieldErrors) {
        if !partial && !body.has("name") {
            body.require("name");
        }
        let name = body.optional("name", |name| ChatName::parse(&name));
        let description = body.optional("description", |text| Description::parse(&text));
        let avatar = body.picture("avatar");
        let mut members = body.ids("members").map(|ids| once(ids, Some(me)));
        if members.as_ref().is_some_and(|members| members.len() >= max) {
            body.fault("members", too_many_members(max));
            members = None;
        }
        (ChatChange { name, description, avatar, members }, body.into_errors())
    }
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
fn once(ids: Vec<i64>, without: Option<UserId>) -> Vec<UserId> {
    let mut seen = std::collections::HashSet::new();
    let fresh = |id: &UserId| Some(*id) != without && seen.insert(*id);
    ids.into_iter().map(UserId).filter(fresh).collect()
}
