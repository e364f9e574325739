//! Receipts: the two markers of a member, and the status of a message, which follows from all members'
//! markers.

use serde::{Deserialize, Serialize};

use super::ids::{MessageId, UserId};
use super::numbering::Seq;

/// The status of a message. The same for every viewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// Committed.
    Sent,
    /// Every other member's delivery marker has reached it.
    Delivered,
    /// Every other member's read marker has reached it.
    Read,
}

/// How a client names the position up to which the user has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadUpTo {
    /// By a `seq`.
    Seq(Seq),
    /// By a message of the chat.
    Message(MessageId),
}

/// The markers of a member. They only grow, and reading implies delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Markers {
    /// Everything up to here has reached one of the devices.
    pub delivered_seq: Seq,
    /// Everything up to here has been read.
    pub read_seq: Seq,
}

/// The least markers of a chat's members, from which the status of every message follows.
///
/// Sending moves the sender's markers to the message, so a sender who is still a member never has the
/// minimum: "every *other* member" and "every member" are equivalent, except for a sender without other
/// members.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct LeastMarkers {
    /// The number of members.
    pub members: i64,
    /// The member with the lowest id; if `members` is 1, the only one.
    pub first_member: UserId,
    /// The least read marker of all members.
    pub read_seq: Seq,
    /// The least delivery marker of all members.
    pub delivered_seq: Seq,
}

impl LeastMarkers {
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
        let least = LeastMarkers {
            members: 3,
            first_member: UserId(1),
            read_seq: Seq(2),
            delivered_seq: Seq(4),
        };
        let statuses: Vec<_> = (2..6).map(|seq| least.status(Seq(seq), UserId(1))).collect();
        use MessageStatus::{Delivered, Read, Sent};
        assert_eq!(statuses, [Read, Delivered, Delivered, Sent]);

        let alone = LeastMarkers { members: 1, ..least };
        assert_eq!(alone.status(Seq(1), UserId(1)), Sent);
        assert_eq!(alone.status(Seq(1), UserId(9)), Read, "a sender who left is not a member");
    }
}
