//! The state that all parts of a running node share. Built once, from the settings; decides nothing about
//! users, chats or messages.

mod bus;
mod clock;
mod folder;
mod lookups;
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
use tokio::sync::{Mutex, watch};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::hashes::HashCost;
use crate::auth::passwords::Passwords;
use crate::auth::rate_limits::RateLimits;
use crate::auth::secrets::{SigningKey, random_hex};
use crate::auth::tokens::Signer;
use crate::config::{
    Ages, Config, DatabaseUrl, Limits, LogAccounts, MediaUrl, RetentionSettings, ServerSettings,
};
use crate::domain::error::{Error, Result};
use crate::domain::event::Event;
use crate::domain::urls::Urls;
use crate::hub::Hub;
use crate::mail::Mailer;
use crate::media::Media;
use crate::media::files::Files;
use crate::metrics::Metrics;
use crate::reach::Server;
use crate::shares::FairSemaphore;
use crate::store::Db;
use crate::store::counters::Counts;
use crate::store::least::Laggards;
use crate::store::open::PostgresSettings;
use crate::store::pooler::OpenError;
use crate::store::pools::Timeouts;
use crate::store::seen::SeenFile;

pub use bus::check_bus;
pub use clock::{AGREEMENT, Clock, SystemClock};
use folder::{kept_secret_key, make_folder};
use lookups::Lookups;
pub use lookups::{Lookup, Questions, Waiting, answer};
pub use nodes::{HEARTBEAT_TIMEOUT, Nodes, living_heartbeats};
use queues::{MarkerQueue, ReactionQueue};
pub use queues::{
    PendingMarkers, PendingReaction, PendingSend, SendQueue, Sent, Workers, answered,
};
pub use readiness::{LastCheck, Unready};
use sinks::Sink;
pub use start_error::StartError;
pub use touched::Touched;

/// Bound of a connection's queue, in bytes.
const QUEUE_BYTES: usize = 256 * 1024;
/// Committers on PostgreSQL: two transactions overlap the fsync of one with the statements of the other.
const POSTGRES_COMMITTERS: usize = 2;

/// Added to the statement timeout, for the work of a committer or marker worker itself.
const WORK_MARGIN: Duration = Duration::from_secs(2);
/// Most socket requests that use the database at once, on this node and for one user. Sends are not
/// counted: the committers have a queue of their own.
const SOCKET_REQUESTS: u32 = 64;
const SOCKET_REQUESTS_SHARE: usize = 4;
/// Most heavy requests that one user may have in progress.
const HEAVY_SHARE: u32 = 2;
/// Timeout for a permit. After a restart all clients sync at once.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// A running node.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// The connections to this node, and the fan-out to them.
    pub hub: Hub,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Signs and checks tokens.
    pub signer: Signer,
    /// How long sessions and links live.
    pub ages: Ages,
    /// Signs strings that only this site can have made.
    pub signing_key: SigningKey,
    /// Whether the log has the names that were typed to log in, instead of hashes.
    pub logs_names: bool,
    /// Rate limits.
    pub rate_limits: RateLimits,
    /// Permits for socket requests that use the database.
    pub socket_requests: FairSemaphore,
    /// Permits for heavy requests (`sync`, `status.watch`), over REST and sockets. None is held while
    /// something is written to a peer.
    pub heavy_requests: FairSemaphore,
    /// Sends mail.
    pub mailer: Mailer,
    /// The time, the same on all nodes.
    pub clock: Clock,
    /// Sizes and counts that users may reach.
    pub limits: Limits,
    /// For how long messages and audit rows are kept.
    pub retention: RetentionSettings,
    /// Addresses, proxies and connections.
    pub server: ServerSettings,
    /// The public URL, for URLs in answers and events.
    pub urls: Arc<Urls>,
    /// Avatars.
    pub media: Media,
    /// In large chats: the members whose markers are furthest behind.
    pub laggards: Laggards,
    /// Sessions that were used and whose last use is not stored yet.
    pub touched: Touched,
    /// Where many look something up at the same time, on PostgreSQL.
    pub lookups: Lookups,
    /// The queues to the committers.
    pub sends: SendQueue,
    /// The queue to the worker that writes reactions.
    pub reactions: ReactionQueue,
    /// The queue to the worker that moves markers.
    pub markers: MarkerQueue,
    /// The current epoch; empty until it is known.
    pub epoch: watch::Sender<String>,
    /// The file beside an embedded database that records which versions it has had.
    pub seen: Option<SeenFile>,
    /// This node among the others.
    pub nodes: Nodes,
    /// What is counted, for monitoring.
    pub metrics: Metrics,
    /// How much of that is stored, for the admin site. Locked while the next is written, so that nothing is written twice.
    pub stored_counts: Mutex<Counts>,
    /// The result of the last readiness check.
    pub last_check: LastCheck,
    /// Tasks that shutdown waits for.
    pub tasks: TaskTracker,
    /// Cancelled when the node drains: load balancers are to leave it, but it still serves.
    pub draining: CancellationToken,
    /// Cancelled when the node stops: no new connections, and sockets are closed.
    pub stopping: CancellationToken,
    /// Cancelled when no request is in flight any more: background tasks end.
    pub stopped: CancellationToken,
}

