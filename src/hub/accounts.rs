//! How far the connections of each user here have been sent what changed in the user's account, in the order of the
//! account's versions. Reads nothing: what was lost on the bus or came out of order is read from the database by
//! `actions::account_events`.

use std::collections::HashMap;

use crate::domain::account_version::Fingerprint;
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;

use super::lock::{AccountsLevel, Order, Ordered};
use super::people::People;
use super::queue::Frame;

/// The accounts of the users who are connected here.
#[derive(Debug, Default)]
pub struct Accounts(Ordered<AccountsLevel, HashMap<UserId, Account>>);

#[derive(Debug, Default)]
struct Account {
    /// All connections were sent every change up to here; unknown until the first `ready`.
    delivered: Option<AccountVersion>,
    /// The latest version that is known to exist.
    known: AccountVersion,
    /// The profile that the connections were sent.
    profile: Fingerprint,
    /// The connection that changed the status, and is not sent that.
    except: Option<u64>,
}

/// An account of which connections here lack something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The user.
    pub user: UserId,
    /// Everything up to here was delivered.
    pub delivered: AccountVersion,
    /// The profile that was delivered.
    pub profile: Fingerprint,
    /// The connection that is not sent a changed status.
    pub except: Option<u64>,
}

impl Accounts {
    /// A connection of the user opened: from now on, changes are noted.
    pub(super) fn open(&self, user: UserId) {
        self.0.lock(&mut Order::start()).0.entry(user).or_default();
    }

    /// Forgets a user without connections.
    pub(super) fn close(&self, user: UserId, people: &People) {
        let mut order = Order::start();
        let (mut accounts, mut order) = self.0.lock(&mut order);
        if !people.lock(&mut order).0.contains_key(&user) {
            accounts.remove(&user);
        }
    }

    /// A connection gets the account at a version, by its `ready`. Delivery starts there, unless it has for another
    /// connection of the user.
    pub fn start(&self, user: UserId, version: AccountVersion, profile: Fingerprint) {
        if let Some(account) = self.0.lock(&mut Order::start()).0.get_mut(&user) {
            if account.delivered.is_none() {
                (account.delivered, account.profile) = (Some(version), profile);
            }
            account.known = account.known.max(version);
        }
    }

    /// The account is known to have reached a version.
    pub fn reached(&self, user: UserId, version: AccountVersion, except: Option<u64>) {
        if let Some(account) = self.0.lock(&mut Order::start()).0.get_mut(&user) {
            account.reached(version, except);
        }
    }

    /// Sends the frames of changes to the user's connections, if no earlier change is missing; otherwise they are
    /// to be read.
    pub(super) fn deliver(
        &self,
        people: &People,
        user: UserId,
        (after, upto): (AccountVersion, AccountVersion),
        frames: &[Frame],
        except: Option<u64>,
    ) {
        let mut order = Order::start();
        let (mut accounts, mut order) = self.0.lock(&mut order);
        let Some(account) = accounts.get_mut(&user) else { return };
        match account.delivered {
            Some(delivered) if after <= delivered && delivered < upto => {
                account.delivered = Some(upto);
                account.known = account.known.max(upto);
                let (people, _) = people.lock(&mut order);
                let connections = people.get(&user).into_iter().flatten();
                for connection in connections.filter(|one| Some(one.number) != except) {
                    frames.iter().for_each(|frame| connection.queue.push(frame.clone()));
                }
            }
            _ => account.reached(upto, except),
        }
    }

    /// Whether the connections were sent everything up to a version.
    pub(super) fn has_delivered(&self, user: UserId, version: AccountVersion) -> bool {
        let mut order = Order::start();
        let (accounts, _) = self.0.lock(&mut order);
        accounts.get(&user).is_none_or(|account| account.delivered >= Some(version))
    }

    /// The connections are about to be sent another profile.
    pub fn profile_read(&self, user: UserId, profile: Fingerprint) {
        if let Some(account) = self.0.lock(&mut Order::start()).0.get_mut(&user) {
            (account.profile, account.except) = (profile, None);
        }
    }

    /// The database does not have a version that was known: there is nothing to read.
    pub fn nothing_beyond(&self, behind: &Behind) {
        if let Some(account) = self.0.lock(&mut Order::start()).0.get_mut(&behind.user) {
            account.known = behind.delivered;
        }
    }

    /// The accounts of which something is missing.
    pub fn behind(&self) -> Vec<Behind> {
        let mut order = Order::start();
        let (accounts, _) = self.0.lock(&mut order);
        let behind = |(user, account): (&UserId, &Account)| {
            let delivered = account.delivered.filter(|delivered| *delivered < account.known)?;
            let Account { profile, except, .. } = *account;
            Some(Behind { user: *user, delivered, profile, except })
        };
        accounts.iter().filter_map(behind).collect()
    }

    /// The users who are connected here.
    pub fn users(&self) -> Vec<UserId> {
        self.0.lock(&mut Order::start()).0.keys().copied().collect()
    }

    /// Forgets all versions: they belong to another epoch.
    pub(super) fn clear(&self) {
        self.0.lock(&mut Order::start()).0.clear();
    }
}

impl Account {
    fn reached(&mut self, version: AccountVersion, except: Option<u64>) {
        if self.delivered.is_none_or(|delivered| delivered < version) {
            self.known = self.known.max(version);
            self.except = except.or(self.except);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::ids::SessionId;
    use crate::hub::Hub;
    use crate::hub::bus::envelope::{Envelope, Route};
    use crate::hub::connection::Connection;

    const USER: UserId = UserId(1);

    #[test]
    fn each_change_is_a_frame_and_a_missing_one_is_to_be_read() {
        let hub = Hub::new(1 << 20, Arc::default(), None);
        let connect = || hub.connect(USER, SessionId(1), 9).expect("room");
        let (changes, other) = (connect(), connect());
        hub.accounts.start(USER, AccountVersion(4), Fingerprint::default());
        for (after, upto) in [(4, 6), (4, 6), (7, 8)] {
            let (after, upto) = (AccountVersion(after), AccountVersion(upto));
            let route = Route::Account { user: USER, after, upto, except: Some(changes.number()) };
            hub.receive(&Envelope { route, text: "{}\n{}".into() }, Duration::ZERO);
        }
        let received = |connection: &Connection| connection.queue.take().frames.len();
        assert_eq!((received(&changes), received(&other)), (0, 2));
        let behind: Vec<_> = hub.accounts.behind().iter().map(|one| one.delivered).collect();
        assert_eq!(behind, [AccountVersion(6)]);
    }

    #[test]
    fn a_user_without_connections_is_forgotten() {
        let hub = Hub::new(1 << 20, Arc::default(), None);
        let connect = || hub.connect(USER, SessionId(1), 9).expect("room");
        let (one, other) = (connect(), connect());
        hub.disconnect(&one, Duration::ZERO);
        assert_eq!(hub.accounts.users(), [USER]);
        hub.disconnect(&other, Duration::ZERO);
        assert_eq!(hub.accounts.users(), []);
    }
}
