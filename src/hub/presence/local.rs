//! Which users are connected to this node, on how many devices, and whether anybody is using one. Publishes
//! nothing: `actions::presence` takes the changes out and does. Times are the node's uptime, which
//! setting a clock does not change.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::domain::ids::UserId;
use crate::domain::presence::Activity;
use crate::hub::lock::lock;

use super::status::ShownStatus;

/// A user stays online for this long after the last connection has closed, so that changing networks
/// does not flicker.
pub const GRACE: Duration = Duration::from_secs(10);
/// "Last seen" is stored at most this often for each user.
pub const LAST_SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// Users who are connected here, or were less than [`GRACE`] ago.
#[derive(Debug, Default)]
pub struct LocalPresence {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    online: HashMap<UserId, OnlineUser>,
    /// Users whose presence changed since it was last taken.
    changed: HashMap<UserId, Change>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Change {
    origin: Origin,
    /// [`GRACE`] was over.
    is_gone: bool,
}

/// Which connections made a change: if only one made it, it knows, and gets no frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    /// None: a connection opened or closed.
    #[default]
    Nobody,
    /// This connection.
    One(u64),
    /// Several, or something else than a connection.
    Several,
}

impl Origin {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, one) | (one, Self::Nobody) => one,
            (one, other) if one == other => one,
            _ => Self::Several,
        }
    }
}

#[derive(Debug, Default)]
struct OnlineUser {
    devices: Vec<(u64, Activity)>,
    /// Since when there has been no device.
    gone_at: Option<Duration>,
    /// When "last seen" was stored last.
    last_seen_stored_at: Option<Duration>,
    /// The status that subscribers were sent last.
    published: Option<ShownStatus>,
    /// The status that the user's own devices were sent last, the first time by `ready`.
    own: Option<ShownStatus>,
}

/// A user's presence that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// The user.
    pub user: UserId,
    /// How many connections there are now, and the user's activity on them; `None` where the user is no
    /// longer online here.
    pub here: Option<(usize, Activity)>,
    /// [`GRACE`] has just ended.
    pub is_gone: bool,
    origin: Origin,
}

impl PresenceChange {
    /// The connection that made the change, if it was one alone.
    pub fn by(&self) -> Option<u64> {
        match self.origin {
            Origin::One(connection) => Some(connection),
            Origin::Nobody | Origin::Several => None,
        }
    }
}

impl OnlineUser {
    fn activity(&self) -> Activity {
        let is_idle = !self.devices.is_empty()
            && self.devices.iter().all(|(_, activity)| *activity == Activity::Idle);
        if is_idle { Activity::Idle } else { Activity::Active }
    }
}

impl LocalPresence {
    /// A connection opened.
    pub(crate) fn connected(&self, user: UserId, connection: u64) {
        let mut state = lock(&self.state);
        let online = state.online.entry(user).or_default();
        online.devices.push((connection, Activity::Active));
        online.gone_at = None;
        state.mark(user, Change::default());
    }

    /// A connection closed.
    pub(super) fn disconnected(&self, user: UserId, connection: u64, now: Duration) {
        let mut state = lock(&self.state);
        let Some(online) = state.online.get_mut(&user) else { return };
        online.devices.retain(|(number, _)| *number != connection);
        if online.devices.is_empty() {
            online.gone_at = Some(now);
        }
        state.mark(user, Change::default());
    }

    /// A device says whether its user is active.
    pub fn set_activity(&self, user: UserId, connection: u64, activity: Activity) {
        let mut state = lock(&self.state);
        let Some(online) = state.online.get_mut(&user) else { return };
        let device = online.devices.iter_mut().find(|(number, _)| *number == connection);
        if let Some((_, was)) = device.filter(|(_, was)| *was != activity) {
            *was = activity;
            state.mark(user, Change { origin: Origin::One(connection), is_gone: false });
        }
    }

    /// A user's availability, status text or account changed; `by` is the connection that did it.
    pub fn mark_changed(&self, user: UserId, by: Option<u64>) {
        let origin = by.map_or(Origin::Several, Origin::One);
        lock(&self.state).mark(user, Change { origin, is_gone: false });
    }

