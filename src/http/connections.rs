//! The connections of a node: their limits, in total and per address, and which ones are closed when the
//! node is nearly full. The limit of open files, less what the rest of the server needs, bounds connections;
//! sockets are bounded by slightly less, so that REST, logouts and health checks still work.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::domain::network::{Network, block};

use super::connection::{ClientConnection, FRESH};

/// How often overdue connections are looked for.
pub(super) const SWEEP: Duration = Duration::from_secs(1);
/// How many connections are accepted above the limit, while closed ones make room for them.
const SPARE: usize = 4;
/// To make room, one in this many connections is closed.
const BATCH_SHARE: usize = 64;
/// One in this many connections is reserved for requests, not sockets; within these bounds.
const NO_SOCKETS_SHARE: usize = 16;
const NO_SOCKETS_MIN: usize = 8;
const NO_SOCKETS_MAX: usize = 256;

/// The connections of a node.
#[derive(Debug)]
pub(super) struct Connections {
    limits: ConnectionLimits,
    trusted: Vec<Network>,
    table: Mutex<Table>,
    /// Notified when a connection ends.
    freed: Notify,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    all: usize,
    sockets: usize,
    /// Of one address, sockets included.
    of_address: usize,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    count: usize,
    sockets: usize,
    blocks: HashMap<IpAddr, HashMap<u64, Arc<ClientConnection>>>,
}

/// A counted connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandle {
    connections: Arc<Connections>,
    connection: Arc<ClientConnection>,
}

/// A connection's slot. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot(ConnectionHandle);

impl ConnectionLimits {
    /// Of so many connections in all (0: any number), and of one address.
    pub(super) fn new(all: usize, of_address: usize) -> Self {
        let all = if all == 0 { usize::MAX - SPARE } else { all };
        let reserve = (all / NO_SOCKETS_SHARE).clamp(NO_SOCKETS_MIN, NO_SOCKETS_MAX);
        // Half of a small node is enough for anybody.
        Self { all, sockets: all.saturating_sub(reserve), of_address: of_address.min(all / 2) }
    }
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits, trusted: Vec<Network>) -> Arc<Self> {
        let (table, freed) = (Mutex::default(), Notify::new());
        Arc::new(Self { limits, trusted, table, freed })
    }

    /// Makes room and waits until one more connection can be accepted.
    pub(super) async fn room(&self) {
        while self.table().count >= self.limits.all + SPARE {
            self.make_room();
            // New connections become closable a little later.
            timeout(FRESH, self.freed.notified()).await.ok();
        }
    }

    /// Adds a connection. Above a limit, others that wait for nothing are closed for it: of the
    /// same address, or of the address that has the most. If an address is at its limit and none of
    /// its connections can be closed, the new one must be refused.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Slot {
        let block = block(peer);
        let mut table = self.table();
        let id = table.next_id;
        table.next_id += 1;
        let own = table.blocks.entry(block).or_default();
        let is_full = own.len() >= self.limits.of_address && !self.is_exempt(peer);
        let refused = is_full && call(waiting(own.values(), Instant::now()), 1) == 0;
        let connection = Arc::new(ClientConnection::new(id, block, refused));
        own.insert(id, Arc::clone(&connection));
        table.count += 1;
        let is_full = table.count > self.limits.all;
        drop(table);
        if is_full {
            self.make_room();
        }
        Slot(ConnectionHandle { connections: Arc::clone(self), connection })
    }

    /// Closes connections whose client has exceeded its timeout.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        for connection in self.table().blocks.values().flat_map(HashMap::values) {
            if connection.is_overdue(now) {
                connection.call();
            }
        }
    }

    /// Closes some connections that wait for nothing, of the addresses that have the most; a
    /// proxy's only if no other address has any. Several at a time, since finding them costs a
    /// walk.
    pub(super) fn make_room(&self) {
        let (now, table) = (Instant::now(), self.table());
        let rank = |block, count| (self.is_proxy(block), Reverse(count));
        let blocks = table.blocks.iter().map(|(block, own)| (rank(*block, own.len()), own));
        let mut blocks: Vec<_> = blocks.collect();
        blocks.sort_by_key(|(rank, _)| *rank);
        let (mut left, mut first) = (1 + self.limits.all / BATCH_SHARE, None);
        for (rank, own) in blocks {
            // Addresses that have fewer are spared.
            if left == 0 || first.is_some_and(|first| first != rank) {
                return;
            }
            let called = call(waiting(own.values(), now), left);
            left -= called;
            first = first.or((called > 0).then_some(rank));
        }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Whether many clients may come from one address: a proxy's, known or not.
    fn is_exempt(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback() || self.is_proxy(peer)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections that can be closed without losing anything, in the order of closing: first those
/// that never sent a request, then those that have waited longest.
fn waiting<'a>(
    connections: impl Iterator<Item = &'a Arc<ClientConnection>>,
    now: Instant,
) -> Vec<&'a Arc<ClientConnection>> {
    let since =
        |connection: &'a Arc<ClientConnection>| Some((connection.waits_since(now)?, connection));
    let mut waiting: Vec<_> = connections.filter_map(since).collect();
    waiting.sort_by_key(|((served, since), connection)| (*served, *since, connection.id));
    waiting.into_iter().map(|(_, connection)| connection).collect()
}

