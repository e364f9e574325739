//! Receipts: two marks a member, and the status of a message that follows from everybody's.

use serde::Serialize;

use super::ids::{MessageId, UserId};
use super::numbering::Seq;

/// How far a message came. The same for every viewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// Committed.
    Sent,
    /// Every other member's delivered mark has reached it.
    Delivered,
    /// Every other member's read mark has reached it.
    Read,
}

/// How far somebody has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadUpTo {
    /// Up to a message's number.
    Seq(Seq),
    /// Up to a message of the chat.
    Message(MessageId),
}

/// How far somebody got in a chat. Marks only grow, and reading implies delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks {
    /// Everything up to here has reached one of the devices.
    pub delivered_seq: Seq,
    /// Everything up to here has been read.
    pub read_seq: Seq,
}

/// The least marks of a chat's members, of which every message's status follows.
///
/// Sending moves the sender's own marks to the message, so a sender who is still a member never
/// holds the minimum back: "every *other* member" and "every member" come to the same. The one
/// exception is a sender who is alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct LeastMarks {
    /// How many members the chat has.
    pub members: i64,
    /// The one member with the lowest id; where `members` is 1, the only one.
    pub first_member: UserId,
    /// The least read mark of all members.
    pub read_seq: Seq,
    /// The least delivered mark of all members.
    pub delivered_seq: Seq,
}

impl LeastMarks {
    /// The status of a message.
    pub fn status(&self, seq: Seq, sender: UserId) -> MessageStatus {
        let alone = self.members == 1 && self.first_member == sender;
        if self.members == 0 || alone {
            MessageStatus::Sent
        } else if seq <= self.read_seq {
            MessageStatus::Read
        } else if seq <= self.delivered_seq {
            MessageStatus::Delivered
        } else {
            MessageStatus::Sent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_follows_the_least_marks_and_a_lone_sender_has_none() {
        let least = LeastMarks {
            members: 3,
            first_member: UserId(1),
            read_seq: Seq(2),
            delivered_seq: Seq(4),
        };
        let statuses: Vec<_> = (2..6).map(|seq| least.status(Seq(seq), UserId(1))).collect();
        use MessageStatus::{Delivered, Read, Sent};
        assert_eq!(statuses, [Read, Delivered, Delivered, Sent]);

        let alone = LeastMarks { members: 1, ..least };
        assert_eq!(alone.status(Seq(1), UserId(1)), Sent);
        assert_eq!(alone.status(Seq(1), UserId(9)), Read, "a sender who left is not a member");
    }
}