    /// All users here are to be written and published anew: what other nodes knew of them is lost.
    pub fn mark_all_changed(&self) {
        let mut state = lock(&self.state);
        let users: Vec<_> = state.online.keys().copied().collect();
        for user in users {
            state.mark(user, Change { origin: Origin::Several, is_gone: false });
        }
    }

    /// A user's activity on the devices here; `None` where the user is not online here.
    pub fn activity(&self, user: UserId) -> Option<Activity> {
        lock(&self.state).online.get(&user).map(OnlineUser::activity)
    }

    /// Whether this status of a user who is online here has been published already.
    pub(crate) fn is_published(&self, user: UserId, status: &ShownStatus) -> bool {
        let state = lock(&self.state);
        state.online.get(&user).is_some_and(|online| online.published.as_ref() == Some(status))
    }

    /// Records the published status of a user. Returns whether the user's own devices know another one.
    pub(crate) fn record_published(&self, user: UserId, status: &ShownStatus) -> bool {
        let mut state = lock(&self.state);
        let Some(online) = state.online.get_mut(&user) else { return false };
        online.published = Some(status.clone());
        // Before the first `ready` there is nobody to tell: that says it by itself.
        online.own.as_mut().is_some_and(|own| std::mem::replace(own, status.clone()) != *status)
    }

    /// Records the published status of a user whose own devices are sent it with the change that it follows from.
    pub(crate) fn record_published_to_others(&self, user: UserId, status: &ShownStatus) {
        if let Some(online) = lock(&self.state).online.get_mut(&user) {
            online.published = Some(status.clone());
        }
    }

    /// Records the status that the user's own devices are sent.
    pub fn record_own(&self, user: UserId, status: ShownStatus) {
        if let Some(online) = lock(&self.state).online.get_mut(&user) {
            online.own = Some(status);
        }
    }

    /// Records the status that a device of the user gets in its `ready`.
    pub fn record_ready(&self, user: UserId, status: ShownStatus) {
        let mut state = lock(&self.state);
        let Some(online) = state.online.get_mut(&user) else { return };
        let own = online.own.get_or_insert(status);
        if online.published.as_ref().is_some_and(|published| published != own) {
            // It changed while `ready` was made.
            online.published = None;
            state.mark(user, Change { origin: Origin::Several, is_gone: false });
        }
    }

    /// Puts back changes that could not be written or published: they are taken again.
    pub fn put_back(&self, changes: &[PresenceChange]) {
        let mut state = lock(&self.state);
        for &PresenceChange { user, origin, is_gone, .. } in changes {
            state.mark(user, Change { origin, is_gone });
        }
    }

    /// Takes the changes since the last call, among them the users whose [`GRACE`] has ended.
    pub fn take_changes(&self, now: Duration) -> Vec<PresenceChange> {
        let mut state = lock(&self.state);
        let State { online, changed } = &mut *state;
        online.retain(|user, one| {
            let is_gone = one.gone_at.is_some_and(|at| at + GRACE <= now);
            if is_gone {
                changed.entry(*user).or_default().is_gone = true;
            }
            !is_gone
        });
        let change = |(user, change): (UserId, Change)| {
            let here = online.get(&user).map(|one| (one.devices.len(), one.activity()));
            PresenceChange { user, here, is_gone: change.is_gone, origin: change.origin }
        };
        std::mem::take(changed).into_iter().map(change).collect()
    }

    /// The connected users whose "last seen" was not stored within [`LAST_SEEN_INTERVAL`].
    pub fn due_last_seen(&self, now: Duration) -> Vec<UserId> {
        let is_due = |online: &OnlineUser| {
            let stored_at = online.last_seen_stored_at;
            !online.devices.is_empty() && stored_at.is_none_or(|at| at + LAST_SEEN_INTERVAL <= now)
        };
        let state = lock(&self.state);
        let due = state.online.iter().filter(|(_, online)| is_due(online));
        due.map(|(user, _)| *user).collect()
    }

