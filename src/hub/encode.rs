//! From events to envelopes: each event is encoded once, and not at all where nobody could get it. Sends
//! nothing.

use crate::domain::chat::ChatView;
use crate::domain::event::{AccountChange, AccountEvent, Change, ChatEvent, Event};
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;
use crate::domain::urls::Urls;
use crate::wire::frames;

use super::bus::envelope::{Entered, Envelope, Route};
use super::feeds::Feeds;
use super::people::People;
use super::presence::local::LocalPresence;
use super::presence::status::ShownStatus;

/// What the encoder has to know of who is there.
pub(super) struct Encoder<'a> {
    pub(super) people: &'a People,
    pub(super) feeds: &'a Feeds,
    pub(super) presence: &'a LocalPresence,
    pub(super) urls: &'a Urls,
    /// There may be interested connections on other nodes.
    pub(super) has_bus: bool,
}

impl Encoder<'_> {
    /// Hands an event's envelopes to `send`, one by one: a group that is made has as many as members.
    pub(super) fn encode(&self, event: &Event, send: impl Fn(Envelope)) {
        match event {
            Event::Chat(event) if self.has_bus || self.feeds.contains(event.chat) => {
                send(self.change(event));
            }
            Event::Chat(_) => {}
            Event::ChatCreated { chat, last_message, newcomers } => {
                for newcomer in newcomers.iter().filter(|one| self.may_be_connected(one.user)) {
                    let view = newcomer.view(chat, last_message.as_deref());
                    send(self.entered(newcomer.user, &view, true));
                }
            }
            Event::ChatFound(user, view) => send(self.entered(*user, view, false)),
            Event::ChatDeleted { chat, departed } => {
                let (chat, departed) = (*chat, departed.clone());
                send(without_frame(Route::Departed { chat, departed }));
            }
            Event::StatusChanged(profile, except) => {
                let (user, seen) = (profile.user.id, ShownStatus::of(profile));
                if !self.presence.is_published(user, &seen) {
                    let text = frames::status(profile, None).into();
                    let (except, profile) = (*except, profile.user.profile_version);
                    send(Envelope { route: Route::Status { user, seen, except, profile }, text });
                }
            }
            Event::UserUpdated(user) => {
                let text = frames::user_updated(user, None, self.urls).into();
                send(Envelope { route: Route::Renamed { user: user.id }, text });
            }
            Event::Account(event) => send(self.account(event)),
            // Where it is lost, the other nodes find it in the database (`actions::hiding`).
            Event::BlocksChanged(user) => send(without_frame(Route::Blocks { user: *user })),
            // Where it is lost, the other nodes find it in the database (`actions::revocations`).
            Event::SessionsEnded(user, sessions) => {
                let (user, sessions) = (*user, sessions.clone());
                send(without_frame(Route::SessionsEnded { user, sessions }));
            }
        }
    }

    fn change(&self, event: &ChatEvent) -> Envelope {
        let ChatEvent { chat, version, ref change } = *event;
        let out = match change {
            Change::MemberLeft(member) => Some(member.user.id),
            _ => None,
        };
        let text = frames::chat_event(event, self.urls).into();
        Envelope { route: Route::Change { chat, version, out }, text }
    }

    fn account(&self, event: &AccountEvent) -> Envelope {
        let AccountEvent { user, after, upto, except, .. } = *event;
        let frame = |(version, change): &(AccountVersion, AccountChange)| match change {
            AccountChange::Markers(chat, marks) => {
                frames::receipt(*chat, user, *marks, Some(*version))
            }
            AccountChange::Settings(chat, settings) => {
                frames::chat_settings(*chat, *settings, *version)
            }
            AccountChange::Block(target, active) => {
                frames::block_updated(*target, *active, *version)
            }
            AccountChange::Profile(user) => frames::user_updated(user, Some(*version), self.urls),
            AccountChange::Status(profile) => frames::status(profile, Some(*version)),
        };
        let frames: Vec<_> = event.changes.iter().map(frame).collect();
        let route = Route::Account { user, after, upto, except };
        // JSON has no line breaks inside.
        Envelope { route, text: frames.join("\n").into() }
    }

    fn entered(&self, user: UserId, view: &ChatView, joined: bool) -> Envelope {
        let (chat, version) = (view.chat.id, view.chat.version);
        let peer = view.peer.as_ref().map(|peer| (peer.user.id, ShownStatus::of(peer)));
        let text = frames::chat_created(view, self.urls).into();
        Envelope { route: Route::Entered(Entered { user, chat, version, peer, joined }), text }
    }

    fn may_be_connected(&self, user: UserId) -> bool {
        self.has_bus || self.people.is_connected(user)
    }
}

fn without_frame(route: Route) -> Envelope {
    Envelope { route, text: Default::default() }
}
