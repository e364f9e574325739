//! Receipts that are still to be sent: read and delivery markers that moved, coalesced into the latest of
//! each member.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use crate::domain::event::{AccountChange, AccountEvent};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::AccountVersion;
use crate::domain::receipt::Markers;
use crate::hub::lock::lock;

/// Markers that moved.
#[derive(Debug, Default)]
pub(super) struct MovedMarkers(Mutex<MovedSinceTick>);

#[derive(Debug, Default)]
pub(super) struct MovedSinceTick {
    /// By member.
    pub(super) markers: HashMap<(ChatId, UserId), Marker>,
    /// The account versions that moving read markers made.
    versions: HashMap<UserId, BTreeSet<AccountVersion>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) markers: Markers,
    /// The user's own connections get it as a change of the account, which this version numbers.
    pub(super) account: Option<AccountVersion>,
}

impl MovedMarkers {
    pub(super) fn add(
        &self,
        member: (ChatId, UserId),
        markers: Markers,
        account: Option<AccountVersion>,
    ) {
        let mut moved = lock(&self.0);
        let known = moved.markers.entry(member).or_insert(Marker { markers, account });
        // Two that moved at the same time may come in either order.
        known.markers.delivered_seq = known.markers.delivered_seq.max(markers.delivered_seq);
        known.markers.read_seq = known.markers.read_seq.max(markers.read_seq);
        known.account = known.account.max(account);
        if let Some(version) = account {
            moved.versions.entry(member.1).or_default().insert(version);
        }
    }

    pub(super) fn take(&self) -> MovedSinceTick {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl MovedSinceTick {
    /// The events of the accounts whose read markers moved. Where another change came between them, possibly on
    /// another node, the event only says how far the account is.
    pub(super) fn account_events(&self) -> Vec<AccountEvent> {
        let mut changes: HashMap<UserId, Vec<_>> = HashMap::new();
        for ((chat, user), marker) in &self.markers {
            if let Some(version) = marker.account {
                let change = AccountChange::Markers(*chat, marker.markers);
                changes.entry(*user).or_default().push((version, change));
            }
        }
        let event = |(user, versions): (&UserId, &BTreeSet<AccountVersion>)| {
            let (first, upto) = (*versions.first()?, *versions.last()?);
            let after = AccountVersion(first.0 - 1);
            if i64::try_from(versions.len()) != Ok(upto.0 - after.0) {
                return Some(AccountEvent::reached(*user, upto, None));
            }
            let mut changes = changes.remove(user).unwrap_or_default();
            changes.sort_by_key(|(version, _)| *version);
            Some(AccountEvent { user: *user, after, upto, changes, except: None })
        };
        self.versions.iter().filter_map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::numbering::Seq;

    const MEMBER: (ChatId, UserId) = (ChatId(1), UserId(2));

    fn markers(delivered: i64, read: i64) -> Markers {
        Markers { delivered_seq: Seq(delivered), read_seq: Seq(read) }
    }

    #[test]
    fn receipts_are_coalesced_into_the_latest() {
        let moved = MovedMarkers::default();
        moved.add(MEMBER, markers(5, 4), None);
        moved.add(MEMBER, markers(4, 5), Some(AccountVersion(7)));
        moved.add(MEMBER, markers(6, 0), None);
        let expected = Marker { markers: markers(6, 5), account: Some(AccountVersion(7)) };
        assert_eq!(moved.take().markers[&MEMBER], expected);
        assert!(moved.take().markers.is_empty());
    }

    #[test]
    fn an_account_s_changes_are_in_order_and_named_only_if_none_is_missing() {
        let event = |versions: &[(i64, i64)]| {
            let moved = MovedMarkers::default();
            for (chat, version) in versions {
                let member = (ChatId(*chat), MEMBER.1);
                moved.add(member, markers(1, 1), Some(AccountVersion(*version)));
            }
            let AccountEvent { after, upto, changes, .. } =
                moved.take().account_events().pop().expect("one");
            let changes: Vec<_> = changes.iter().map(|(version, _)| version.0).collect();
            (after.0, upto.0, changes)
        };
        assert_eq!(event(&[(1, 5)]), (4, 5, vec![5]));
        // Two chats of one batch, and a chat that was read twice: its latest state has the later version.
        assert_eq!(event(&[(1, 5), (2, 6), (3, 6), (1, 7)]), (4, 7, vec![6, 6, 7]));
        assert_eq!(event(&[(1, 5), (2, 7)]), (7, 7, vec![]));
    }
}
