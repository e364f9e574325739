//! How a member has set a chat for themselves: muted, pinned, archived. Nobody else sees it.

use serde::Deserialize;

use super::time::Timestamp;

/// A member's settings of a chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ChatSettings {
    /// Until when the chat is muted, as it was set: it may have passed since.
    pub muted_until: Option<Timestamp>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether it is archived.
    pub archived: bool,
}

/// A change of a chat's settings; `None` leaves one unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct SettingsChange {
    /// Until when the chat is muted; `Some(None)` unmutes it.
    pub muted_until: Option<Option<Timestamp>>,
    /// Whether it is pinned.
    pub pinned: Option<bool>,
    /// Whether it is archived.
    pub archived: Option<bool>,
}

impl ChatSettings {
    /// For as long as a time can say.
    pub const FOREVER: Timestamp = Timestamp::from_micros(253_402_300_799_000_000);

    /// The settings after a change. A mute that would have ended by now is none.
    pub fn changed(self, change: SettingsChange, now: Timestamp) -> Self {
        let muted_until = match change.muted_until {
            None => self.muted_until,
            Some(until) => until.filter(|until| *until > now).map(|until| until.min(Self::FOREVER)),
        };
        Self {
            muted_until,
            pinned: change.pinned.unwrap_or(self.pinned),
            archived: change.archived.unwrap_or(self.archived),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_in_the_past_is_none_and_the_rest_stays() {
        let now = Timestamp::from_micros(1_000);
        let muted = |until| SettingsChange { muted_until: Some(until), ..Default::default() };
        let before = ChatSettings { pinned: true, ..ChatSettings::default() };
        let after = before.changed(muted(Some(Timestamp::from_micros(1_001))), now);
        assert_eq!((after.muted_until.map(Timestamp::micros), after.pinned), (Some(1_001), true));
        for none in [None, Some(now), Some(Timestamp::MIN)] {
            assert_eq!(after.changed(muted(none), now), before);
        }
        let far = before.changed(muted(Some(Timestamp::MAX)), now);
        let far = far.muted_until.expect("muted").to_string();
        assert_eq!(far, "9999-12-31T23:59:59.000000Z");
        let archive = SettingsChange { archived: Some(true), ..SettingsChange::default() };
        assert!(after.changed(archive, now).muted_until.is_some());
    }
}
