//! Connecting a socket, in numbered steps. Each consumes the result of the one before, so they cannot be
//! reordered: the order ensures that no event is lost between the versions in `ready` and the events that
//! follow it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
use crate::store::{chats, departures, members, site, users};

use super::live::LiveSocket;
use super::{presence, profiles};

/// Earlier departures are not read: no event takes that long, and no node looks back that far for departures while
/// the database is available.
const DEPARTURES_READ: Duration = Duration::from_secs(120);

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
    let dated = registered.read_epoch().await?;
    let joined = dated.join_feeds().await?;
    let subscribed = joined.subscribe_to_peers().await?;
    Ok(subscribed.start().await?)
}

/// 1. Registered: the connection gets chats that the user enters from now on.
struct Registered<'a> {
    app: &'a App,
    caller: &'a Caller,
    socket: LiveSocket,
}

/// 2. The epoch was read, before the versions: if the database is restored in between, the old epoch with
///    new versions is corrected by the next one; the new epoch with old versions would not be.
struct Dated<'a> {
    before: Registered<'a>,
    epoch: String,
}

/// 3. Joined the feeds of the user's chats: events are queued from now on.
struct Joined<'a>(Dated<'a>);

/// 4. Subscribed to the presence of private chats' peers, and on the bus to what other nodes publish.
struct Subscribed<'a>(Dated<'a>);

async fn register<'a>(
    app: &'a Arc<App>,
    caller: &'a Caller,
) -> Result<Registered<'a>, ConnectError> {
    let elsewhere = profiles::connections_elsewhere(app, caller.user.id).await?;
    let max = app.limits.sockets_per_user.saturating_sub(elsewhere);
    let connection = app.hub.connect(caller.user.id, caller.session, max);
    let connection = connection.map_err(|_| ConnectError::TooMany)?;
    Ok(Registered { app, caller, socket: LiveSocket::new(Arc::clone(app), connection) })
}

impl<'a> Registered<'a> {
    async fn read_epoch(self) -> Result<Dated<'a>> {
        let epoch = site::epoch(&self.app.db).await?;
        Ok(Dated { before: self, epoch })
    }
}

impl<'a> Dated<'a> {
    async fn join_feeds(self) -> Result<Joined<'a>> {
        let Registered { app, caller, ref socket } = self.before;
        let chats = members::chats_of(&app.db, caller.user.id).await?;
        app.hub.feeds.join(&socket.connection, &chats);
        Ok(Joined(self))
    }
}

impl<'a> Joined<'a> {
    async fn subscribe_to_peers(self) -> Result<Subscribed<'a>> {
        let Registered { app, caller, ref socket } = self.0.before;
        let peers = chats::peers_of(&app.db, caller.user.id).await?;
        let unknown = app.hub.presence.subscriptions.set_peers(&socket.connection, &peers);
        presence::record(app, &unknown).await?;
        app.hub.bus.subscribed().await;
        Ok(Subscribed(self.0))
    }
}

impl Subscribed<'_> {
    /// 5. Reads the versions, then who has left, and starts delivery after them.
    async fn start(self) -> Result<(LiveSocket, Ready)> {
        let Dated { before: Registered { app, caller, socket }, epoch } = self.0;
        // Read now, since the connection is sent what changes after this version.
        let user = users::by_id(&app.db, caller.user.id).await?.ok_or(Error::TokenNotValid)?;
        let me = profiles::profile(app, user).await?;
        app.hub.presence.local.record_ready(me.user.id, ShownStatus::of(&me));
        app.hub.accounts.start(me.user.id, me.user.account_version, Fingerprint::of(&me.user));
        let versions = start_feeds(app, &socket).await?;
        let ready = Ready { me, server_time: app.clock.now(), epoch, versions };
        Ok((socket, ready))
    }
}

/// Another reading is needed only if another connection starts a feed between a reading and its use, or if the
/// database was restored from a backup. In the latter case the epoch is about to be renewed.
async fn start_feeds(app: &App, socket: &LiveSocket) -> Result<BTreeMap<ChatId, Version>> {
    let mut readings = 0;
    loop {
        let versions = chats::versions_of(&app.db, socket.user()).await?;
        let since = app.clock.now().minus(DEPARTURES_READ);
        let left = departures::of_user(&app.db, socket.user(), since).await?;
        let memberships = Memberships { versions: &versions, left: &left };
        readings += 1;
        let is_outdated = app.hub.feeds.is_outdated(&socket.connection, &memberships);
        if !is_outdated || readings == READINGS_MAX {
            return Ok(app.hub.start(&socket.connection, &memberships));
        }
    }
}
