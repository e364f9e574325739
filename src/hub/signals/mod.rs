//! Ephemeral signals: typing indicators, and receipts of markers that moved. Kept in memory for moments,
//! coalesced, and sent no more often than anybody can see. Times are the node's uptime, which setting a
//! clock does not change.

mod receipts;
mod typing;

use std::time::Duration;

use crate::domain::event::AccountEvent;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::AccountVersion;
use crate::domain::receipt::Markers;
use crate::wire::frames;

use super::bus::envelope::{Envelope, Reach, Route};

use receipts::{Marker, MovedMarkers};
use typing::Typing;

/// The signals of this node.
#[derive(Debug, Default)]
pub struct Signals {
    typing: Typing,
    moved: MovedMarkers,
}

impl Signals {
    /// A user says whether they are typing. Returns what is to be sent, if that is due.
    pub(super) fn typing(
        &self,
        user: UserId,
        chat: ChatId,
        is_active: bool,
        now: Duration,
    ) -> Option<Envelope> {
        let is_due = self.typing.said((chat, user), is_active, now);
        is_due.then(|| typing(chat, user, is_active))
    }

    /// Another node says whether a user is typing.
    pub(super) fn typing_elsewhere(
        &self,
        user: UserId,
        chat: ChatId,
        is_active: bool,
        now: Duration,
    ) {
        self.typing.said_elsewhere((chat, user), is_active, now);
    }

    /// A user's read or delivery marker in a chat moved. Its receipt is sent by the next
    /// [`super::Hub::send_signals`]. `account` is the account version that moving the read marker made.
    pub fn marker_moved(
        &self,
        chat: ChatId,
        user: UserId,
        markers: Markers,
        account: Option<AccountVersion>,
    ) {
        self.moved.add((chat, user), markers, account);
    }

    /// Takes the receipts, the changes of accounts that moved read markers are, and the ends of typing indicators
    /// that have expired.
    pub(super) fn take_due(&self, now: Duration) -> (Vec<(Envelope, Reach)>, Vec<AccountEvent>) {
        let moved = self.moved.take();
        let account_events = moved.account_events();
        let receipt = |((chat, user), Marker { markers, account })| {
            let text = frames::receipt(chat, user, markers, None).into();
            let route = Route::Receipt { user, chat, others: account.is_some() };
            (Envelope { route, text }, Reach::AllNodes)
        };
        let receipts = moved.markers.into_iter().map(receipt);
        let expired = self.typing.take_expired(now).into_iter();
        let expired = expired.map(|((chat, user), reach)| (typing(chat, user, false), reach));
        (receipts.chain(expired).collect(), account_events)
    }
}

fn typing(chat: ChatId, user: UserId, active: bool) -> Envelope {
    let text = frames::typing(chat, user, active).into();
    Envelope { route: Route::Typing { user, chat, active }, text }
}
