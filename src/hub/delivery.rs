//! From envelopes to queues: hands an envelope, this node's or another's, to the connections here that get
//! it. Encodes nothing and sends nothing to other nodes.

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::event::Departed;
use crate::domain::ids::ChatId;
use crate::wire::frames;

use super::accounts::Accounts;
use super::bus::envelope::{Entered, Envelope, Route};
use super::feeds::Feeds;
use super::lock::Order;
use super::people::People;
use super::presence::Presence;
use super::queue::{Frame, SignalKey};

/// Where envelopes are delivered.
pub(super) struct Delivery<'a> {
    pub(super) people: &'a People,
    pub(super) feeds: &'a Feeds,
    pub(super) presence: &'a Presence,
    pub(super) accounts: &'a Accounts,
}

impl Delivery<'_> {
    /// Delivers an envelope to the connections here.
    pub(super) fn deliver(&self, Envelope { route, text }: &Envelope) {
        match *route {
            Route::Change { chat, version, out } => {
                // The event of the departure may be lost, or come later.
                if let Some(user) = out {
                    self.depart(chat, &[Departed { user, version }]);
                }
                self.feeds.accept(chat, version, text);
            }
            Route::Entered(ref entered) => self.enter(entered, text),
            Route::Departed { chat, ref departed } => self.depart(chat, departed),
            Route::Typing { user, chat, .. } => {
                self.feeds.signal(chat, SignalKey::Typing(chat, user), text, Some(user));
            }
            Route::Receipt { user, chat, others } => {
                let except = others.then_some(user);
                self.feeds.signal(chat, SignalKey::Receipt(chat, user), text, except);
            }
            Route::Status { user, ref seen, except, profile } => {
                let presence = self.presence;
                presence.subscriptions.send_status(user, seen, text, &presence.hidden);
                if !self.accounts.has_delivered(user, profile) {
                    self.presence.local.record_published_to_others(user, seen);
                    self.accounts.reached(user, profile, except);
                } else if self.presence.local.record_published(user, seen) {
                    self.people.signal(user, SignalKey::Status(user), text, except);
                }
            }
            Route::Account { user, after, upto, except } => {
                let lines = text.split('\n').filter(|line| !line.is_empty());
                let frames: Vec<_> = lines.map(|line| Frame::of_account(line.into())).collect();
                self.accounts.deliver(self.people, user, (after, upto), &frames, except);
            }
            Route::Renamed { user } => self.presence.subscriptions.send_profile(user, text),
            Route::Blocks { user } => {
                if self.people.is_connected(user) {
                    self.presence.hidden.note_changed(user);
                }
            }
            Route::SessionsEnded { ref sessions, .. } => self.people.end_sessions(sessions),
        }
    }

    fn enter(&self, entered: &Entered, text: &Utf8Bytes) {
        let mut order = Order::start();
        // Locked throughout: a connection that registers later reads the chat from the database.
        let (people, mut order) = self.people.lock(&mut order);
        let frame = Frame::of_chat(entered.chat, entered.version, text.clone());
        for connection in people.get(&entered.user).into_iter().flatten() {
            let subscriptions = &self.presence.subscriptions;
            self.feeds.enter(&mut order, connection, entered, &frame, subscriptions);
        }
    }

    /// Sends `chat.deleted` to users who have left a chat. They get none of its later events.
    fn depart(&self, chat: ChatId, departed: &[Departed]) {
        self.presence.recheck.add(departed.iter().map(|one| one.user));
        let text = Utf8Bytes::from(frames::chat_deleted(chat));
        let mut order = Order::start();
        let (people, mut order) = self.people.lock(&mut order);
        for one in departed {
            for connection in people.get(&one.user).into_iter().flatten() {
                let subscriptions = &self.presence.subscriptions;
                self.feeds.depart(&mut order, connection, (chat, one), &text, subscriptions);
            }
        }
    }
}
