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
            counts.changed.insert(topic);
            self.wake.notify_one();
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
            counts.changed.insert(topic);
            self.wake.notify_one();
        }
    }

    /// Waits until something may have changed. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// What changed since it was asked last, and whether it is wanted now.
    pub(super) fn take(&self) -> Vec<(Topic, bool)> {
        let mut counts = lock(&self.counts);
        let changed = std::mem::take(&mut counts.changed);
        changed.into_iter().map(|topic| (topic, counts.reasons.contains_key(&topic))).collect()
    }

    /// All that is wanted.
    pub(super) fn all(&self) -> Vec<Topic> {
        lock(&self.counts).reasons.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ChatId;

    #[test]
    fn a_topic_is_wanted_while_there_is_a_reason() {
        let interest = Interest::default();
        let topic = Topic::Chat(ChatId(1));
        interest.begins(topic);
        interest.begins(topic);
        assert_eq!(interest.take(), [(topic, true)]);
        interest.ends(topic);
        assert!(interest.take().is_empty());
        interest.ends(topic);
        interest.begins(topic);
        assert_eq!(interest.take(), [(topic, true)], "it is asked for again");
        interest.ends(topic);
        assert_eq!(interest.take(), [(topic, false)]);
        assert!(interest.all().is_empty());
    }
}
