//! Permissions: what a member's role allows. The actions ask this table, and there is no other one.

use serde::{Deserialize, Serialize};

/// A member's role in a chat, in the order of rank: a later one may do everything that an earlier one may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Role {
    /// May read and write. Both users of a private chat have this role.
    Member,
    /// May also rename the group, add and remove members, pin messages, mention everybody, and delete
    /// anyone's message.
    Admin,
    /// May also change roles, transfer the group, and delete it. One for each group.
    Owner,
}

impl Role {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Whether it may delete a message of another user.
    pub fn may_delete_messages_of_others(self) -> bool {
        self >= Self::Admin
    }

    /// Whether it may mention everybody. In a private chat nobody has such a role.
    pub fn may_mention_all(self) -> bool {
        self >= Self::Admin
    }

    /// Whether it may pin messages. Both users of a private chat may.
    pub fn may_pin(self, in_group: bool) -> bool {
        self >= Self::Admin || !in_group
    }

    /// Whether it may change the group's name, description and avatar, and add members.
    pub fn may_manage(self) -> bool {
        self >= Self::Admin
    }

    /// Whether it may change roles, and delete the group.
    pub fn may_rule(self) -> bool {
        self == Self::Owner
    }

    /// Whether it may remove a member with a role: a lower one; the owner, any.
    pub fn may_remove(self, other: Self) -> bool {
        self.may_manage() && (self > other || self.may_rule())
    }

    /// Whether it may add a member with a role.
    pub fn may_add_as(self, other: Self) -> bool {
        self.may_manage() && self > other
    }
}

impl TryFrom<String> for Role {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        [Self::Member, Self::Admin, Self::Owner]
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| format!("no role is called {name:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Role::{Admin, Member, Owner};

    #[test]
    fn who_may_remove_whom() {
        let table =
            [Member, Admin, Owner].map(|by| [Member, Admin, Owner].map(|of| by.may_remove(of)));
        assert_eq!(table, [[false, false, false], [true, false, false], [true, true, true]]);
    }

    #[test]
    fn who_may_add_as_what() {
        let table =
            [Member, Admin, Owner].map(|by| [Member, Admin, Owner].map(|to| by.may_add_as(to)));
        assert_eq!(table, [[false, false, false], [true, false, false], [true, true, false]]);
    }
}