/// Asks the first ones to end. Returns how many.
fn call(connections: Vec<&Arc<ClientConnection>>, most: usize) -> usize {
    connections.into_iter().take(most).map(|connection| connection.call()).count()
}

impl ConnectionHandle {
    /// Makes the connection a socket. `false` if there are too many sockets.
    pub(super) fn upgrade(&self) -> bool {
        let mut table = self.connections.table();
        if table.sockets >= self.connections.limits.sockets {
            return false;
        }
        table.sockets += 1;
        self.upgrading();
        true
    }

    /// Records that the handshake failed, if there was one.
    pub(super) fn stay_http(&self) {
        if self.is_socket() {
            self.connections.table().sockets -= 1;
            self.requested();
        }
    }
}

impl Deref for ConnectionHandle {
    type Target = ClientConnection;

    fn deref(&self) -> &ClientConnection {
        &self.connection
    }
}

impl Slot {
    /// Read access to the connection.
    pub(super) fn handle(&self) -> ConnectionHandle {
        self.0.clone()
    }
}

impl Deref for Slot {
    type Target = ClientConnection;

    fn deref(&self) -> &ClientConnection {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let ConnectionHandle { connections, connection } = &self.0;
        let mut table = connections.table();
        table.count -= 1;
        table.sockets -= usize::from(connection.is_socket());
        if let Some(own) = table.blocks.get_mut(&connection.block) {
            own.remove(&connection.id);
            if own.is_empty() {
                table.blocks.remove(&connection.block);
            }
        }
        drop(table);
        connections.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    fn connections(all: usize, of_address: usize) -> Arc<Connections> {
        let proxy = Network::parse("10.0.0.1").expect("an address");
        Connections::new(ConnectionLimits { all, sockets: all - 1, of_address }, vec![proxy])
    }

    fn ip(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    fn is_called(slot: &Slot) -> bool {
        slot.cut().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_those_who_have_most_and_wait_longest() {
        let connections = connections(4, 4);
        let proxied: Vec<_> = (0..2).map(|_| connections.enter([10, 0, 0, 1].into())).collect();
        let served = connections.enter(ip(1));
        served.requested();
        served.answered();
        let working = connections.enter(ip(1));
        working.requested();
        assert!(!is_called(&served), "there is room");
        let fresh = connections.enter(ip(1));
        assert!(is_called(&served) && !is_called(&fresh), "its request may be on the way");
        advance(FRESH).await;
        let newest = connections.enter(ip(1));
        assert!(is_called(&fresh) && !is_called(&newest), "who never sent a request goes first");
        assert!(!is_called(&working) && !proxied.iter().any(is_called));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_a_limit_and_its_idle_connections_go_first() {
        let connections = connections(100, 2);
        let (first, second) = (connections.enter(ip(1)), connections.enter(ip(1)));
        assert!(!first.refused && !second.refused);
        first.requested();
        advance(FRESH).await;
        let third = connections.enter(ip(1));
        assert!(!third.refused && is_called(&second) && !is_called(&first));
        for slot in [&second, &third] {
            slot.requested();
        }
        assert!(connections.enter(ip(1)).refused);
        assert!(!connections.enter(ip(2)).refused);
        for exempt in [[127, 0, 0, 1], [10, 0, 0, 1]] {
            let many: Vec<_> = (0..5).map(|_| connections.enter(exempt.into())).collect();
            many.iter().for_each(|slot| slot.requested());
            assert!(!connections.enter(exempt.into()).refused);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_makes_room() {
        let connections = connections(1, 10);
        let mut open: Vec<_> = (0..=SPARE).map(|_| connections.enter(ip(1))).collect();
        open.iter().for_each(|slot| slot.requested());
        assert!(!open[0].handle().upgrade(), "of one, none is for sockets");
        assert!(connections.room().now_or_never().is_none());
        open.pop();
        assert!(connections.room().now_or_never().is_some());
        drop(open);
        let table = connections.table();
        assert_eq!((table.count, table.sockets, table.blocks.len()), (0, 0, 0));
    }
}
