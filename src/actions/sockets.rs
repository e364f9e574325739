//! A socket's place among the connected: what it is told at the start, and what it hears of.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::numbering::Version;
use crate::domain::session::Caller;
use crate::domain::time::Timestamp;
use crate::domain::user::Profile;
use crate::hub::Connection;
use crate::hub::news::Seen;
use crate::hub::queue::Queue;
use crate::hub::replies::{InProgress, Weight};
use crate::store::{chats, members, site};

use super::presence;

/// A connected socket. Dropping it disconnects.
#[derive(Debug)]
pub struct Live {
    app: Arc<App>,
    connection: Arc<Connection>,
}

impl Live {
    /// What waits to be written.
    pub fn queue(&self) -> &Queue {
        &self.connection.queue
    }

    /// Whose it is.
    pub fn user(&self) -> UserId {
        self.connection.user()
    }

    /// Tells it from the others.
    pub fn number(&self) -> u64 {
        self.connection.number()
    }

    /// Counts a request as in progress.
    pub fn begin(&self, weight: Weight) -> InProgress {
        self.connection.begin(weight)
    }

    /// Whether its user is in the chat, as far as it has heard.
    pub(super) fn hears(&self, chat: ChatId) -> bool {
        self.app.hub.hears(&self.connection, chat)
    }

    /// Watches users, and no others beside its private chats' peers.
    pub(super) fn watch(&self, users: &[UserId]) {
        self.app.hub.watch(&self.connection, users);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.app.hub.disconnect(&self.connection, self.app.clock.uptime());
    }
}

/// What a client is told first.
#[derive(Debug)]
pub struct Ready {
    /// Oneself.
    pub me: Profile,
    /// The server's clock.
    pub server_time: Timestamp,
    /// Changes when the data's past does.
    pub epoch: String,
    /// One's chats: what comes after these versions will come as events.
    pub versions: BTreeMap<ChatId, Version>,
}

/// Why a socket is not connected.
#[derive(Debug)]
pub enum Refused {
    /// The user has as many as allowed.
    TooMany,
    /// Something else.
    Failed(Error),
}

/// Connects a socket. It joins its feeds before it reads the versions, so that nothing falls
/// between what it is told and what it hears.
pub async fn connect(app: &Arc<App>, caller: &Caller) -> Result<(Live, Ready), Refused> {
    let me = caller.user.id;
    let elsewhere = presence::connections_elsewhere(app, me).await.map_err(Refused::Failed)?;
    let max = app.limits.sockets_per_user.saturating_sub(elsewhere);
    let connection = app.hub.connect(me, caller.session, max).map_err(|_| Refused::TooMany)?;
    let live = Live { app: Arc::clone(app), connection };
    let ready = start(app, caller, &live).await.map_err(Refused::Failed)?;
    Ok((live, ready))
}

/// Says whether one writes in a chat. [`Error::NotFound`] where one is not in it.
pub fn typing(app: &App, live: &Live, chat: ChatId, active: Result<bool>) -> Result<()> {
    if !live.hears(chat) {
        return Err(Error::NotFound);
    }
    app.hub.typing(live.user(), chat, active?, app.clock.uptime());
    Ok(())
}

async fn start(app: &App, caller: &Caller, live: &Live) -> Result<Ready> {
    let me = caller.user.id;
    // Before the versions: where the database's past changes in between, the old epoch with new
    // versions is corrected by the next one; the new epoch with old versions would not be.
    let epoch = site::epoch(&app.db).await?;
    app.hub.join(&live.connection, &members::chats_of(&app.db, me).await?);
    let peers = app.hub.watch_peers(&live.connection, &chats::peers_of(&app.db, me).await?);
    presence::note(app, &peers).await?;
    app.hub.asked().await;
    let versions = chats::versions_of(&app.db, me).await?;
    let profile = presence::profile(app, caller.user.clone()).await?;
    app.hub.presence.told_by_ready(me, Seen::of(&profile));
    Ok(Ready {
        me: profile,
        server_time: app.clock.now(),
        epoch,
        versions: app.hub.start(&live.connection, &versions),
    })
}
