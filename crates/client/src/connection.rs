//! The task of a connection: connects, reads and writes, and connects again. What frames mean is
//! `replica`'s business, what is to be written `outbox`'s.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::errors::{Error, Result};
use crate::events::Event;
use crate::frames::{Frame, Synced};
use crate::live::{Options, lock};
use crate::outbox::{Answer, Outbox};
use crate::outlet::{Flow, Outlet};
use crate::replica::Replica;
use crate::rest::Client;
use crate::socket::{self, Lost, Socket};

/// A connection that lived as long begins its waits anew.
const SETTLED: Duration = Duration::from_secs(10);
/// A server that goes on answering syncs with nothing is not asked more often than this.
const SYNC_PAUSE: Duration = Duration::from_millis(50);
/// Seconds after which a silent server is pinged, before it has said so itself.
const HEARTBEAT: u64 = 30;
/// The `id` of syncs; requests are numbered from 1.
const SYNC: u64 = 0;

/// What a program asks of its connection.
#[derive(Debug)]
pub(crate) enum Command {
    /// To be sent until it is answered.
    Request(Value, Answer),
    /// To be sent now or never.
    Hint(String),
    /// To be closed.
    Close,
}

/// What ends [`Task::converse`] and what comes after.
enum End {
    /// The program wants no more.
    Closed,
    /// The connection is gone.
    Lost(Lost),
}

/// What woke [`Task::converse`].
enum Woken {
    Heard(Result<Option<String>, Lost>),
    Asked(Option<Command>),
    Told(Flow),
    InTime,
}

/// What is to be done then.
enum Next {
    Go,
    Ping,
    Close,
}

struct Task {
    options: Options,
    replica: Arc<Mutex<Replica>>,
    outbox: Outbox,
    commands: mpsc::UnboundedReceiver<Command>,
    events: Outlet,
    /// What is still wanted of it: that it is told something, and that it tells.
    asked: bool,
    heard: bool,
    /// Numbers connections.
    connections: u64,
}

/// What a connection needs to know of its own time.
struct Clock {
    heard: Instant,
    pinged: bool,
    heartbeat: Duration,
    /// Before this no sync is asked for.
    sync_from: Instant,
    sync_sent: Option<Instant>,
}

pub(crate) async fn run(
    client: Client,
    options: Options,
    replica: Arc<Mutex<Replica>>,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Event>,
) {
    let mut task = Task {
        options,
        replica,
        outbox: Outbox::default(),
        commands,
        events: Outlet::new(events),
        asked: true,
        heard: true,
        connections: 0,
    };
    let error = match task.live(&client).await {
        Ok(()) => Error::Closed,
        Err(error) => {
            task.events.tell([Event::Ended(error.clone())]);
            error
        }
    };
    task.commands.close();
    while let Some(command) = task.commands.recv().await {
        if let Command::Request(frame, answer) = command {
            task.outbox.add(frame, answer, Instant::now());
        }
    }
    task.outbox.end(&error);
    if !task.events.is_clear() {
        task.events.flow().await;
    }
}

