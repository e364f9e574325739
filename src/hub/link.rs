//! The way to the other nodes, through NATS: what happens here is published under the subject of
//! the chat or user that it concerns, and heard by the nodes that asked for that. NATS promises to
//! deliver once at most, and so nothing here is relied upon: what is lost, repeated or late is made
//! good by the versions. Every message is signed with a key that only the site's nodes have, so whoever
//! else can publish to NATS is not believed. Knows no database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::connection::State as Connection;
use async_nats::{Client, ConnectOptions, Event, Message, RequestErrorKind, ServerAddr};
use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, SelectAll};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::auth::secrets::Sealer;

use super::Hub;
use super::news::{News, Topic};

/// News that may wait to be published; more are lost.
const WAITING: usize = 16_384;
/// News of one subject that may wait to be heard; more are lost.
const UNHEARD: usize = 512;
/// How long somebody who connects waits for what they are interested in to be asked for, at most.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long the server may take to answer.
const ROUND_TRIP: Duration = Duration::from_secs(2);
/// How often a silent server is asked whether it is there.
const PING: Duration = Duration::from_secs(10);
/// How long after a try to connect that came to nothing the next one begins, at most.
const RETRY: Duration = Duration::from_secs(2);

/// How often it is logged that messages came which no node of this site has signed.
const FORGED_LOGGED: Duration = Duration::from_secs(60);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The hub's end: what is to be told goes in here.
#[derive(Debug)]
pub struct Link {
    outgoing: mpsc::Sender<News>,
    state: Arc<State>,
}

/// The other end, which speaks with NATS.
pub struct Messenger {
    servers: Vec<ServerAddr>,
    options: ConnectOptions,
    outgoing: mpsc::Receiver<News>,
    state: Arc<State>,
    key: Sealer,
}

impl std::fmt::Debug for Messenger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messenger").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// There is a connection, by which others are asked.
    connected: AtomicBool,
    /// There is a new connection.
    came: Notify,
    /// Something may have been lost.
    lost: Notify,
    /// Up to which change of the hub's interests others are asked.
    asked: watch::Sender<u64>,
}

impl State {
    fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                tracing::info!("connected to the bus");
                self.came.notify_one();
            }
            Event::Disconnected => {
                tracing::warn!("the bus is away: other nodes hear of what happens here late");
                self.connected.store(false, Ordering::Relaxed);
            }
            Event::SlowConsumer(_) => {
                tracing::warn!("more came over the bus than could be heard");
                self.lost.notify_one();
            }
            Event::Draining | Event::Closed => {}
            other => tracing::warn!(event = %other, "the bus"),
        }
    }
}

impl Link {
    /// Both ends of the way over one of `servers`. Messages are signed with `key`; all nodes of a site
    /// have the same.
    pub fn new(
        servers: Vec<ServerAddr>,
        options: ConnectOptions,
        key: Sealer,
    ) -> (Self, Messenger) {
        let (sender, outgoing) = mpsc::channel(WAITING);
        let state = Arc::new(State::default());
        let noting = Arc::clone(&state);
        let options = options
            .name("meowsenger")
            .retry_on_initial_connect()
            .reconnect_delay_callback(|tries| RETRY.min(Duration::from_millis(50 << tries.min(10))))
            .ping_interval(PING)
            .request_timeout(Some(ROUND_TRIP))
            // What is said here was heard here.
            .no_echo()
            .subscription_capacity(UNHEARD)
            .event_callback(move |event| {
                noting.note(&event);
                std::future::ready(())
            });
        let link = Self { outgoing: sender, state: Arc::clone(&state) };
        (link, Messenger { servers, options, outgoing, state, key })
    }

    /// Whether there is a way at the moment.
    pub(super) fn is_connected(&self) -> bool {
        self.state.is_connected()
    }

    /// Tells the others. Where the way is blocked the news are lost, and versions tell that.
    pub(super) fn tell(&self, news: News) {
        drop(self.outgoing.try_send(news));
    }

    /// Waits until something may have been lost.
    pub(super) async fn lost(&self) {
        self.state.lost.notified().await;
    }

    /// Waits until others are asked for all that was of interest up to a change, or not for long.
    pub(super) async fn asked(&self, change: u64) {
        if self.is_connected() {
            let mut asked = self.state.asked.subscribe();
            // Without it, too, nothing is lost: the versions are compared.
            drop(timeout(PATIENCE, asked.wait_for(|asked| *asked >= change)).await);
        }
    }
}

impl Messenger {
    /// Carries news between the hub and the other nodes of the site, for as long as it is polled.
    /// May be dropped, and called again for another site.
    pub async fn run(&mut self, hub: &Hub, site: &str, now: impl Fn() -> Duration) {
        self.state.connected.store(false, Ordering::Relaxed);
        loop {
            if let Err(error) = self.carry(hub, site, &now).await {
                tracing::error!(%error, "the bus failed");
            }
            self.state.connected.store(false, Ordering::Relaxed);
            sleep(RETRY).await;
        }
    }

