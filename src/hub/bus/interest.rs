//! Which topics this node wants from the others: those of the chats and users that its connections
//! subscribe to. Counted here, subscribed to by `worker`. Without a bus nothing is counted.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::hub::lock::lock;

use super::envelope::Topic;

/// The topics that this node is interested in.
#[derive(Debug, Default)]
pub struct Interest {
    /// There is no bus.
    is_alone: bool,
    counts: Mutex<Counts>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    /// The number of reasons for each topic.
    reasons: HashMap<Topic, usize>,
    /// Topics whose interest began or ended since they were last taken.
    changed: HashSet<Topic>,
    /// The number of changes so far.
    changes: u64,
}

/// Changes of interest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InterestChanges {
    /// Topics to subscribe to.
    pub(super) begun: Vec<Topic>,
    /// Topics to unsubscribe from.
    pub(super) ended: Vec<Topic>,
    /// The number of changes so far, these included.
    pub(super) changes: u64,
}

impl Interest {
    /// The interest of a node with or without a bus.
    pub(super) fn new(is_alone: bool) -> Self {
        Self { is_alone, ..Self::default() }
    }

    /// Whether there is no bus.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Adds a reason to be interested in a topic.
    pub(crate) fn begins(&self, topic: Topic) {
        if self.is_alone {
            return;
        }
        let mut counts = lock(&self.counts);
        let reasons = counts.reasons.entry(topic).or_default();
        *reasons += 1;
        if *reasons == 1 {
            self.changes_by(&mut counts, topic);
        }
    }

    /// Removes a reason.
    pub(crate) fn ends(&self, topic: Topic) {
        if self.is_alone {
            return;
        }
        let mut counts = lock(&self.counts);
        let Some(reasons) = counts.reasons.get_mut(&topic) else { return };
        *reasons -= 1;
        if *reasons == 0 {
            counts.reasons.remove(&topic);
            self.changes_by(&mut counts, topic);
        }
    }

    fn changes_by(&self, counts: &mut Counts, topic: Topic) {
        counts.changed.insert(topic);
        counts.changes += 1;
        self.wake.notify_one();
    }

    /// The number of changes so far.
    pub(super) fn changes(&self) -> u64 {
        lock(&self.counts).changes
    }

    /// Waits until something may have changed. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Takes the changes since the last call.
    pub(super) fn take(&self) -> InterestChanges {
        let mut counts = lock(&self.counts);
        let changed = std::mem::take(&mut counts.changed).into_iter();
        let (begun, ended) = changed.partition(|topic| counts.reasons.contains_key(topic));
        InterestChanges { begun, ended, changes: counts.changes }
    }

    /// Marks every topic of interest as changed: a new connection has no subscriptions yet.
    pub(super) fn renew(&self) {
        let mut counts = lock(&self.counts);
        counts.changed = counts.reasons.keys().copied().collect();
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ChatId;

    #[test]
    fn a_topic_is_wanted_while_there_is_a_reason() {
        let interest = Interest::default();
        let topic = Topic::of_chat(ChatId(1));
        let take = || {
            let InterestChanges { begun, ended, .. } = interest.take();
            (begun.len(), ended.len())
        };
        interest.begins(topic);
        interest.begins(topic);
        let begun = InterestChanges { begun: vec![topic], ended: vec![], changes: 1 };
        assert_eq!(interest.take(), begun);
        interest.ends(topic);
        assert_eq!(take(), (0, 0));
        interest.ends(topic);
        interest.begins(topic);
        assert_eq!(take(), (1, 0), "it is subscribed to again");
        interest.renew();
        assert_eq!(take(), (1, 0));
        interest.ends(topic);
        assert_eq!(take(), (0, 1));
        interest.renew();
        assert_eq!(take(), (0, 0));
    }
}