impl Task {
    /// Connects again and again. `Ok` where the program wants no more.
    async fn live(&mut self, client: &Client) -> Result<()> {
        let mut backoff = Backoff::new(self.options.first_wait, self.options.longest_wait);
        // The server has refused an access token, and this one is new: once is enough.
        let mut renewed = false;
        loop {
            let (auth, timeout) = (self.options.auth, self.options.timeout);
            let attempt = socket::open(client, auth, timeout);
            let Some(opened) = self.meanwhile(attempt).await else { return Ok(()) };
            let lost = match opened {
                Ok((socket, ready)) => {
                    renewed = false;
                    let since = Instant::now();
                    let end = self.converse(socket, ready).await;
                    if since.elapsed() >= SETTLED {
                        backoff.reset();
                    }
                    match end {
                        End::Closed => return Ok(()),
                        End::Lost(lost) => lost,
                    }
                }
                Err(lost) => lost,
            };
            lock(&self.replica).disconnected();
            self.outbox.disconnected(Instant::now());
            let (why, retry_in) = match lost {
                Lost::For(why, retry_after) => {
                    renewed = false;
                    (why, retry_after.unwrap_or_default() + backoff.next_wait())
                }
                Lost::Unauthenticated(_) if renewed => return Err(Error::SessionEnded),
                Lost::Unauthenticated(access) => {
                    let Some(access) = self.meanwhile(client.instead_of(&access)).await else {
                        return Ok(());
                    };
                    match access {
                        Ok(_) => renewed = true,
                        Err(Error::Network(_) | Error::Refused(_)) => {}
                        Err(error) => return Err(error),
                    }
                    let wait = if renewed { Duration::ZERO } else { backoff.next_wait() };
                    ("not authenticated".to_owned(), wait)
                }
                Lost::Ended(error) => return Err(error),
            };
            self.events.tell([Event::Disconnected { why, retry_in }]);
            let again = sleep_until(Instant::now() + retry_in);
            if self.meanwhile(again).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Waits for something while there is no connection. `None` where the program wants no more.
    async fn meanwhile<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(wait);
        while self.asked || self.heard {
            tokio::select! {
                done = &mut wait => return Some(done),
                command = self.commands.recv(), if self.asked => {
                    if !self.obey(command, &mut Vec::new()) {
                        return None;
                    }
                }
                flow = self.events.flow(), if self.heard => self.heard = flow != Flow::Gone,
            }
        }
        None
    }

    /// Takes a command. False where it is the last one.
    fn obey(&mut self, command: Option<Command>, hints: &mut Vec<String>) -> bool {
        match command {
            Some(Command::Request(frame, answer)) => {
                self.outbox.add(frame, answer, Instant::now());
            }
            Some(Command::Hint(frame)) => hints.push(frame),
            Some(Command::Close) => return false,
            None => self.asked = false,
        }
        true
    }

    /// Reads and writes, until there is a reason to stop.
    async fn converse(&mut self, mut socket: Socket, ready: String) -> End {
        self.connections += 1;
        let mut clock = Clock::new();
        if let Err(lost) = self.hear(&ready, &mut clock) {
            return End::Lost(lost);
        }
        let mut hints = Vec::new();
        while self.asked || self.heard {
            let mut frames = self.outbox.due(Instant::now());
            frames.append(&mut hints);
            frames.extend(self.question(&mut clock));
            if let Err(lost) = socket.write(frames).await {
                return End::Lost(lost);
            }
            let waits = self.outbox.under_way() > 0 || clock.sync_sent.is_some();
            let may_read = self.events.is_clear() || waits;
            let wakes = sleep_until(self.wakes(&clock));
            let woken = tokio::select! {
                text = socket.next(), if may_read => Woken::Heard(text),
                command = self.commands.recv(), if self.asked => Woken::Asked(command),
                flow = self.events.flow(), if self.heard => Woken::Told(flow),
                () = wakes => Woken::InTime,
            };
            match self.wake(woken, may_read, &mut clock, &mut hints) {
                Ok(Next::Go) => {}
                Ok(Next::Ping) => {
                    clock.pinged = true;
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

    fn wake(
        &mut self,
        woken: Woken,
        may_read: bool,
        clock: &mut Clock,
        hints: &mut Vec<String>,
    ) -> Result<Next, Lost> {
        match woken {
            Woken::Heard(text) => {
                clock.hears();
                if let Some(text) = text? {
                    self.hear(&text, clock)?;
                }
            }
            Woken::Asked(command) => {
                if !self.obey(command, hints) {
                    return Ok(Next::Close);
                }
            }
            Woken::Told(flow) => self.heard = flow != Flow::Gone,
            // Who does not listen cannot tell whether somebody speaks.
            Woken::InTime if !may_read => clock.hears(),
            Woken::InTime => {
                if self.look(clock, Instant::now())? {
                    return Ok(Next::Ping);
                }
            }
        }
        Ok(Next::Go)
    }

    /// The question to sync, where it is time for one.
    fn question(&self, clock: &mut Clock) -> Option<String> {
        let now = Instant::now();
        if now < clock.sync_from {
            return None;
        }
        let mut frame = json!(lock(&self.replica).question()?);
        (frame["type"], frame["id"]) = (json!("sync"), json!(SYNC));
        clock.sync_sent = Some(now);
        Some(frame.to_string())
    }

    fn hear(&mut self, text: &str, clock: &mut Clock) -> Result<(), Lost> {
        if let Some(tap) = &self.options.tap {
            tap(self.connections, text);
        }
        let now = Instant::now();
        let lost = |error: Error| Lost::For(error.to_string(), None);
        let events = match Frame::read(text).map_err(lost)? {
            Frame::Ack(SYNC, body) => {
                clock.synced(now);
                let answer: Synced = serde_json::from_value(body)
                    .map_err(|error| lost(Error::Protocol(error.to_string())))?;
                lock(&self.replica).synced(answer)
            }
            Frame::Refused(Some(SYNC), refusal) => {
                clock.synced(now + refusal.retry_after.unwrap_or(self.options.first_wait));
                lock(&self.replica).unanswered();
                Vec::new()
            }
            answer @ (Frame::Ack(..) | Frame::Refused(..)) => {
                self.outbox.answered(answer, now);
                Vec::new()
            }
            Frame::Ready(ready) => {
                clock.heartbeat = Duration::from_secs(ready.heartbeat.max(1));
                lock(&self.replica).hear(Frame::Ready(ready))
            }
            frame => lock(&self.replica).hear(frame),
        };
        self.events.tell(events);
        Ok(())
    }

    /// Looks at the time: whether the server is to be pinged, or given up.
    fn look(&self, clock: &Clock, now: Instant) -> Result<bool, Lost> {
        let late = |since: &Instant| now.duration_since(*since) >= self.options.timeout;
        if now >= clock.given_up_at() {
            return Err(Lost::For("the server is silent".to_owned(), None));
        }
        match self.outbox.oldest().filter(late).or(clock.sync_sent.filter(late)) {
            Some(_) => Err(Lost::For("a request was not answered in time".to_owned(), None)),
            None => Ok(clock.is_silent(now)),
        }
    }

    /// When to look again, whatever happens.
    fn wakes(&self, clock: &Clock) -> Instant {
        let silence =
            if clock.pinged { clock.given_up_at() } else { clock.heard + clock.heartbeat };
        let answers = [self.outbox.oldest(), clock.sync_sent];
        let late = answers.into_iter().flatten().map(|since| since + self.options.timeout);
        let sync = (lock(&self.replica).has_question()).then_some(clock.sync_from);
        late.chain(sync).chain(self.outbox.next_due()).fold(silence, Instant::min)
    }
}

impl Clock {
    fn new() -> Self {
        let (heard, heartbeat) = (Instant::now(), Duration::from_secs(HEARTBEAT));
        Self { heard, pinged: false, heartbeat, sync_from: heard, sync_sent: None }
    }

    fn hears(&mut self) {
        (self.heard, self.pinged) = (Instant::now(), false);
    }

    fn synced(&mut self, now: Instant) {
        (self.sync_from, self.sync_sent) = (now + SYNC_PAUSE, None);
    }

    fn is_silent(&self, now: Instant) -> bool {
        !self.pinged && now >= self.heard + self.heartbeat
    }

    fn given_up_at(&self) -> Instant {
        self.heard + self.heartbeat * 5 / 2
    }
}
