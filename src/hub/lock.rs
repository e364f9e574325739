//! The hub's locks, and the order in which they nest. Each lock that is held while another is taken has
//! a level, and code that would take them in another order does not compile, so two threads cannot
//! deadlock. Leaf locks, under which nothing else is locked, are plain mutexes: [`lock`].
//!
//! Locks are held for as long as it takes to push to queues, never over an await.

use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// No lock of the hub is held.
#[derive(Debug)]
pub(crate) enum Unlocked {}
/// The first level: how far accounts were delivered.
#[derive(Debug)]
pub(crate) enum AccountsLevel {}
/// The next: the connections of all users.
#[derive(Debug)]
pub(crate) enum PeopleLevel {}
/// Then: a shard of the feeds.
#[derive(Debug)]
pub(crate) enum FeedsLevel {}
/// Then: what one connection subscribes to.
#[derive(Debug)]
pub(crate) enum ConnectionLevel {}
/// The last: who subscribes to whose presence.
#[derive(Debug)]
pub(crate) enum PresenceLevel {}

/// A lock of level `Later` may be taken while one of `Self` is held.
pub(crate) trait Before<Later> {}

impl Before<AccountsLevel> for Unlocked {}
impl Before<PeopleLevel> for Unlocked {}
impl Before<PeopleLevel> for AccountsLevel {}
impl Before<FeedsLevel> for Unlocked {}
impl Before<ConnectionLevel> for Unlocked {}
impl Before<PresenceLevel> for Unlocked {}
impl Before<FeedsLevel> for PeopleLevel {}
impl Before<ConnectionLevel> for PeopleLevel {}
impl Before<PresenceLevel> for PeopleLevel {}
impl Before<ConnectionLevel> for FeedsLevel {}
impl Before<PresenceLevel> for FeedsLevel {}
impl Before<PresenceLevel> for ConnectionLevel {}

/// The right to take locks of levels after `Held`. Taking one borrows it until the lock is released.
#[derive(Debug)]
pub(crate) struct Order<'a, Held>(PhantomData<(&'a mut (), Held)>);

impl Order<'_, Unlocked> {
    /// Where an operation of the hub begins. A function that is called with a lock held takes an
    /// `Order` as an argument instead.
    pub(super) fn start() -> Self {
        Self(PhantomData)
    }
}

/// A mutex with a level.
#[derive(Debug)]
pub(crate) struct Ordered<Level, T> {
    mutex: Mutex<T>,
    level: PhantomData<Level>,
}

impl<Level, T: Default> Default for Ordered<Level, T> {
    fn default() -> Self {
        Self { mutex: Mutex::default(), level: PhantomData }
    }
}

impl<Level, T> Ordered<Level, T> {
    /// Locks, and returns the right to take what comes after.
    pub(super) fn lock<'a, Held: Before<Level>>(
        &'a self,
        _held: &'a mut Order<'_, Held>,
    ) -> (MutexGuard<'a, T>, Order<'a, Level>) {
        (lock(&self.mutex), Order(PhantomData))
    }
}

/// Locks a mutex. A panic elsewhere while it was held leaves data that is still whole: every change
/// under the hub's locks is a single push, insert or removal.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
