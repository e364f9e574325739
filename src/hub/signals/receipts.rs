//! Receipts that are still to be sent: read and delivery markers that moved, coalesced into the latest of
//! each member.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::domain::ids::{ChatId, UserId};
use crate::domain::receipt::Marks;
use crate::hub::lock::lock;

/// Markers that moved, by member.
#[derive(Debug, Default)]
pub(super) struct MovedMarkers(Mutex<HashMap<(ChatId, UserId), Marks>>);

impl MovedMarkers {
    pub(super) fn add(&self, member: (ChatId, UserId), marks: Marks) {
        let mut moved = lock(&self.0);
        let known = moved.entry(member).or_insert(marks);
        // Two that moved at the same time may come in either order.
        known.delivered_seq = known.delivered_seq.max(marks.delivered_seq);
        known.read_seq = known.read_seq.max(marks.read_seq);
    }

    pub(super) fn take(&self) -> HashMap<(ChatId, UserId), Marks> {
        std::mem::take(&mut *lock(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::numbering::Seq;

    #[test]
    fn receipts_are_coalesced_into_the_latest() {
        let (moved, member) = (MovedMarkers::default(), (ChatId(1), UserId(2)));
        let marks = |delivered, read| Marks { delivered_seq: Seq(delivered), read_seq: Seq(read) };
        moved.add(member, marks(5, 4));
        moved.add(member, marks(4, 5));
        assert_eq!(moved.take()[&member], marks(5, 5));
        assert!(moved.take().is_empty());
    }
}
