//! What every part of a running node shares, built once. Knows how the parts are made from the
//! settings; decides nothing about users, chats or messages.

mod bus;
mod clock;
mod folder;
mod nodes;
mod queues;
mod readiness;
mod sinks;
mod start_error;
mod touched;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::passwords::Passwords;
use crate::auth::secrets::{Sealer, random_hex};
use crate::auth::throttles::Throttles;
use crate::auth::tokens::Signer;
use crate::config::{Ages, Config, DatabaseUrl, Limits, MediaPlace, Server};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::urls::Urls;
use crate::hub::Hub;
use crate::mail::Mailer;
use crate::media::Media;
use crate::media::files::Files;
use crate::shares::FairSemaphore;
use crate::store::Db;
use crate::store::least::Laggards;
use crate::store::open::PostgresSettings;
use crate::store::pooler::OpenError;
use crate::store::pools::Timeouts;
use crate::store::seen::SeenFile;

pub use clock::{AGREEMENT, Clock, SystemClock};
use folder::{kept_secret_key, make_folder};
pub use nodes::{HEARTBEAT_TIMEOUT, Nodes, living_heartbeats};
use queues::MarkQueue;
pub use queues::{PendingMark, PendingSend, SendQueue, Sent, Workers, answered};
pub use readiness::{LastLook, Unready};
use sinks::Sink;
pub use start_error::StartError;
pub use touched::Touched;

/// Bound of a connection's queue, in bytes.
const QUEUE_BYTES: usize = 256 * 1024;
/// Committers on PostgreSQL: two transactions overlap one's fsync with the other's statements.
const POSTGRES_COMMITTERS: usize = 2;

/// Added to a statement's longest time for a worker's answer.
const WORK: Duration = Duration::from_secs(2);
/// Requests of sockets that ask the database at a time, and how many of them for one user. Sends are
/// not among them: the committers have a queue of their own.
const SOCKET_REQUESTS: u32 = 64;
const SOCKET_REQUESTS_SHARE: usize = 4;
/// How many heavy requests one user may have in progress, where there are so many.
const HEAVY_SHARE: u32 = 2;
/// How long a request may wait for its turn. After a restart everybody syncs at once.
const TURN_WAIT: Duration = Duration::from_secs(30);

/// A running node.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Who is connected here.
    pub hub: Hub,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Signs and checks tokens.
    pub signer: Signer,
    /// How old sessions and links may grow.
    pub ages: Ages,
    /// Makes strings that only this site can have made.
    pub sealer: Sealer,
    /// Who has asked too often.
    pub throttles: Throttles,
    /// Held by a request of a socket while it asks the database.
    pub socket_requests: FairSemaphore,
    /// Held while what `sync` or `status.watch` answers is read, by REST or socket. Never held while
    /// something is written to a peer.
    pub heavy_requests: FairSemaphore,
    /// Sends mail.
    pub mailer: Mailer,
    /// The time, the same on all nodes.
    pub clock: Clock,
    /// How much of anything.
    pub limits: Limits,
    /// How it is reached.
    pub server: Server,
    /// Where that is, for the URLs in what it says.
    pub urls: Arc<Urls>,
    /// Pictures.
    pub media: Media,
    /// Who holds back the statuses of large chats' messages.
    pub laggards: Laggards,
    /// Sessions whose use is to be stored.
    pub touched: Touched,
    /// The way to the committers.
    pub sends: SendQueue,
    /// The way to the worker that moves marks.
    pub marks: MarkQueue,
    /// The epoch that this node lives in; empty until it is known.
    pub epoch: watch::Sender<String>,
    /// Where it is kept which versions an embedded database has had.
    pub seen: Option<SeenFile>,
    /// This node among the others.
    pub nodes: Nodes,
    /// Whether the node could serve, as of the last look.
    pub looked: LastLook,
    /// Every task that must end before the process does.
    pub tasks: TaskTracker,
    /// Cancelled when the node is about to stop: balancers are to leave it; it still serves.
    pub draining: CancellationToken,
    /// Cancelled when the node is to stop: no new connections, sockets are sent away.
    pub stopping: CancellationToken,
    /// Cancelled when nothing is in flight any more: background tasks end.
    pub stopped: CancellationToken,
}

impl App {
    /// Opens what the settings name. With it come the workers' ends of its queues.
    pub async fn open(config: &Config) -> Result<(Arc<Self>, Workers), StartError> {
        Self::open_with(config, SystemClock::default()).await
    }

