//! Who blocks the users who are connected here: they are not sent the presence of those. Also which users are to be asked
//! the database for again. A leaf lock each.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use crate::domain::ids::UserId;
use crate::hub::lock::lock;

/// The blocks that concern a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    /// Who blocks the user.
    pub blockers: HashSet<UserId>,
    /// Whether the user blocks anybody.
    pub blocks_any: bool,
}

/// The blocks that concern the users here. Most users have none, and no entry.
#[derive(Debug, Default)]
pub struct Hidden {
    by_viewer: Mutex<HashMap<UserId, Relations>>,
    changed: Mutex<HashSet<UserId>>,
}

impl Hidden {
    /// A block by or of a user has changed: it is to be read.
    pub fn note_changed(&self, user: UserId) {
        lock(&self.changed).insert(user);
    }

    /// Takes the users whose blocks are to be read.
    pub fn take_changed(&self) -> Vec<UserId> {
        lock(&self.changed).drain().collect()
    }

    /// Replaces what is known of a user. Returns those whose presence the user sees differently from now on.
    pub(crate) fn set(&self, viewer: UserId, relations: Relations) -> Vec<UserId> {
        let mut by_viewer = lock(&self.by_viewer);
        let before = by_viewer.remove(&viewer).unwrap_or_default();
        let changed = before.blockers.symmetric_difference(&relations.blockers).copied().collect();
        if relations != Relations::default() {
            by_viewer.insert(viewer, relations);
        }
        changed
    }

    /// Whether a user's presence is hidden from a viewer.
    pub fn hides(&self, user: UserId, viewer: UserId) -> bool {
        let by_viewer = lock(&self.by_viewer);
        by_viewer.get(&viewer).is_some_and(|relations| relations.blockers.contains(&user))
    }

    /// Whether a user blocks anybody, or is blocked.
    pub fn concerns(&self, user: UserId) -> bool {
        lock(&self.by_viewer).contains_key(&user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_what_somebody_sees_differently() {
        let hidden = Hidden::default();
        let (viewer, [a, b]) = (UserId(1), [UserId(2), UserId(3)]);
        let by = |blockers: &[UserId]| Relations {
            blockers: blockers.iter().copied().collect(),
            blocks_any: false,
        };
        assert_eq!(hidden.set(viewer, by(&[a])), [a]);
        assert!(hidden.hides(a, viewer) && !hidden.hides(viewer, a) && hidden.concerns(viewer));
        assert_eq!(hidden.set(viewer, by(&[a])), []);
        assert_eq!(hidden.set(viewer, by(&[a, b])), [b]);
        assert_eq!(hidden.set(viewer, by(&[b])), [a]);
        assert_eq!(hidden.set(viewer, Relations { blocks_any: true, ..by(&[]) }), [b]);
        assert!(hidden.concerns(viewer));
        assert_eq!(hidden.set(viewer, Relations::default()), []);
        assert!(!hidden.concerns(viewer));
    }
}
