//! The background task of a connection: connects, reads, writes and reconnects. It decides neither
//! what frames mean (`replica`) nor what has to be sent (`outbox`).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::errors::{ApiError, Error, Result};
use crate::event_queue::{Delivery, EventQueue};
use crate::events::Event;
use crate::frames::Frame;
use crate::options::Options;
use crate::outbox::{Command, Outbox};
use crate::rest::Client;
use crate::shared::SharedReplica;
use crate::socket::{self, Disconnect, Socket};
use crate::timers::{Liveness, Timers};
use crate::types::SyncResponse;

/// A connection that lasted this long resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// The `id` of sync requests; other requests are numbered from 1.
const SYNC_ID: u64 = 0;

/// Why a connection ended.
enum End {
    /// The program closed it.
    Closed,
    Lost(Disconnect),
}

/// What [`Driver::exchange`] waited for.
enum Wake {
    Received(Result<Option<String>, Disconnect>),
    Command(Option<Command>),
    Delivered(Delivery),
    Timer,
}

/// What to do after that.
enum Next {
    Continue,
    Ping,
    Close,
}

struct Driver {
    options: Options,
    replica: SharedReplica,
    outbox: Outbox,
    commands: mpsc::UnboundedReceiver<Command>,
    events: EventQueue,
    /// A `Connection` is left. The task ends when neither this nor the reader is.
    has_handles: bool,
    /// The `Events` are left.
    has_reader: bool,
    /// Numbers connections, for the tap.
    connections: u64,
}

/// Runs until the program closes the connection, drops its handles, or there is no point in going on.
pub(crate) async fn run(
    client: Client,
    options: Options,
    replica: SharedReplica,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
) {
    let mut driver = Driver {
        options,
        replica,
        outbox: Outbox::default(),
        commands,
        events: EventQueue::new(events),
        has_handles: true,
        has_reader: true,
        connections: 0,
    };
    let error = match driver.keep_connected(&client).await {
        Ok(()) => Error::Closed,
        Err(error) => {
            driver.events.push([Event::Ended(error.clone())]);
            error
        }
    };
    driver.fail_requests(&error).await;
    if !driver.events.is_empty() {
        driver.events.deliver().await;
    }
}

