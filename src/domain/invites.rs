//! Invites: links by which users join a group by themselves.

use std::time::Duration;

use super::chat::Chat;
use super::ids::ChatId;
use super::time::Timestamp;
use super::user::UserRef;

/// How long an invite is valid unless its creator says otherwise, and at most, in seconds.
pub const LIFETIME_DEFAULT: i64 = 7 * 86_400;
/// See above.
pub const LIFETIME_MAX: i64 = 30 * 86_400;
/// The greatest limit of uses.
pub const USES_MAX: i64 = 1_000_000;
/// Most invites of a group that have not expired.
pub const INVITES_MAX: i64 = 100;

/// An invite.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Its place in lists.
    pub id: i64,
    /// What the link ends with. A secret.
    pub code: String,
    /// The group.
    pub chat: ChatId,
    /// Who created it.
    pub created_by: UserRef,
    /// When.
    pub created_at: Timestamp,
    /// Until when it is valid.
    pub expires_at: Timestamp,
    /// How many users may join by it; `None` for any number.
    pub max_uses: Option<i64>,
    /// How many have.
    pub uses: i64,
}

impl Invite {
    /// Whether it can be used at all. A date further ahead than any invite's was written by a clock that was ahead.
    pub fn is_valid(&self, now: Timestamp, agreement: Duration) -> bool {
        let latest = now.plus(Duration::from_secs(LIFETIME_MAX.unsigned_abs()) + agreement);
        now < self.expires_at && self.expires_at <= latest
    }

    /// Whether as many users have joined by it as may.
    pub fn is_used_up(&self) -> bool {
        self.max_uses.is_some_and(|most| self.uses >= most)
    }
}

/// An invite to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewInvite {
    /// For how long it is valid.
    pub lifetime: Duration,
    /// How many users may join by it.
    pub max_uses: Option<i64>,
}

/// What a user who is no member sees of a group by an invite.
#[derive(Clone, Debug)]
pub struct InvitePreview {
    /// The group.
    pub chat: Chat,
    /// The invite.
    pub invite: Invite,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::UserId;

    #[test]
    fn an_invite_ends_by_time_and_by_use() {
        let day = Duration::from_secs(86_400);
        let now = Timestamp::MIN.plus(day);
        let created_by = UserRef::of_shell(UserId(1));
        let invite = |expires_at: Timestamp, max_uses, uses| Invite {
            id: 1,
            code: String::new(),
            chat: ChatId(1),
            created_by: created_by.clone(),
            created_at: now,
            expires_at,
            max_uses,
            uses,
        };
        for (lifetime, valid) in [(0, false), (1, true), (30, true), (32, false)] {
            assert_eq!(invite(now.plus(day * lifetime), None, 9).is_valid(now, day), valid);
        }
        for (max_uses, uses, used_up) in [(None, 9, false), (Some(3), 2, false), (Some(3), 3, true)]
        {
            assert_eq!(invite(now, max_uses, uses).is_used_up(), used_up);
        }
    }
}
