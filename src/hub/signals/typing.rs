//! Typing indicators: who is typing in which chat. An indicator is repeated while the user goes on, and
//! expires by itself.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::domain::ids::{ChatId, UserId};
use crate::hub::bus::envelope::Reach;
use crate::hub::lock::lock;

/// An indicator expires this long after the client last repeated it.
const EXPIRES_AFTER: Duration = Duration::from_secs(6);
/// The same for one that another node sends, which it does every three seconds, and at the end.
const EXPIRES_AFTER_ELSEWHERE: Duration = Duration::from_secs(10);
/// An indicator is sent at most this often.
const REPEATED_AFTER: Duration = Duration::from_secs(3);

/// A member of a chat.
type Member = (ChatId, UserId);

/// The typing indicators of this node.
#[derive(Debug, Default)]
pub(super) struct Typing(Mutex<HashMap<Member, Indicator>>);

#[derive(Debug)]
struct Indicator {
    /// When it was last sent.
    sent_at: Duration,
    /// When it was last repeated.
    said_at: Duration,
    /// The last state that was sent. The entry of a user who has stopped stays until the next indicator may
    /// be sent.
    is_active: bool,
    /// Which nodes get its end. The end of an indicator from elsewhere is published by its own node.
    reach: Reach,
}

impl Typing {
    /// A user says whether they are typing. Returns whether an indicator is to be sent.
    pub(super) fn said(&self, member: Member, is_active: bool, now: Duration) -> bool {
        let mut typing = lock(&self.0);
        let known = typing.get_mut(&member);
        if !is_active {
            return known.is_some_and(|known| std::mem::replace(&mut known.is_active, false));
        }
        match known {
            Some(known) if known.is_from_here() && now < known.sent_at + REPEATED_AFTER => {
                known.said_at = now;
                false
            }
            _ => {
                typing.insert(member, Indicator::new(Reach::AllNodes, now));
                true
            }
        }
    }

    /// Another node says whether a user is typing. It may not get to say that they have stopped.
    pub(super) fn said_elsewhere(&self, member: Member, is_active: bool, now: Duration) {
        let mut typing = lock(&self.0);
        if typing.get(&member).is_some_and(Indicator::is_from_here) {
            return;
        }
        if is_active {
            typing.insert(member, Indicator::new(Reach::ThisNode, now));
        } else {
            typing.remove(&member);
        }
    }

    /// Takes the indicators that have expired, each with the nodes that get the end.
    pub(super) fn take_expired(&self, now: Duration) -> Vec<(Member, Reach)> {
        let mut expired = Vec::new();
        lock(&self.0).retain(|member, indicator| {
            if !indicator.is_active {
                return now < indicator.sent_at + REPEATED_AFTER;
            }
            let is_expired = indicator.expires_at() <= now;
            if is_expired {
                expired.push((*member, indicator.reach));
            }
            !is_expired
        });
        expired
    }
}

impl Indicator {
    fn new(reach: Reach, now: Duration) -> Self {
        Self { sent_at: now, said_at: now, is_active: true, reach }
    }

    fn is_from_here(&self) -> bool {
        self.reach == Reach::AllNodes
    }

    fn expires_at(&self) -> Duration {
        let after = if self.is_from_here() { EXPIRES_AFTER } else { EXPIRES_AFTER_ELSEWHERE };
        self.said_at + after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOM: Member = (ChatId(1), UserId(2));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_indicator_is_sent_every_three_seconds_and_expires_after_six() {
        let typing = Typing::default();
        let sent: Vec<_> = (0..8).filter(|second| typing.said(TOM, true, at(*second))).collect();
        assert_eq!(sent, [0, 3, 6]);
        assert!(typing.take_expired(at(12)).is_empty());
        assert_eq!(typing.take_expired(at(13)), [(TOM, Reach::AllNodes)]);
        assert!(typing.take_expired(at(99)).is_empty());
    }

    #[test]
    fn the_end_is_sent_at_once_and_once() {
        let typing = Typing::default();
        assert!(!typing.said(TOM, false, at(0)));
        assert!(typing.said(TOM, true, at(1)));
        assert!(typing.said(TOM, false, at(1)));
        assert!(!typing.said(TOM, false, at(1)));
        assert!(!typing.said(TOM, true, at(3)), "sent less than three seconds ago");
        assert!(!typing.said(TOM, false, at(3)), "nobody was told that it began again");
        assert!(typing.take_expired(at(3)).is_empty());
        assert!(typing.said(TOM, true, at(4)));
        assert!(typing.said(TOM, false, at(5)));
        assert!(typing.take_expired(at(99)).is_empty(), "the end was sent");
    }

    #[test]
    fn an_indicator_from_a_node_that_died_expires_here() {
        let typing = Typing::default();
        typing.said_elsewhere(TOM, true, at(0));
        typing.said_elsewhere(TOM, true, at(3));
        assert!(typing.take_expired(at(12)).is_empty());
        assert_eq!(typing.take_expired(at(13)), [(TOM, Reach::ThisNode)]);
        typing.said_elsewhere(TOM, true, at(20));
        typing.said_elsewhere(TOM, false, at(21));
        assert!(typing.take_expired(at(99)).is_empty());
    }
}