impl Driver {
    /// Connects again and again. `Ok` when the program wants no more.
    async fn keep_connected(&mut self, client: &Client) -> Result<()> {
        let mut backoff = Backoff::new(self.options.backoff_base, self.options.backoff_cap);
        // A rejected access token is replaced once; if its successor is rejected too, the session is
        // over.
        let mut refreshed = false;
        loop {
            let attempt = socket::open(client, self.options.auth, self.options.timeout);
            let Some(opened) = self.unless_closed(attempt).await else { return Ok(()) };
            let lost = match opened {
                Ok((socket, ready)) => {
                    refreshed = false;
                    let since = Instant::now();
                    let end = self.exchange(socket, ready).await;
                    if since.elapsed() >= STABLE_AFTER {
                        backoff.reset();
                    }
                    match end {
                        End::Closed => return Ok(()),
                        End::Lost(lost) => lost,
                    }
                }
                Err(lost) => lost,
            };
            self.replica.lock().disconnected();
            self.outbox.disconnected(Instant::now());
            let (reason, retry_in) = match lost {
                Disconnect::Retry { reason, after } => {
                    refreshed = false;
                    (reason, after.unwrap_or_default() + backoff.next_delay())
                }
                Disconnect::Unauthenticated { .. } if refreshed => return Err(Error::SessionEnded),
                Disconnect::Unauthenticated { access } => {
                    let replacement = client.replace_access(&access);
                    let Some(replaced) = self.unless_closed(replacement).await else {
                        return Ok(());
                    };
                    match replaced {
                        Ok(_) => refreshed = true,
                        Err(Error::Network(_) | Error::Api(_)) => {}
                        Err(error) => return Err(error),
                    }
                    let delay = if refreshed { Duration::ZERO } else { backoff.next_delay() };
                    ("access token rejected".to_owned(), delay)
                }
                Disconnect::Fatal(error) => return Err(error),
            };
            self.events.push([Event::Disconnected { reason, retry_in }]);
            let delay = sleep_until(Instant::now() + retry_in);
            if self.unless_closed(delay).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Awaits something while there is no connection. `None` when the program wants no more.
    async fn unless_closed<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(wait);
        while self.has_handles || self.has_reader {
            tokio::select! {
                done = &mut wait => return Some(done),
                command = self.commands.recv(), if self.has_handles => {
                    // An ephemeral frame has no connection to go to.
                    if !self.take_command(command, &mut Vec::new()) {
                        return None;
                    }
                }
                delivery = self.events.deliver(), if self.has_reader => {
                    self.has_reader = delivery != Delivery::ReaderGone;
                }
            }
        }
        None
    }

    /// Takes a command. False if the connection is to be closed.
    fn take_command(&mut self, command: Option<Command>, ephemeral: &mut Vec<String>) -> bool {
        match command {
            Some(Command::Request(frame, answer)) => {
                self.outbox.add(frame, answer, Instant::now());
            }
            Some(Command::Ephemeral(frame)) => ephemeral.push(frame),
            Some(Command::Close) => return false,
            None => self.has_handles = false,
        }
        true
    }

    /// Reads and writes on one connection until it ends.
    async fn exchange(&mut self, mut socket: Socket, ready: String) -> End {
        self.connections += 1;
        let mut timers = Timers::new(Instant::now());
        if let Err(lost) = self.receive(&ready, &mut timers) {
            return End::Lost(lost);
        }
        let mut ephemeral = Vec::new();
        while self.has_handles || self.has_reader {
            let mut frames = self.outbox.due(Instant::now());
            frames.append(&mut ephemeral);
            frames.extend(self.next_sync(&mut timers));
            if let Err(lost) = socket.write(frames).await {
                return End::Lost(lost);
            }
            // A slow program stops the reading, unless an answer is awaited: the program may itself
            // be waiting for that answer before it reads on.
            let may_read = self.events.is_empty() || self.awaited_since(&timers).is_some();
            let timer = sleep_until(self.next_timer(&timers));
            let wake = tokio::select! {
                text = socket.next(), if may_read => Wake::Received(text),
                command = self.commands.recv(), if self.has_handles => Wake::Command(command),
                delivery = self.events.deliver(), if self.has_reader => Wake::Delivered(delivery),
                () = timer => Wake::Timer,
            };
            match self.handle(wake, may_read, &mut timers, &mut ephemeral) {
                Ok(Next::Continue) => {}
                Ok(Next::Ping) => {
                    timers.ping_sent();
                    if let Err(lost) = socket.ping().await {
                        return End::Lost(lost);
                    }
                }
                Ok(Next::Close) => break,
                Err(lost) => return End::Lost(lost),
            }
        }
        socket.close().await;
        End::Closed
    }

    fn handle(
        &mut self,
        wake: Wake,
        may_read: bool,
        timers: &mut Timers,
        ephemeral: &mut Vec<String>,
    ) -> Result<Next, Disconnect> {
        match wake {
            Wake::Received(text) => {
                timers.received(Instant::now());
                if let Some(text) = text? {
                    self.receive(&text, timers)?;
                }
            }
            Wake::Command(command) => {
                if !self.take_command(command, ephemeral) {
                    return Ok(Next::Close);
                }
            }
            Wake::Delivered(delivery) => self.has_reader = delivery != Delivery::ReaderGone,
            // While the socket is not read, silence proves nothing.
            Wake::Timer if !may_read => timers.received(Instant::now()),
            Wake::Timer => return self.check_timeouts(timers, Instant::now()),
        }
        Ok(Next::Continue)
    }

    /// The next sync request, if one is needed and allowed by now.
    fn next_sync(&self, timers: &mut Timers) -> Option<String> {
        let now = Instant::now();
        if now < timers.sync_not_before() {
            return None;
        }
        let mut frame = json!(self.replica.lock().next_sync()?);
        (frame["type"], frame["id"]) = (json!("sync"), json!(SYNC_ID));
        timers.sync_sent(now);
        Some(frame.to_string())
    }

    fn receive(&mut self, text: &str, timers: &mut Timers) -> Result<(), Disconnect> {
        if let Some(tap) = &self.options.tap {
            tap(self.connections, text);
        }
        let now = Instant::now();
        let events = match Frame::parse(text).map_err(reconnect)? {
            Frame::Ack(SYNC_ID, body) => self.sync_succeeded(body, timers, now)?,
            Frame::Error(Some(SYNC_ID), error) => {
                self.sync_failed(&error, timers, now);
                Vec::new()
            }
            answer @ (Frame::Ack(..) | Frame::Error(..)) => {
                self.outbox.answered(answer, now);
                Vec::new()
            }
            Frame::Ready(ready) => {
                timers.heartbeat = Duration::from_secs(ready.heartbeat.max(1));
                self.replica.lock().apply(Frame::Ready(ready))
            }
            frame => self.replica.lock().apply(frame),
        };
        self.events.push(events);
        Ok(())
    }

    fn sync_succeeded(
        &self,
        body: Value,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<Vec<Event>, Disconnect> {
        timers.sync_answered(now);
        let response: SyncResponse = serde_json::from_value(body)
            .map_err(|error| reconnect(Error::Protocol(error.to_string())))?;
        Ok(self.replica.lock().apply_sync(response))
    }

    fn sync_failed(&self, error: &ApiError, timers: &mut Timers, now: Instant) {
        timers.sync_answered(now + error.retry_after.unwrap_or(self.options.backoff_base));
        self.replica.lock().sync_failed();
    }

    /// Gives up a dead connection or one that leaves a request unanswered; pings a silent one.
    fn check_timeouts(&self, timers: &Timers, now: Instant) -> Result<Next, Disconnect> {
        let timed_out = |since: Instant| now.duration_since(since) >= self.options.timeout;
        let liveness = timers.liveness(now);
        if liveness == Liveness::Dead {
            return Err(retry("heartbeat timeout"));
        }
        if self.awaited_since(timers).is_some_and(timed_out) {
            return Err(retry("request timeout"));
        }
        Ok(if liveness == Liveness::NeedsPing { Next::Ping } else { Next::Continue })
    }

    /// When to wake up even if nothing happens.
    fn next_timer(&self, timers: &Timers) -> Instant {
        let timeout = self.awaited_since(timers).map(|since| since + self.options.timeout);
        let sync = self.replica.lock().needs_sync().then_some(timers.sync_not_before());
        let times = [timeout, sync, self.outbox.next_due()];
        times.into_iter().flatten().fold(timers.next_check(), Instant::min)
    }

    /// When the oldest request was sent that waits for its answer.
    fn awaited_since(&self, timers: &Timers) -> Option<Instant> {
        let sent = [self.outbox.oldest_in_flight(), timers.sync_sent_at()];
        sent.into_iter().flatten().min()
    }

    /// Fails what waits in the outbox and what handles send from now on.
    async fn fail_requests(&mut self, error: &Error) {
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            if let Command::Request(frame, answer) = command {
                self.outbox.add(frame, answer, Instant::now());
            }
        }
        self.outbox.fail(error);
    }
}

fn reconnect(error: Error) -> Disconnect {
    retry(&error.to_string())
}

fn retry(reason: &str) -> Disconnect {
    Disconnect::Retry { reason: reason.to_owned(), after: None }
}