impl App {
    /// Opens everything that the settings name. Also returns the workers' ends of the queues.
    pub async fn open(config: &Config) -> Result<(Arc<Self>, Workers), StartError> {
        Self::open_with(config, SystemClock::default(), HashCost::default()).await
    }

    /// [`Self::open`], on a machine with this clock, with this cost of hashing passwords.
    pub async fn open_with(
        config: &Config,
        system: SystemClock,
        hash_cost: HashCost,
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
        let (reactions, reactions_receiver) = ReactionQueue::new();
        let (markers, markers_receiver) = MarkerQueue::new();
        let (lookups, questions) = Lookups::new();
        let urls = Arc::new(Urls::new(config.server.public_url.as_deref()));
        let (link, bus) = bus::open(&config.bus, SigningKey::new(&secret_key))
            .await
            .map_err(StartError::Bus)?
            .unzip();
        let db = open_database(config).await?;
        let clock = Clock::start(&db, system).await.map_err(OpenError::Store)?;
        // Half of the connections are left to everything else.
        let heavy = (db.readers() / 2).max(1);
        let heavy_share = (heavy / 2).clamp(1, HEAVY_SHARE) as usize;
        let hub = Hub::new(QUEUE_BYTES, Arc::clone(&urls), link);
        let metrics = Metrics::new(db.metrics(), hub.metrics.clone(), hub.bus.metrics());
        let app = Self {
            db,
            hub,
            passwords: Passwords::new(hash_cost)?,
            signer: Signer::new(
                &secret_key,
                config.tokens.access_lifetime,
                config.tokens.refresh_lifetime,
            ),
            ages: config.tokens.ages,
            signing_key: SigningKey::new(&secret_key),
            logs_names: config.logging.accounts == LogAccounts::Name,
            rate_limits: RateLimits::new(&config.rate_limits.rates),
            socket_requests: FairSemaphore::new(
                "requests of sockets",
                SOCKET_REQUESTS,
                SOCKET_REQUESTS_SHARE,
                PERMIT_TIMEOUT,
            ),
            heavy_requests: FairSemaphore::new("syncs", heavy, heavy_share, PERMIT_TIMEOUT),
            mailer: Mailer::new(&config.mail, config.logging.format)?,
            clock,
            limits: config.limits.clone(),
            retention: config.retention,
            server: config.server.clone(),
            urls,
            media: Media::new(open_files(config)?),
            laggards: Laggards::default(),
            touched: Touched::default(),
            lookups,
            sends,
            reactions,
            markers,
            epoch: watch::Sender::default(),
            seen: config.database.sqlite_file().map(|file| SeenFile::beside(&file)),
            nodes: Nodes::new(random_hex::<8>().map_err(|_| Error::internal("no random numbers"))?),
            metrics,
            stored_counts: Mutex::default(),
            last_check: LastCheck::default(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
        };
        let workers = Workers {
            sends: receivers,
            reactions: reactions_receiver,
            markers: markers_receiver,
            questions,
            bus,
        };
        Ok((Arc::new(app), workers))
    }

    /// Timeout for a worker's answer: one statement that hangs, ahead of the caller's work or in it, and a
    /// margin for the work itself.
    pub fn worker_timeout(&self) -> Duration {
        self.db.answer_timeout() + WORK_MARGIN
    }

    /// Publishes committed events: the one door to sockets, and to whatever else acts on them. Only the
    /// unit of work, the committer, and those who read from the database what was committed call it.
    pub fn publish(&self, events: &[Event]) {
        for event in events {
            self.sinks().into_iter().for_each(|sink| sink.publish(event));
        }
    }

    /// Publishes, on this node alone, events that other nodes have published or will find out by
    /// themselves.
    pub fn republish(&self, events: &[Event]) {
        for event in events {
            self.sinks().into_iter().for_each(|sink| sink.republish(event));
        }
    }

    fn sinks(&self) -> [Sink<'_>; 1] {
        [Sink::Hub(&self.hub)]
    }

    /// Runs a task that shutdown waits for.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Runs a background task, named for the log, at an interval for as long as the node serves. An error
    /// or panic is logged, and the next run goes ahead. A run cannot hang: everything that it waits for has
    /// a timeout (the database: [`Db::answer_timeout`]).
    pub fn every<F: Future<Output = Result<()>> + Send>(
        self: &Arc<Self>,
        task: &'static str,
        interval: Duration,
        work: impl Fn(Arc<Self>) -> F + Send + 'static,
    ) {
        let app = Arc::clone(self);
        app.metrics.node.has_task(task);
        self.background(task, async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match AssertUnwindSafe(work(Arc::clone(&app))).catch_unwind().await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        app.metrics.node.task_failed(task);
                        tracing::warn!(task, error = %error.cause(), "background task failed");
                    }
                    // The hook has logged the panic's own message.
                    Err(_) => {
                        app.metrics.node.task_failed(task);
                        tracing::error!(task, "background task panicked");
                    }
                }
            }
        });
    }

    /// Runs a task, named for the log, until [`App::stopped`]. Shutdown does not wait for it: it may be
    /// cancelled at any await.
    pub fn background(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.stopped.clone();
        #[expect(clippy::disallowed_methods, reason = "the one other place that spawns")]
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                ended = AssertUnwindSafe(task).catch_unwind() => if ended.is_err() {
                    tracing::error!(task = name, "background task panicked and has ended");
                },
            }
        });
    }
}

