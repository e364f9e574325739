//! How far messages are indexed, in the order of their ids, so that none is left out. An id is assigned
//! before its transaction commits, so a later id may become visible first: until it is known that the
//! transactions of that time have ended, a missing id is a gap, which is looked at again.

use crate::domain::ids::MessageId;

/// Which transactions a snapshot of the database includes. On a database with one writer, both are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// All transactions before this one had ended.
    pub ended: i64,
    /// This one and all later ones had not begun.
    pub begun: i64,
}

/// Ids that were missing, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    first: i64,
    last: i64,
    /// It counts as empty once all transactions before this one have ended.
    until: i64,
}

/// How far messages are indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gaps {
    reached: i64,
    gaps: Vec<Gap>,
}

impl Gaps {
    /// All messages up to this one are indexed.
    pub fn after(cursor: MessageId) -> Self {
        Self { reached: cursor.0, gaps: Vec::new() }
    }

    /// The last message that was indexed: what comes later is read next.
    pub fn reached(&self) -> MessageId {
        MessageId(self.reached)
    }

    /// The gaps that are to be looked at again, as first and last ids.
    pub fn open(&self) -> (Vec<MessageId>, Vec<MessageId>) {
        self.gaps.iter().map(|gap| (MessageId(gap.first), MessageId(gap.last))).unzip()
    }

    /// Up to here everything is indexed, whatever still commits.
    pub fn cursor(&self) -> MessageId {
        let first = self.gaps.iter().map(|gap| gap.first - 1);
        MessageId(first.chain([self.reached]).min().unwrap_or_default())
    }

    /// Notes messages that one snapshot had after [`Self::reached`] and in the gaps.
    pub fn found(&mut self, ids: &[MessageId], horizon: Horizon) {
        let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        // The snapshot had what these transactions left.
        self.gaps.retain(|gap| gap.until > horizon.ended);
        let gaps = std::mem::take(&mut self.gaps);
        for gap in gaps {
            let within = ids.iter().copied().filter(|id| (gap.first..=gap.last).contains(id));
            self.add_gaps(gap.first, within, gap.last + 1, gap.until);
        }
        let reached = self.reached;
        let later: Vec<_> = ids.into_iter().filter(|id| *id > reached).collect();
        if let Some(last) = later.last() {
            self.add_gaps(reached + 1, later.iter().copied(), *last, horizon.begun);
            self.reached = *last;
        }
        self.gaps.retain(|gap| gap.until > horizon.ended);
        self.gaps.sort_unstable_by_key(|gap| gap.first);
    }

    /// What is missing from `first` on, and before `end`.
    fn add_gaps(&mut self, first: i64, ids: impl Iterator<Item = i64>, end: i64, until: i64) {
        let mut next = first;
        for id in ids.chain([end]) {
            if id > next {
                self.gaps.push(Gap { first: next, last: id - 1, until });
            }
            next = id + 1;
        }
    }
}
