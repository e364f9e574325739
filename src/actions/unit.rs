//! The unit of work: a transaction, and the events that are published when it is committed. Nothing is
//! published that was not committed, and a committed event is published even if its client has hung up.
//! Files that no row names any more are deleted then, too.

use std::sync::Arc;

use tracing::Instrument;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::store::Tx;
use crate::traces;

use super::{avatars, epoch, stored_files};

/// A transaction, with the events to publish and the files to delete after the commit. If dropped without
/// [`Unit::commit`], it is rolled back.
#[derive(Debug)]
pub struct Unit {
    pub(super) app: Arc<App>,
    /// The transaction.
    pub tx: Tx,
    events: Vec<Event>,
    pictures: Vec<String>,
    files: Vec<String>,
}

impl Unit {
    /// Begins a transaction.
    pub async fn begin(app: &Arc<App>) -> Result<Self> {
        Ok(Self::of(app, app.db.begin().await?))
    }

    /// Begins a transaction that must succeed even if the disk is full: [`crate::store::Db::begin_vital`].
    pub async fn begin_vital(app: &Arc<App>) -> Result<Self> {
        Ok(Self::of(app, app.db.begin_vital().await?))
    }

    fn of(app: &Arc<App>, tx: Tx) -> Self {
        Self {
            app: Arc::clone(app),
            tx,
            events: Vec::new(),
            pictures: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Adds an event, published after the commit.
    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Deletes an avatar's file after the commit: no row will name it.
    pub fn discard(&mut self, picture: Option<String>) {
        self.pictures.extend(picture);
    }

    /// Deletes the files of attachments after the commit, by their storage keys, unless another row names them.
    pub fn discard_files(&mut self, keys: impl IntoIterator<Item = String>) {
        self.files.extend(keys);
    }

    /// Commits, then publishes. When this returns, everything is durable.
    pub async fn commit(self) -> Result<()> {
        let Self { app, tx, events, pictures, files } = self;
        let node = Arc::clone(&app);
        // On a task of its own: a request that is cancelled (its client hung up) would otherwise commit
        // without publishing.
        let committing = async move {
            tx.commit().await?;
            app.publish(&events);
            epoch::keep_seen(&app);
            if !pictures.is_empty() {
                app.spawn(avatars::remove(Arc::clone(&app), pictures));
            }
            if !files.is_empty() {
                app.spawn(stored_files::remove(Arc::clone(&app), files));
            }
            Ok(())
        };
        node.spawn(committing.instrument(traces::current())).await.map_err(Error::internal)?
    }
}
