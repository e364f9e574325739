//! What a member's role allows. The table is here alone; the actions ask it.

use serde::Serialize;

/// A member's role in a chat. The order is rank: a later one may do all that an earlier one may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May read and write. Both people of a private chat are this.
    Member,
    /// May also rename the group, add and remove members, and delete anyone's message.
    Admin,
    /// May also give roles, pass the group on, and delete it. One a group.
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

    /// Whether it may delete a message that another sent.
    pub fn may_delete_messages_of_others(self) -> bool {
        self >= Self::Admin
    }

    /// Whether it may change the group's name, description and picture, and add members.
    pub fn may_manage(self) -> bool {
        self >= Self::Admin
    }

    /// Whether it may give and take roles, and end the group.
    pub fn may_rule(self) -> bool {
        self == Self::Owner
    }

    /// Whether it may remove somebody of a role: those below it; the owner, anybody.
    pub fn may_remove(self, other: Self) -> bool {
        self.may_manage() && (self > other || self.may_rule())
    }

    /// Whether it may add somebody in a role.
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
