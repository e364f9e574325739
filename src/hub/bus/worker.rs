//! The task that speaks NATS: sends this node's envelopes, subscribes to the topics that the node is
//! interested in, and hands over what arrives. Knows no hub and no database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State as ConnectionState;
use async_nats::{
    Client, ConnectOptions, HeaderMap, HeaderValue, RequestErrorKind, ServerAddr, Subscriber,
};
use futures_util::StreamExt;
use futures_util::stream::{FuturesUnordered, SelectAll, TakeUntil};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::auth::secrets::SigningKey;
use crate::traces;

use super::envelope::{Envelope, Topic};
use super::interest::{Interest, InterestChanges};
use super::signed::{Forged, Signing};
use super::state::{LinkState, Outgoing};

/// The longest backoff between two attempts to connect.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long after a failed request to the server the next one is made.
const RETRY_AFTER: Duration = Duration::from_millis(250);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The worker's end of the link.
pub struct BusWorker {
    servers: Vec<ServerAddr>,
    options: ConnectOptions,
    outgoing: mpsc::Receiver<Outgoing>,
    state: Arc<LinkState>,
    key: SigningKey,
}

impl std::fmt::Debug for BusWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusWorker").field("state", &self.state).finish_non_exhaustive()
    }
}

impl BusWorker {
    pub(super) fn new(
        servers: Vec<ServerAddr>,
        options: ConnectOptions,
        outgoing: mpsc::Receiver<Outgoing>,
        state: Arc<LinkState>,
        key: SigningKey,
    ) -> Self {
        Self { servers, options, outgoing, state, key }
    }

    /// Carries envelopes between this node and the others of the site, until it is dropped. May be called
    /// again for another site.
    pub async fn run(&mut self, interest: &Interest, site: &str, deliver: impl Fn(&Envelope)) {
        self.state.disconnected();
        loop {
            if let Err(error) = self.carry(interest, site, &deliver).await {
                tracing::error!(%error, "NATS client failed; starting a new one");
            }
            self.state.disconnected();
            sleep(BACKOFF_MAX).await;
        }
    }

    /// Returns only where the client itself fails, which otherwise reconnects.
    async fn carry(
        &mut self,
        interest: &Interest,
        site: &str,
        deliver: impl Fn(&Envelope),
    ) -> Result<(), Error> {
        let client = self.options.clone().connect(&self.servers).await?;
        interest.renew();
        let signing = Signing { site, key: &self.key };
        let receiver = Receiver {
            client: &client,
            signing: &signing,
            state: &self.state,
            interest,
            subscriptions: Subscriptions::default(),
        };
        let sending = send(&mut self.outgoing, &client, &signing, &self.state);
        tokio::try_join!(sending, receiver.run(deliver))?;
        Ok(())
    }
}

/// Sends envelopes. Those that are made while NATS is disconnected are not kept for later: the other
/// nodes catch up from the database when they are connected again.
async fn send(
    outgoing: &mut mpsc::Receiver<Outgoing>,
    client: &Client,
    signing: &Signing<'_>,
    state: &LinkState,
) -> Result<(), Error> {
    while let Some(Outgoing { envelope, origin }) = outgoing.recv().await {
        if !state.is_connected() {
            state.metrics.passed("disconnected");
            continue;
        }
        let (subject, signed) = signing.sign(&envelope)?;
        let published = match origin.traceparent() {
            None => client.publish(subject, signed.into()).await,
            Some(traceparent) => {
                let mut headers = HeaderMap::new();
                headers.insert(traces::HEADER, traceparent);
                client.publish_with_headers(subject, headers, signed.into()).await
            }
        };
        match published {
            Ok(()) => state.metrics.passed("sent"),
            Err(error) => {
                state.metrics.passed("failed");
                tracing::warn!(%error, "NATS publish failed");
            }
        }
    }
    Ok(())
}

/// The receiving half of a connection.
struct Receiver<'a> {
    client: &'a Client,
    signing: &'a Signing<'a>,
    state: &'a LinkState,
    interest: &'a Interest,
    subscriptions: Subscriptions,
}

impl Receiver<'_> {
    /// Subscribes to what is of interest, and delivers what arrives.
    async fn run(mut self, deliver: impl Fn(&Envelope)) -> Result<(), Error> {
        let mut forged = Forged::default();
        let mut confirmations = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = self.interest.changed() => {
                    let changes = self.interest.take();
                    let upto = changes.changes;
                    self.subscriptions.change(changes, self.client, self.signing).await?;
                    confirmations.push(confirmed(self.client, self.signing, Subscribed::Upto(upto)));
                }
                () = self.state.reconnected.notified() => {
                    confirmations.push(confirmed(self.client, self.signing, Subscribed::Anew));
                }
                Some(subscribed) = confirmations.next() => self.note(subscribed),
                Some(message) = self.subscriptions.messages.next() => {
                    let opened = self.signing.open(&message, &mut forged);
                    let outcome = if opened.is_some() { "received" } else { "refused" };
                    self.state.metrics.passed(outcome);
                    if let Some(envelope) = opened {
                        let headers = message.headers.as_ref();
                        let traceparent = headers.and_then(|all| all.get(traces::HEADER));
                        let traceparent = traceparent.map(HeaderValue::as_str);
                        let span = traces::delivery(envelope.route.name(), traceparent);
                        span.in_scope(|| deliver(&envelope));
                    }
                }
            }
        }
    }

    fn note(&self, subscribed: Subscribed) {
        match subscribed {
            Subscribed::Upto(changes) => {
                self.state.subscribed.send_modify(|upto| *upto = changes.max(*upto));
            }
            // The connection may be gone again already.
            Subscribed::Anew if self.client.connection_state() != ConnectionState::Connected => {}
            Subscribed::Anew => self.state.resubscribed(),
        }
    }
}

/// The NATS subscriptions of this node.
#[derive(Default)]
struct Subscriptions {
    messages: SelectAll<TakeUntil<Subscriber, oneshot::Receiver<()>>>,
    /// Dropping a sender ends its stream, and with it the subscription.
    by_topic: HashMap<Topic, oneshot::Sender<()>>,
}

impl Subscriptions {
    async fn change(
        &mut self,
        changes: InterestChanges,
        client: &Client,
        signing: &Signing<'_>,
    ) -> Result<(), Error> {
        for topic in changes.ended {
            self.by_topic.remove(&topic);
        }
        for topic in changes.begun {
            if let Entry::Vacant(entry) = self.by_topic.entry(topic) {
                let subscriber = client.subscribe(signing.subject(topic)).await?;
                let (end, ended) = oneshot::channel();
                self.messages.push(subscriber.take_until(ended));
                entry.insert(end);
            }
        }
        Ok(())
    }
}

/// Which subscriptions the server has.
enum Subscribed {
    /// Those up to a change of interest.
    Upto(u64),
    /// All, on a new connection.
    Anew,
}

/// Waits until the server has processed the subscriptions that were sent before. It answers in order, even
/// to say that nobody is there to answer.
async fn confirmed(client: &Client, signing: &Signing<'_>, subscribed: Subscribed) -> Subscribed {
    loop {
        match client.request(signing.nobody(), Default::default()).await {
            Err(error) if error.kind() != RequestErrorKind::NoResponders => {
                tracing::debug!(%error, "NATS does not answer");
                sleep(RETRY_AFTER).await;
            }
            _ => return subscribed,
        }
    }
}
