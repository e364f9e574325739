//! Who is connected to this node, on how many devices, and whether anybody sits before them. It
//! tells nobody: what changed is taken out now and then, by `actions::presence`. Times are the node's
//! uptime, which setting a clock does not change.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::domain::ids::UserId;
use crate::domain::user::Activity;

use super::lock;
use super::news::Seen;

/// One is still here for so long after the last connection is gone: who changes networks does not
/// flicker.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long what was last seen of somebody holds good: it is stored no more often.
const SEEN_HOLDS: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub struct Presence {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    here: HashMap<UserId, Here>,
    /// Who changed.
    dirty: HashMap<UserId, Cause>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cause {
    /// The connection that said so, where it was one.
    by: Option<u64>,
    /// Something else said so, too.
    many: bool,
    /// The time of grace was over.
    gone: bool,
}

/// Somebody who is here.
#[derive(Debug)]
struct Here {
    devices: Vec<(u64, Activity)>,
    /// Since when there is no device.
    gone_at: Option<Duration>,
    /// When it was last stored that the user was seen.
    seen_at: Option<Duration>,
    /// As what those who watch were told last that the user is seen.
    told: Option<Seen>,
    /// The same of the user's own devices, of which each was told by its `ready`.
    own: Option<Seen>,
}

/// What changed about somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Who.
    pub user: UserId,
    /// How many connections there are now, and what the user is seen as by them; `None` where the
    /// user is not here.
    pub here: Option<(usize, Activity)>,
    /// The connection that made it so, where it was one.
    pub by: Option<u64>,
    /// The user has just ceased to be here.
    pub gone: bool,
}

impl Here {
    fn activity(&self) -> Activity {
        let idle = !self.devices.is_empty()
            && self.devices.iter().all(|(_, activity)| *activity == Activity::Idle);
        if idle { Activity::Idle } else { Activity::Active }
    }
}

impl Presence {
    /// A connection came.
    pub(super) fn came(&self, user: UserId, connection: u64) {
        let mut state = lock(&self.state);
        let here = state.here.entry(user).or_insert(Here {
            devices: Vec::with_capacity(1),
            gone_at: None,
            seen_at: None,
            told: None,
            own: None,
        });
        here.devices.push((connection, Activity::Active));
        here.gone_at = None;
        state.mark(user, Cause::default());
    }

    /// A connection is gone.
    pub(super) fn went(&self, user: UserId, connection: u64, now: Duration) {
        let mut state = lock(&self.state);
        let Some(here) = state.here.get_mut(&user) else { return };
        here.devices.retain(|(number, _)| *number != connection);
        if here.devices.is_empty() {
            here.gone_at = Some(now);
        }
        state.mark(user, Cause::default());
    }

    /// A device says whether anybody sits before it.
    pub fn set(&self, user: UserId, connection: u64, activity: Activity) {
        let mut state = lock(&self.state);
        let Some(here) = state.here.get_mut(&user) else { return };
        let device = here.devices.iter_mut().find(|(number, _)| *number == connection);
        if let Some((_, was)) = device.filter(|(_, was)| *was != activity) {
            *was = activity;
            state.touch(user, Some(connection));
        }
    }

    /// Something else about how the user is seen may have changed.
    pub fn touch(&self, user: UserId, by: Option<u64>) {
        lock(&self.state).touch(user, by);
    }

    /// Everybody here is to be told of anew: what was told has been forgotten.
    pub fn touch_all(&self) {
        let mut state = lock(&self.state);
        let users: Vec<_> = state.here.keys().copied().collect();
        users.into_iter().for_each(|user| state.touch(user, None));
    }

    /// What the user is seen as by the devices here; `None` where there is none.
    pub fn of(&self, user: UserId) -> Option<Activity> {
        lock(&self.state).here.get(&user).map(Here::activity)
    }

    /// Whether everybody was told already that the user, who is here, is seen so.
    pub(super) fn knows(&self, user: UserId, seen: &Seen) -> bool {
        lock(&self.state).here.get(&user).is_some_and(|here| here.told.as_ref() == Some(seen))
    }

    /// Notes as what everybody is told that the user is seen. Whether the user's own devices were
    /// told otherwise.
    pub(super) fn tells(&self, user: UserId, seen: &Seen) -> bool {
        let mut state = lock(&self.state);
        let Some(here) = state.here.get_mut(&user) else { return false };
        here.told = Some(seen.clone());
        // Before the first `ready` there is nobody to be told: it tells by itself.
        here.own.as_mut().is_some_and(|own| std::mem::replace(own, seen.clone()) != *seen)
    }