/// Opens the database that the settings name. Makes the folder of an embedded one.
pub async fn open_database(config: &Config) -> Result<Db, StartError> {
    let database = &config.database;
    let timeouts =
        Timeouts { connect: database.connect_timeout, statement: database.statement_timeout };
    let db = match &database.url {
        DatabaseUrl::Sqlite(path) => {
            if path.is_none() {
                make_folder(&database.data_dir)?;
            }
            let file = database.sqlite_file().unwrap_or_default();
            Db::open_sqlite(&file, timeouts).await?
        }
        DatabaseUrl::Postgres(url) => {
            let settings =
                PostgresSettings { url: url.clone(), pool_size: database.pool_size, timeouts };
            Db::connect_postgres(&settings).await?
        }
    };
    Ok(db.log_slow(config.logging.slow_sql))
}

/// Opens the storage for avatars that the settings name. Makes its folder.
pub fn open_files(config: &Config) -> Result<Files, StartError> {
    let files = match &config.media.url {
        MediaUrl::Bucket { bucket, prefix, options } => Files::in_bucket(bucket, prefix, options),
        MediaUrl::Folder(folder) => {
            let ours = || config.database.data_dir.join("media");
            let folder = folder.clone().unwrap_or_else(ours);
            make_folder(&folder)?;
            Files::in_folder(&folder)
        }
    };
    files.map_err(StartError::Media)
}

/// Looks at the storage for avatars. The error says why it cannot be used.
pub async fn check_files(config: &Config, limit: Duration) -> Result<(), String> {
    if let Some(endpoint) = config.media.endpoint()
        && let (Some(host), Some(port)) = (endpoint.host_str(), endpoint.port_or_known_default())
    {
        let server = Server { host: host.trim_matches(['[', ']']).to_owned(), port };
        server
            .probe(limit)
            .await
            .map_err(|cause| format!("the bucket's server at {server}: {cause}"))?;
    }
    let files = open_files(config).map_err(|error| error.to_string())?;
    match timeout(limit, files.check()).await {
        Ok(checked) => checked.map_err(|error| error.cause().to_string()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}