    /// Ends only where the client itself does, which reconnects otherwise.
    async fn carry(
        &mut self,
        hub: &Hub,
        site: &str,
        now: impl Fn() -> Duration,
    ) -> Result<(), Error> {
        let client = self.options.clone().connect(&self.servers).await?;
        hub.interest.renew();
        let (outgoing, state) = (&mut self.outgoing, &*self.state);
        let way = Way { client: &client, site, key: &self.key };
        tokio::try_join!(talk(outgoing, &way, state), listen(hub, &way, state, now))?;
        Ok(())
    }
}

/// A connection, and how this site's messages are named and signed on it.
struct Way<'a> {
    client: &'a Client,
    site: &'a str,
    key: &'a Sealer,
}

impl Way<'_> {
    async fn publish(&self, news: &News) -> Result<(), Error> {
        let subject = subject(self.site, news.topic());
        let signed = self.key.sign(&subject, &news.encode()?);
        Ok(self.client.publish(subject, signed.into()).await?)
    }

    /// What a node of this site published under the subject.
    fn read(&self, message: &Message, forged: &mut Forged) -> Option<News> {
        let Some(payload) = self.key.verified(&message.subject, &message.payload) else {
            forged.note(&message.subject);
            return None;
        };
        News::decode(payload)
    }
}

/// Messages that no node of this site has signed: dropped, and logged now and then.
#[derive(Default)]
struct Forged {
    logged: Option<Instant>,
    since: u64,
}

impl Forged {
    fn note(&mut self, subject: &str) {
        self.since += 1;
        if self.logged.is_none_or(|logged| logged.elapsed() >= FORGED_LOGGED) {
            tracing::warn!(
                subject,
                messages = self.since,
                "dropped what came over the bus without this site's signature: a stranger, or a \
                 node with another SECRET_KEY or version"
            );
            *self = Self { logged: Some(Instant::now()), since: 0 };
        }
    }
}

/// Publishes. What happens while the bus is away is not kept for it: the others do not trust what is
/// late.
async fn talk(
    outgoing: &mut mpsc::Receiver<News>,
    way: &Way<'_>,
    state: &State,
) -> Result<(), Error> {
    while let Some(news) = outgoing.recv().await {
        if state.is_connected()
            && let Err(error) = way.publish(&news).await
        {
            tracing::warn!(%error, "the bus does not take this");
        }
    }
    Ok(())
}

/// Asks for what the hub is interested in, and hands it what comes.
async fn listen(
    hub: &Hub,
    way: &Way<'_>,
    state: &State,
    now: impl Fn() -> Duration,
) -> Result<(), Error> {
    let Way { client, site, .. } = *way;
    let mut forged = Forged::default();
    let mut heard = SelectAll::new();
    // Dropping what is kept of a subject ends its stream, and with it the subscription.
    let mut asked: HashMap<Topic, oneshot::Sender<()>> = HashMap::new();
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = hub.interest.changed() => {
                let wanted = hub.interest.take();
                for (topic, is_wanted) in wanted.topics {
                    if !is_wanted {
                        asked.remove(&topic);
                    } else if let Entry::Vacant(place) = asked.entry(topic) {
                        let subscriber = client.subscribe(subject(site, topic)).await?;
                        let (until, dropped) = oneshot::channel();
                        heard.push(subscriber.take_until(dropped));
                        place.insert(until);
                    }
                }
                answers.push(answered(client, site, Asked::Upto(wanted.changes)));
            }
            () = state.came.notified() => answers.push(answered(client, site, Asked::Anew)),
            Some(asked) = answers.next() => match asked {
                Asked::Upto(changes) => state.asked.send_modify(|asked| *asked = changes.max(*asked)),
                // It may be gone again already.
                Asked::Anew if client.connection_state() != Connection::Connected => {}
                Asked::Anew => {
                    state.connected.store(true, Ordering::Relaxed);
                    state.lost.notify_one();
                }
            },
            Some(message) = heard.next() => {
                if let Some(news) = way.read(&message, &mut forged) {
                    hub.hear_from_others(&news, now());
                }
            }
        }
    }
}

/// What others were asked for.
enum Asked {
    /// What was of interest up to a change.
    Upto(u64),
    /// Everything, since the connection is new.
    Anew,
}

/// Waits until the server has taken what was asked for before: it answers in order, also that there
/// is nobody to answer.
async fn answered(client: &Client, site: &str, asked: Asked) -> Asked {
    loop {
        match client.request(format!("meow.{site}.nobody"), Default::default()).await {
            Err(error) if error.kind() != RequestErrorKind::NoResponders => {
                tracing::debug!(%error, "the bus does not answer");
                sleep(PATIENCE).await;
            }
            _ => return asked,
        }
    }
}

fn subject(site: &str, topic: Topic) -> String {
    format!("meow.{site}.{topic}")
}
