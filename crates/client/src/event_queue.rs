//! Events on their way to the program. A bounded channel, and behind it a backlog, so that a frame
//! that was read is never refused; the driver stops reading while there is a backlog.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::events::Event;

/// A channel for events with an unbounded backlog.
#[derive(Debug)]
pub(crate) struct EventQueue {
    sender: mpsc::Sender<Event>,
    /// What does not fit into the channel, in order.
    backlog: VecDeque<Event>,
}

/// The outcome of [`EventQueue::deliver`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The backlog is empty.
    Drained,
    /// The program has dropped its `Events`.
    ReaderGone,
}

impl EventQueue {
    pub(crate) fn new(sender: mpsc::Sender<Event>) -> Self {
        Self { sender, backlog: VecDeque::new() }
    }

    /// Whether there is no backlog.
    pub(crate) fn is_empty(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Adds events. They are dropped if the program has dropped its `Events`.
    pub(crate) fn push(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            if !self.backlog.is_empty() {
                self.backlog.push_back(event);
            } else if let Err(mpsc::error::TrySendError::Full(event)) = self.sender.try_send(event)
            {
                self.backlog.push_back(event);
            }
        }
    }

    /// Delivers the backlog. Without one, waits until the program drops its `Events`. Cancel-safe.
    pub(crate) async fn deliver(&mut self) -> Delivery {
        if self.backlog.is_empty() {
            self.sender.closed().await;
            return Delivery::ReaderGone;
        }
        while !self.backlog.is_empty() {
            match self.sender.reserve().await {
                Ok(permit) => self.backlog.pop_front().map(|event| permit.send(event)),
                Err(_) => {
                    self.backlog.clear();
                    return Delivery::ReaderGone;
                }
            };
        }
        Delivery::Drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ChatId;

    #[tokio::test]
    async fn nothing_is_lost_and_the_order_is_kept() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut queue = EventQueue::new(sender);
        queue.push((1..=5).map(ChatId).map(Event::ChatDeleted));
        assert!(!queue.is_empty());
        let read = async {
            let mut read = Vec::new();
            while read.len() < 5 {
                let Some(Event::ChatDeleted(chat)) = receiver.recv().await else { panic!("ended") };
                read.push(chat.0);
            }
            read
        };
        let (delivery, read) = tokio::join!(queue.deliver(), read);
        assert_eq!((delivery, read), (Delivery::Drained, vec![1, 2, 3, 4, 5]));
        drop(receiver);
        assert_eq!(queue.deliver().await, Delivery::ReaderGone);
    }
}
