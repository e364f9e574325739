//! What is worth telling now and not later: who writes, and how far people have read. Kept for
//! moments, in memory alone, and passed on no more often than anybody can see. Times are the node's
//! uptime, which setting a clock does not change.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::Marks;

use super::lock;

/// Somebody has stopped writing so long after they last said that they do.
const TYPING_ENDS: Duration = Duration::from_secs(6);
/// The same of what another node tells, which it does every three seconds, and at the end.
const UNHEARD_ENDS: Duration = Duration::from_secs(10);
/// That somebody writes is passed on this often.
const TYPING_AGAIN: Duration = Duration::from_secs(3);

/// Somebody in a chat.
type Who = (ChatId, UserId);

/// Who writes where.
#[derive(Debug, Default)]
pub(super) struct Typing(Mutex<HashMap<Who, Writing>>);

#[derive(Debug)]
struct Writing {
    /// When it was last passed on.
    told_at: Duration,
    /// When it was last said.
    said_at: Duration,
    /// Whether they do, as far as was told. Who has stopped is kept until it may be told again.
    active: bool,
    /// By which node it is told everywhere: another one.
    elsewhere: bool,
}

impl Typing {
    /// Somebody says whether they write. Whether it is to be passed on.
    pub(super) fn said(&self, who: Who, active: bool, now: Duration) -> bool {
        let mut writing = lock(&self.0);
        let known = writing.get_mut(&who);
        if !active {
            return known.is_some_and(|known| std::mem::replace(&mut known.active, false));
        }
        match known {
            Some(known) if !known.elsewhere && now < known.told_at + TYPING_AGAIN => {
                known.said_at = now;
                false
            }
            _ => {
                let told = Writing { told_at: now, said_at: now, active: true, elsewhere: false };
                writing.insert(who, told);
                true
            }
        }
    }

    /// Another node tells whether somebody writes. That they have stopped it may not get to tell.
    pub(super) fn heard(&self, who: Who, active: bool, now: Duration) {
        let mut writing = lock(&self.0);
        if writing.get(&who).is_some_and(|known| !known.elsewhere) {
            return;
        }
        if active {
            let heard = Writing { told_at: now, said_at: now, active: true, elsewhere: true };
            writing.insert(who, heard);
        } else {
            writing.remove(&who);
        }
    }

    /// Those who said nothing for so long that they have stopped, each with whether they had said it
    /// elsewhere.
    pub(super) fn ended(&self, now: Duration) -> Vec<(Who, bool)> {
        let mut ended = Vec::new();
        lock(&self.0).retain(|who, writing| {
            if !writing.active {
                return now < writing.told_at + TYPING_AGAIN;
            }
            let after = if writing.elsewhere { UNHEARD_ENDS } else { TYPING_ENDS };
            let over = writing.said_at + after <= now;
            if over {
                ended.push((*who, writing.elsewhere));
            }
            !over
        });
        ended
    }
}

/// Marks that moved and are still to be told, the latest of each.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<HashMap<Who, Marks>>);

impl Receipts {
    /// Marks moved.
    pub(super) fn moved(&self, who: Who, marks: Marks) {
        let mut moved = lock(&self.0);
        let known = moved.entry(who).or_insert(marks);
        // Two that were moved at the same time may come in either order.
        known.delivered_seq = known.delivered_seq.max(marks.delivered_seq);
        known.read_seq = known.read_seq.max(marks.read_seq);
    }

    /// All that moved since it was asked last.
    pub(super) fn take(&self) -> HashMap<Who, Marks> {
        std::mem::take(&mut *lock(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::numbering::Seq;

    use super::*;

    const WHO: Who = (ChatId(1), UserId(2));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn writing_is_told_every_three_seconds_and_ends_by_itself_after_six() {
        let typing = Typing::default();
        let told: Vec<_> = (0..8).filter(|second| typing.said(WHO, true, at(*second))).collect();
        assert_eq!(told, [0, 3, 6]);
        assert!(typing.ended(at(12)).is_empty());
        assert_eq!(typing.ended(at(13)), [(WHO, false)]);
        assert!(typing.ended(at(99)).is_empty());
    }

    #[test]
    fn that_one_stopped_is_told_at_once_and_once() {
        let typing = Typing::default();
        assert!(!typing.said(WHO, false, at(0)));
        assert!(typing.said(WHO, true, at(1)));
        assert!(typing.said(WHO, false, at(1)));
        assert!(!typing.said(WHO, false, at(1)));
        assert!(!typing.said(WHO, true, at(3)), "told less than three seconds ago");
        assert!(!typing.said(WHO, false, at(3)), "nobody was told of the new beginning");
        assert!(typing.ended(at(3)).is_empty());
        assert!(typing.said(WHO, true, at(4)));
        assert!(typing.said(WHO, false, at(5)));
        assert!(typing.ended(at(99)).is_empty(), "the end was told");
    }

    #[test]
    fn what_a_node_told_that_is_gone_ends_here() {
        let typing = Typing::default();
        typing.heard(WHO, true, at(0));
        typing.heard(WHO, true, at(3));
        assert!(typing.ended(at(12)).is_empty());
        assert_eq!(typing.ended(at(13)), [(WHO, true)]);
        typing.heard(WHO, true, at(20));
        typing.heard(WHO, false, at(21));
        assert!(typing.ended(at(99)).is_empty());
    }

    #[test]
    fn of_marks_the_latest_are_told() {
        let receipts = Receipts::default();
        receipts.moved(WHO, Marks { delivered_seq: Seq(5), read_seq: Seq(4) });
        receipts.moved(WHO, Marks { delivered_seq: Seq(4), read_seq: Seq(5) });
        assert_eq!(receipts.take()[&WHO], Marks { delivered_seq: Seq(5), read_seq: Seq(5) });
        assert!(receipts.take().is_empty());
    }
}
