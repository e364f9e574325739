//! The unit of work: a transaction, and the events that become known when it is committed. Nothing
//! is published that was not committed, and nothing committed stays unpublished because a client
//! went away. Pictures that nobody's row names any more go then as well.

use std::sync::Arc;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::store::Tx;

use super::{avatars, epoch};

/// A transaction, with the events to come and the pictures to go. Dropped without [`Unit::commit`],
/// it is rolled back.
#[derive(Debug)]
pub struct Unit {
    pub(super) app: Arc<App>,
    /// Where to write.
    pub tx: Tx,
    events: Vec<Event>,
    pictures: Vec<String>,
}

impl Unit {
    /// Begins.
    pub async fn begin(app: &Arc<App>) -> Result<Self> {
        Ok(Self::of(app, app.db.begin().await?))
    }

    /// Begins what has to succeed though the disk is full: [`crate::store::Db::begin_vital`].
    pub async fn begin_vital(app: &Arc<App>) -> Result<Self> {
        Ok(Self::of(app, app.db.begin_vital().await?))
    }

    fn of(app: &Arc<App>, tx: Tx) -> Self {
        Self { app: Arc::clone(app), tx, events: Vec::new(), pictures: Vec::new() }
    }

    /// The moment.
    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Says what will have happened.
    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Gives up a picture's file: no row will name it.
    pub fn discard(&mut self, picture: Option<String>) {
        self.pictures.extend(picture);
    }

    /// Commits, then publishes. On success everything is durable.
    pub async fn commit(self) -> Result<()> {
        let Self { app, tx, events, pictures } = self;
        let node = Arc::clone(&app);
        // On a task of its own: a request that is dropped in the middle (its client hung up) would
        // otherwise commit without publishing.
        node.spawn(async move {
            tx.commit().await?;
            app.publish(&events);
            epoch::keep_seen(&app);
            if !pictures.is_empty() {
                app.spawn(avatars::remove(Arc::clone(&app), pictures));
            }
            Ok(())
        })
        .await
        .map_err(Error::internal)?
    }
}
