//! Connecting a socket, in numbered steps. Each consumes the result of the one before, so they cannot be
//! reordered: the order ensures that no event is lost between the versions in `ready` and the events that
//! follow it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::App;
use crate::domain::account_version::Fingerprint;
use crate::domain::error::{Error, Result};
use crate::domain::ids::ChatId;
use crate::domain::numbering::Version;
use crate::domain::session::Caller;
use crate::domain::time::Timestamp;
use crate::domain::user::Profile;
use crate::hub::feeds::Memberships;
use crate::hub::presence::status::ShownStatus;
use crate::store::connecting::{Entry, Standing};

use super::live::LiveSocket;
use super::{hiding, lookups, presence, profiles};

/// How often the versions are read at most.
const READINGS_MAX: usize = 10;

/// The content of `ready`.
#[derive(Debug)]
pub struct Ready {
    /// The user.
    pub me: Profile,
    /// The server's clock.
    pub server_time: Timestamp,
    /// The epoch of the versions.
    pub epoch: String,
    /// The user's chats: every event after these versions will be delivered.
    pub versions: BTreeMap<ChatId, Version>,
}

/// Why a socket is not connected.
#[derive(Debug)]
pub enum ConnectError {
    /// The user has as many as allowed.
    TooMany,
    /// Something else.
    Failed(Error),
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Connects a socket.
pub async fn connect(app: &Arc<App>, caller: &Caller) -> Result<(LiveSocket, Ready), ConnectError> {
    let registered = register(app, caller).await?;
    if caller.user.in_blocks {
        hiding::refresh(app, caller.user.id).await?;
    }
    let entered = registered.read_entry().await?;
    let joined = entered.join_feeds();
    let subscribed = joined.subscribe_to_peers().await?;
    Ok(subscribed.start().await?)
}

/// 1. Registered: the connection gets chats that the user enters from now on.
struct Registered<'a> {
    app: &'a Arc<App>,
    socket: LiveSocket,
}

/// 2. The user's chats were read, and the epoch before the versions: if the database is restored in between, the
///    old epoch with new versions is corrected by the next one; the new epoch with old versions would not be.
struct Entered<'a> {
    before: Registered<'a>,
    entry: Entry,
}

/// 3. Joined the feeds of the user's chats: events are queued from now on.
struct Joined<'a>(Entered<'a>);

/// 4. Subscribed to the presence of private chats' peers, and on the bus to what other nodes publish.
struct Subscribed<'a>(Entered<'a>);

async fn register<'a>(app: &'a Arc<App>, caller: &Caller) -> Result<Registered<'a>, ConnectError> {
    let elsewhere = profiles::connections_elsewhere(app, caller.user.id).await?;
    let max = app.limits.sockets_per_user.saturating_sub(elsewhere);
    let connection = app.hub.connect(caller.user.id, caller.session, max);
    let connection = connection.map_err(|_| ConnectError::TooMany)?;
    Ok(Registered { app, socket: LiveSocket::new(Arc::clone(app), connection) })
}

impl<'a> Registered<'a> {
    async fn read_entry(self) -> Result<Entered<'a>> {
        let entry = lookups::entry(self.app, self.socket.user()).await?;
        Ok(Entered { before: self, entry })
    }
}

impl<'a> Entered<'a> {
    fn join_feeds(self) -> Joined<'a> {
        let Registered { app, ref socket } = self.before;
        app.hub.feeds.join(&socket.connection, &self.entry.chats);
        Joined(self)
    }
}

impl<'a> Joined<'a> {
    async fn subscribe_to_peers(self) -> Result<Subscribed<'a>> {
        let Entered { before: Registered { app, ref socket }, ref entry } = self.0;
        let subscriptions = &app.hub.presence.subscriptions;
        let unknown = subscriptions.set_peers(&socket.connection, &entry.peers);
        presence::record(app, &unknown).await?;
        app.hub.bus.subscribed().await;
        Ok(Subscribed(self.0))
    }
}

impl Subscribed<'_> {
    /// 5. Reads the user, the versions and who has left, and starts delivery after them.
    async fn start(self) -> Result<(LiveSocket, Ready)> {
        let Entered { before: Registered { app, socket }, entry } = self.0;
        let standing = lookups::standing(app, socket.user()).await?;
        let me = profiles::profile(app, standing.user.clone()).await?;
        app.hub.presence.local.record_ready(me.user.id, ShownStatus::of(&me));
        // The connection is sent what changes after this version.
        app.hub.accounts.start(me.user.id, me.user.account_version, Fingerprint::of(&me.user));
        let versions = start_feeds(app, &socket, standing).await?;
        let ready = Ready { me, server_time: app.clock.now(), epoch: entry.epoch, versions };
        Ok((socket, ready))
    }
}

/// Another reading is needed only if another connection starts a feed between a reading and its use, or if the
/// database was restored from a backup. In the latter case the epoch is about to be renewed.
async fn start_feeds(
    app: &Arc<App>,
    socket: &LiveSocket,
    mut standing: Standing,
) -> Result<BTreeMap<ChatId, Version>> {
    for _ in 1..READINGS_MAX {
        if !app.hub.feeds.is_outdated(&socket.connection, &memberships(&standing)) {
            break;
        }
        standing = lookups::standing(app, socket.user()).await?;
    }
    Ok(app.hub.start(&socket.connection, &memberships(&standing)))
}

fn memberships(standing: &Standing) -> Memberships<'_> {
    Memberships { versions: &standing.versions, left: &standing.left }
}
