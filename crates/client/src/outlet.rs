//! The way of events to the program: what it has not taken yet waits here, in order.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::events::Event;

/// A channel that never says no.
#[derive(Debug)]
pub(crate) struct Outlet {
    sender: mpsc::Sender<Event>,
    /// What does not fit into the channel.
    backlog: VecDeque<Event>,
}

/// See [`Outlet::flow`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// What waited has been handed on.
    Drained,
    /// The program listens no more.
    Gone,
}

impl Outlet {
    pub(crate) fn new(sender: mpsc::Sender<Event>) -> Self {
        Self { sender, backlog: VecDeque::new() }
    }

    /// Whether the program keeps up.
    pub(crate) fn is_clear(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Tells of events. They are lost where nobody listens.
    pub(crate) fn tell(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            if !self.backlog.is_empty() {
                self.backlog.push_back(event);
            } else if let Err(mpsc::error::TrySendError::Full(event)) = self.sender.try_send(event)
            {
                self.backlog.push_back(event);
            }
        }
    }

    /// Hands on what waits; where nothing does, waits for the program's end. Cancel-safe.
    pub(crate) async fn flow(&mut self) -> Flow {
        if self.backlog.is_empty() {
            self.sender.closed().await;
            return Flow::Gone;
        }
        while !self.backlog.is_empty() {
            match self.sender.reserve().await {
                Ok(permit) => self.backlog.pop_front().map(|event| permit.send(event)),
                Err(_) => {
                    self.backlog.clear();
                    return Flow::Gone;
                }
            };
        }
        Flow::Drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_and_the_order_is_kept() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut outlet = Outlet::new(sender);
        outlet.tell((1..=5).map(Event::ChatDeleted));
        assert!(!outlet.is_clear());
        let read = async {
            let mut read = Vec::new();
            while read.len() < 5 {
                let Some(Event::ChatDeleted(chat)) = receiver.recv().await else { panic!("ended") };
                read.push(chat);
            }
            read
        };
        let (flow, read) = tokio::join!(outlet.flow(), read);
        assert_eq!((flow, read), (Flow::Drained, vec![1, 2, 3, 4, 5]));
        drop(receiver);
        assert_eq!(outlet.flow().await, Flow::Gone);
    }
}