    /// Records that the "last seen" of these users was stored. Called after the commit.
    pub fn last_seen_stored(&self, users: &[UserId], now: Duration) {
        let mut state = lock(&self.state);
        for user in users {
            if let Some(online) = state.online.get_mut(user) {
                online.last_seen_stored_at = Some(now);
            }
        }
    }
}

impl State {
    fn mark(&mut self, user: UserId, change: Change) {
        let known = self.changed.entry(user).or_default();
        known.origin = known.origin.and(change.origin);
        known.is_gone |= change.is_gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOM: UserId = UserId(1);
    const START: Duration = Duration::from_secs(1_000);

    fn changed(presence: &LocalPresence, seconds: u64) -> Option<Option<(usize, Activity)>> {
        let now = START + Duration::from_secs(seconds);
        let mut changes = presence.take_changes(now);
        assert!(changes.len() <= 1);
        changes.pop().map(|change| change.here)
    }

    #[test]
    fn a_user_is_online_until_ten_seconds_after_the_last_device_is_gone() {
        let presence = LocalPresence::default();
        presence.connected(TOM, 1);
        presence.connected(TOM, 2);
        assert_eq!(changed(&presence, 0), Some(Some((2, Activity::Active))));
        assert_eq!(changed(&presence, 0), None);
        presence.disconnected(TOM, 1, START);
        presence.disconnected(TOM, 2, START);
        assert_eq!(changed(&presence, 9), Some(Some((0, Activity::Active))));
        presence.connected(TOM, 3);
        assert_eq!(changed(&presence, 20), Some(Some((1, Activity::Active))));
        presence.disconnected(TOM, 3, START + Duration::from_secs(20));
        changed(&presence, 20);
        assert_eq!(presence.activity(TOM), Some(Activity::Active));
        assert_eq!(changed(&presence, 30), Some(None));
        assert_eq!(presence.activity(TOM), None);
    }

    #[test]
    fn a_user_is_idle_when_every_device_is() {
        let presence = LocalPresence::default();
        presence.connected(TOM, 1);
        presence.connected(TOM, 2);
        presence.set_activity(TOM, 1, Activity::Idle);
        assert_eq!(presence.activity(TOM), Some(Activity::Active));
        presence.set_activity(TOM, 2, Activity::Idle);
        assert_eq!(presence.activity(TOM), Some(Activity::Idle));
        presence.take_changes(START);
        presence.set_activity(TOM, 2, Activity::Idle);
        assert!(presence.take_changes(START).is_empty(), "nothing changed");
        presence.set_activity(TOM, 2, Activity::Active);
        let by: Vec<_> = presence.take_changes(START).iter().map(PresenceChange::by).collect();
        assert_eq!(by, [Some(2)]);
    }

    #[test]
    fn the_connection_that_makes_a_change_alone_is_not_told() {
        let by = |marks: &[Option<u64>]| {
            let presence = LocalPresence::default();
            presence.connected(TOM, 1);
            marks.iter().for_each(|by| presence.mark_changed(TOM, *by));
            let taken = presence.take_changes(START);
            presence.put_back(&taken);
            assert_eq!(presence.take_changes(START), taken, "nothing is lost by putting it back");
            taken[0].by()
        };
        assert_eq!(by(&[Some(1), Some(1)]), Some(1));
        assert_eq!(by(&[Some(1), Some(2)]), None);
        assert_eq!(by(&[Some(1), None]), None);
        assert_eq!(by(&[None, Some(1)]), None);
    }

    #[test]
    fn last_seen_is_stored_once_a_minute_and_due_until_it_is() {
        let presence = LocalPresence::default();
        presence.connected(TOM, 1);
        assert_eq!(presence.due_last_seen(START), [TOM]);
        assert_eq!(presence.due_last_seen(START), [TOM], "the transaction failed");
        presence.last_seen_stored(&[TOM], START);
        assert!(presence.due_last_seen(START + Duration::from_secs(59)).is_empty());
        assert_eq!(presence.due_last_seen(START + Duration::from_secs(60)), [TOM]);
    }
}