    /// Notes what a device of the user's is told by its `ready`.
    pub fn told_by_ready(&self, user: UserId, seen: Seen) {
        let mut state = lock(&self.state);
        let Some(here) = state.here.get_mut(&user) else { return };
        let own = here.own.get_or_insert(seen);
        if here.told.as_ref().is_some_and(|told| told != own) {
            // It changed while `ready` was made.
            here.told = None;
            state.touch(user, None);
        }
    }

    /// What was taken could not be written: it is to be taken again.
    pub fn put_back(&self, changed: &[Changed]) {
        let mut state = lock(&self.state);
        for one in changed {
            state.mark(one.user, Cause { by: one.by, many: false, gone: one.gone });
        }
    }

    /// What changed since it was asked last. Those whose time of grace is over are not here.
    pub fn take(&self, now: Duration) -> Vec<Changed> {
        let mut state = lock(&self.state);
        let State { here, dirty } = &mut *state;
        here.retain(|user, here| {
            let gone = here.gone_at.is_some_and(|at| at + GRACE <= now);
            if gone {
                dirty.entry(*user).or_default().gone = true;
            }
            !gone
        });
        let changed = |(user, cause): (UserId, Cause)| {
            let here = here.get(&user).map(|here| (here.devices.len(), here.activity()));
            Changed { user, here, by: cause.by.filter(|_| !cause.many), gone: cause.gone }
        };
        std::mem::take(dirty).into_iter().map(changed).collect()
    }

    /// Those who are connected, and of whom that was not stored for a minute.
    pub fn seen(&self, now: Duration) -> Vec<UserId> {
        let mut state = lock(&self.state);
        let connected = state.here.iter_mut().filter(|(_, here)| !here.devices.is_empty());
        let due =
            connected.filter(|(_, here)| here.seen_at.is_none_or(|at| at + SEEN_HOLDS <= now));
        due.map(|(user, here)| {
            here.seen_at = Some(now);
            *user
        })
        .collect()
    }
}

impl State {
    fn touch(&mut self, user: UserId, by: Option<u64>) {
        self.mark(user, Cause { by, many: by.is_none(), gone: false });
    }

    fn mark(&mut self, user: UserId, cause: Cause) {
        let known = self.dirty.entry(user).or_default();
        // Where several connections said something, each is told.
        known.many |= cause.many || known.by.zip(cause.by).is_some_and(|(one, two)| one != two);
        known.by = known.by.or(cause.by);
        known.gone |= cause.gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOM: UserId = UserId(1);
    const START: Duration = Duration::from_secs(1_000);

    fn changed(presence: &Presence, seconds: u64) -> Option<Option<(usize, Activity)>> {
        let now = START + Duration::from_secs(seconds);
        let mut changed = presence.take(now);
        assert!(changed.len() <= 1);
        changed.pop().map(|changed| changed.here)
    }

    #[test]
    fn one_is_here_until_ten_seconds_after_the_last_device_is_gone() {
        let presence = Presence::default();
        presence.came(TOM, 1);
        presence.came(TOM, 2);
        assert_eq!(changed(&presence, 0), Some(Some((2, Activity::Active))));
        assert_eq!(changed(&presence, 0), None);
        presence.went(TOM, 1, START);
        presence.went(TOM, 2, START);
        assert_eq!(changed(&presence, 9), Some(Some((0, Activity::Active))));
        presence.came(TOM, 3);
        assert_eq!(changed(&presence, 20), Some(Some((1, Activity::Active))));
        presence.went(TOM, 3, START + Duration::from_secs(20));
        changed(&presence, 20);
        assert_eq!(presence.of(TOM), Some(Activity::Active));
        assert_eq!(changed(&presence, 30), Some(None));
        assert_eq!(presence.of(TOM), None);
    }

    #[test]
    fn one_is_away_when_every_device_is() {
        let presence = Presence::default();
        presence.came(TOM, 1);
        presence.came(TOM, 2);
        presence.set(TOM, 1, Activity::Idle);
        assert_eq!(presence.of(TOM), Some(Activity::Active));
        presence.set(TOM, 2, Activity::Idle);
        assert_eq!(presence.of(TOM), Some(Activity::Idle));
        presence.take(START);
        presence.set(TOM, 2, Activity::Idle);
        assert!(presence.take(START).is_empty(), "nothing changed");
        presence.set(TOM, 2, Activity::Active);
        let by: Vec<_> = presence.take(START).iter().map(|changed| changed.by).collect();
        assert_eq!(by, [Some(2)]);
    }

    #[test]
    fn that_one_was_seen_is_stored_once_a_minute() {
        let presence = Presence::default();
        presence.came(TOM, 1);
        assert_eq!(presence.seen(START), [TOM]);
        assert!(presence.seen(START + Duration::from_secs(59)).is_empty());
        assert_eq!(presence.seen(START + Duration::from_secs(60)), [TOM]);
    }
}