    /// As [`Self::open`], on a machine with this clock.
    pub async fn open_with(
        config: &Config,
        system: SystemClock,
    ) -> Result<(Arc<Self>, Workers), StartError> {
        let secret_key = match &config.tokens.secret_key {
            Some(key) => key.clone(),
            None => kept_secret_key(&config.database.data_dir)?,
        };
        let committers = match config.database.url {
            DatabaseUrl::Sqlite(_) => 1,
            DatabaseUrl::Postgres(_) => POSTGRES_COMMITTERS,
        };
        let (sends, receivers) = SendQueue::new(committers);
        let (marks, marks_receiver) = MarkQueue::new();
        let urls = Arc::new(Urls::new(config.server.public_url.as_deref()));
        let (link, bus) = bus::open(&config.bus, Sealer::new(&secret_key))
            .await
            .map_err(StartError::Bus)?
            .unzip();
        let db = open_database(config).await?;
        let clock = Clock::start(&db, system).await.map_err(OpenError::Store)?;
        // Half of the connections are left to everything else.
        let heavy = (db.readers() / 2).max(1);
        let heavy_share = (heavy / 2).clamp(1, HEAVY_SHARE) as usize;
        let app = Self {
            db,
            hub: Hub::new(QUEUE_BYTES, Arc::clone(&urls), link),
            passwords: Passwords::new()?,
            signer: Signer::new(
                &secret_key,
                config.tokens.access_lifetime,
                config.tokens.refresh_lifetime,
            ),
            ages: config.tokens.ages,
            sealer: Sealer::new(&secret_key),
            throttles: Throttles::new(&config.throttles.rates),
            socket_requests: FairSemaphore::new(
                "requests of sockets",
                SOCKET_REQUESTS,
                SOCKET_REQUESTS_SHARE,
                TURN_WAIT,
            ),
            heavy_requests: FairSemaphore::new("syncs", heavy, heavy_share, TURN_WAIT),
            mailer: Mailer::new(&config.mail)?,
            clock,
            limits: config.limits.clone(),
            server: config.server.clone(),
            urls,
            media: Media::new(open_files(config)?),
            laggards: Laggards::default(),
            touched: Touched::default(),
            sends,
            marks,
            epoch: watch::Sender::default(),
            seen: config.database.sqlite_file().map(|file| SeenFile::beside(&file)),
            nodes: Nodes::new(random_hex::<8>().map_err(|_| Error::internal("no random numbers"))?),
            looked: LastLook::default(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
        };
        let workers = Workers { sends: receivers, marks: marks_receiver, bus };
        Ok((Arc::new(app), workers))
    }

    /// How long a caller waits for a worker's answer: as long as one hanging statement may take,
    /// ahead of the caller's work or in it, and a little for the work itself.
    pub fn patience(&self) -> Duration {
        self.db.patience() + WORK
    }

    /// Publishes committed events: the one door to sockets, and to whatever else acts on them. Only the
    /// unit of work, the committer, and those who read from the database what was committed call it.
    pub fn publish(&self, events: &[Event]) {
        for event in events {
            self.sinks().into_iter().for_each(|sink| sink.publish(event));
        }
    }

    /// Publishes, on this node alone, events that other nodes have published or will find out by themselves.
    pub fn republish(&self, events: &[Event]) {
        for event in events {
            self.sinks().into_iter().for_each(|sink| sink.republish(event));
        }
    }

    fn sinks(&self) -> [Sink<'_>; 1] {
        [Sink::Hub(&self.hub)]
    }

    /// Runs a task that the node waits for before it ends.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Does something again and again for as long as the node serves. What fails is logged, and
    /// costs that turn alone; so does a panic. A turn cannot hang: whatever it waits for has a limit
    /// of its own (the database: [`Db::patience`]).
    pub fn every<F: Future<Output = Result<()>> + Send>(
        self: &Arc<Self>,
        interval: Duration,
        work: impl Fn(Arc<Self>) -> F + Send + 'static,
    ) {
        let app = Arc::clone(self);
        self.background(async move {
            let mut turns = tokio::time::interval(interval);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                match AssertUnwindSafe(work(Arc::clone(&app))).catch_unwind().await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(?error, "a background turn failed"),
                    Err(_) => tracing::error!("a background turn panicked"),
                }
            }
        });
    }

    /// Runs a task for as long as the node serves, until [`App::stopped`]. Nothing waits for it: it
    /// may be cut off between any two of its steps.
    pub fn background(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.stopped.clone();
        #[expect(clippy::disallowed_methods, reason = "the one other place that spawns")]
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = task => {}
            }
        });
    }
}

/// Opens the database that the settings name; of the embedded one, also its folder.
pub async fn open_database(config: &Config) -> Result<Db, StartError> {
    let database = &config.database;
    let timeouts =
        Timeouts { connect: database.connect_timeout, statement: database.statement_timeout };
    match &database.url {
        DatabaseUrl::Sqlite(path) => {
            if path.is_none() {
                make_folder(&database.data_dir)?;
            }
            let file = database.sqlite_file().unwrap_or_default();
            Ok(Db::open_sqlite(&file, timeouts).await?)
        }
        DatabaseUrl::Postgres(url) => {
            let settings =
                PostgresSettings { url: url.clone(), pool_size: database.pool_size, timeouts };
            Ok(Db::connect_postgres(&settings).await?)
        }
    }
}

/// Opens the store of pictures that the settings name; of one in the data folder, also its folder.
fn open_files(config: &Config) -> Result<Files, StartError> {
    let files = match &config.media.place {
        MediaPlace::Bucket { bucket, prefix, options } => Files::in_bucket(bucket, prefix, options),
        MediaPlace::Folder(folder) => {
            let ours = || config.database.data_dir.join("media");
            let folder = folder.clone().unwrap_or_else(ours);
            make_folder(&folder)?;
            Files::in_folder(&folder)
        }
    };
    files.map_err(StartError::Media)
}
