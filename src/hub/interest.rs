//! Which news this node wants from others: those of the chats and users that somebody here has to
//! do with. Counted here; asked for by `link`. Without a bus nothing is counted.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::Notify;

use super::lock;
use super::news::Topic;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Interest {
    /// Nobody asks for the news of others.
    alone: bool,
    counts: Mutex<Counts>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    /// How many reasons there are for each.
    reasons: HashMap<Topic, usize>,
    /// What began or ended since it was asked last.
    changed: HashSet<Topic>,
    /// How often anything began or ended.
    changes: u64,
}

/// What began or ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Each with whether it is wanted now.
    pub(super) topics: Vec<(Topic, bool)>,
    /// As of so many changes.
    pub(super) changes: u64,
}

impl Interest {
    /// Of a node that is alone, or not.
    pub(super) fn new(alone: bool) -> Self {
        Self { alone, ..Self::default() }
    }

    /// There is one more reason.
    pub(super) fn begins(&self, topic: Topic) {
        if self.alone {
            return;
        }
        let mut counts = lock(&self.counts);
        let reasons = counts.reasons.entry(topic).or_default();
        *reasons += 1;
        if *reasons == 1 {
            self.note(&mut counts, topic);
        }
    }

    /// There is one reason less.
    pub(super) fn ends(&self, topic: Topic) {
        if self.alone {
            return;
        }
        let mut counts = lock(&self.counts);
        let Some(reasons) = counts.reasons.get_mut(&topic) else { return };
        *reasons -= 1;
        if *reasons == 0 {
            counts.reasons.remove(&topic);
            self.note(&mut counts, topic);
        }
    }

    fn note(&self, counts: &mut Counts, topic: Topic) {
        counts.changed.insert(topic);
        counts.changes += 1;
        self.wake.notify_one();
    }

    /// How often anything began or ended so far.
    pub(super) fn changes(&self) -> u64 {
        lock(&self.counts).changes
    }

    /// Waits until something may have changed. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// What changed since it was asked last.
    pub(super) fn take(&self) -> Wanted {
        let mut counts = lock(&self.counts);
        let changed = std::mem::take(&mut counts.changed);
        let is_wanted = |topic| (topic, counts.reasons.contains_key(&topic));
        Wanted { topics: changed.into_iter().map(is_wanted).collect(), changes: counts.changes }
    }

    /// Everything that is wanted is to be asked for anew.
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
        let take = || interest.take().topics;
        interest.begins(topic);
        interest.begins(topic);
        assert_eq!(interest.take(), Wanted { topics: vec![(topic, true)], changes: 1 });
        interest.ends(topic);
        assert!(take().is_empty());
        interest.ends(topic);
        interest.begins(topic);
        assert_eq!(take(), [(topic, true)], "it is asked for again");
        interest.renew();
        assert_eq!(take(), [(topic, true)]);
        interest.ends(topic);
        assert_eq!(take(), [(topic, false)]);
        interest.renew();
        assert!(take().is_empty());
    }
}
