//! Fan-out: one user sends to a crowd that is connected, with one message in flight and with eight.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Result;
use crate::figures::{Done, Latencies, Meter, latencies};
use crate::load::Pace;
use crate::site::Site;
use crate::ws::{RawSocket, Writer};

use super::Rows;

/// Concurrent handshakes.
const AT_ONCE: usize = 64;
/// How long a message may take to reach everybody.
const DEADLINE: Duration = Duration::from_secs(20);

/// Messages in flight in each of the rows.
const IN_FLIGHT: [usize; 2] = [1, 8];

/// One row for each number of messages in flight.
pub async fn run(site: &Site, pace: Pace, members: i64) -> Result<Rows> {
    let (chat, members) = site.world.crowd(members)?;
    let name = |in_flight| format!("fanout-{members}-{in_flight}");
    let sockets = open(site, 0..members).await?;
    let audience = Audience::of(sockets);
    let (sender, _) = RawSocket::open(site.address, &site.world.person(0)).await?;
    let mut sender = Sender::of(sender, chat);
    let mut rows = Vec::new();
    for in_flight in IN_FLIGHT {
        sender.send(&audience, in_flight, pace.warm_up).await?;
        let meter = Meter::of(site)?;
        let times = sender.send(&audience, in_flight, pace.measured).await?;
        let operations = times.len() * members as u64;
        let done = Done { operations, latencies: Some(times), ..Done::default() };
        rows.push((name(in_flight), meter.end(done)?));
    }
    Ok(rows)
}

/// Opens sockets of people, by their numbers.
pub async fn open(site: &Site, people: Range<usize>) -> Result<Vec<RawSocket>> {
    stream::iter(people)
        .map(async |person| Ok(RawSocket::open(site.address, &site.world.person(person)).await?.0))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Sockets that receive, and how far all of them are.
pub struct Audience {
    progress: Rc<Progress>,
    /// Aborted with it.
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Progress {
    members: usize,
    /// Messages that everybody has received.
    complete: Cell<usize>,
    /// How many sockets have received each of the messages that are not complete.
    reached: RefCell<VecDeque<usize>>,
    changed: Notify,
    failed: RefCell<Option<String>>,
}

impl Progress {
    /// A socket has received its message of this number.
    fn reach(&self, number: usize) {
        let mut reached = self.reached.borrow_mut();
        let place = number - self.complete.get();
        if reached.len() <= place {
            reached.resize(place + 1, 0);
        }
        reached[place] += 1;
        while reached.front() == Some(&self.members) {
            reached.pop_front();
            self.complete.set(self.complete.get() + 1);
            self.changed.notify_one();
        }
    }
}

impl Audience {
    /// Starts to receive.
    pub fn of(sockets: Vec<RawSocket>) -> Self {
        let progress = Rc::new(Progress { members: sockets.len(), ..Progress::default() });
        let mut tasks = JoinSet::new();
        for socket in sockets {
            tasks.spawn_local(receive(socket, Rc::clone(&progress)));
        }
        Self { progress, _tasks: tasks }
    }
}

async fn receive(mut socket: RawSocket, progress: Rc<Progress>) {
    let mut received = 0;
    loop {
        let mut resync = false;
        let read = socket.read(|frame| {
            if frame.starts_with(br#"{"type":"message.created""#) {
                progress.reach(received);
                received += 1;
            }
            resync |= frame.starts_with(br#"{"type":"resync""#);
        });
        let failed = match read.await {
            Err(error) => error.to_string(),
            Ok(()) if resync => {
                "a member was too slow: the load generator needs more CPU".to_owned()
            }
            Ok(()) => continue,
        };
        *progress.failed.borrow_mut() = Some(failed);
        progress.changed.notify_one();
        return;
    }
}

/// Sends to the audience.
pub struct Sender {
    to: Writer,
    chat: i64,
    sent: usize,
    /// Reads what the sender's own socket receives.
    _reading: JoinSet<()>,
}

impl Sender {
    pub fn of(mut socket: RawSocket, chat: i64) -> Self {
        let (to, mut reading) = (socket.writer(), JoinSet::new());
        reading.spawn_local(async move { while socket.read(|_| {}).await.is_ok() {} });
        Self { to, chat, sent: 0, _reading: reading }
    }

    /// Sends for some time, and waits until everybody has everything. Returns how long each message took
    /// to reach everybody.
    pub async fn send(
        &mut self,
        audience: &Audience,
        in_flight: usize,
        during: Duration,
    ) -> Result<Latencies> {
        let progress = &audience.progress;
        let until = Instant::now() + during;
        let (mut times, mut began) = (latencies()?, VecDeque::<Instant>::new());
        loop {
            let now = Instant::now();
            for began in began.drain(..began.len() - (self.sent - progress.complete.get())) {
                times.saturating_record((now - began).as_micros() as u64);
            }
            if now < until {
                let room = in_flight - began.len();
                let text = self.frame();
                self.to.send(std::iter::repeat_n(text.as_str(), room)).await?;
                self.sent += room;
                began.extend(std::iter::repeat_n(now, room));
            } else if began.is_empty() {
                return Ok(times);
            }
            timeout(DEADLINE, progress.changed.notified())
                .await
                .map_err(|_| "a message did not reach everybody in time")?;
            if let Some(failed) = progress.failed.borrow_mut().take() {
                return Err(failed.into());
            }
        }
    }

    fn frame(&self) -> String {
        let chat = self.chat;
        format!(
            r#"{{"type":"message.send","chat":{chat},"content":"Meow, as long as people write on an ordinary day."}}"#
        )
    }
}
