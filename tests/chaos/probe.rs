//! A user who sends one message after the other to one node, and measures the answers: how long the longest
//! took, and when the last one was refused.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use meowsenger_client::ChatId;
use meowsenger_client::types::{Chat, Message};
use meowsenger_testing::{Client, PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::actor::Notes;

/// A call without an answer after this time is a fault.
pub const HANGS: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);
/// So many acknowledged sends in a row are a recovery.
const STEADY: usize = 20;

pub struct Probe {
    number: usize,
    client: Client,
    chat: i64,
    attempts: watch::Sender<Vec<Attempt>>,
    notes: Arc<Notes>,
    faults: Mutex<Vec<String>>,
}

#[derive(Clone, Copy)]
struct Attempt {
    ended: Instant,
    took: Duration,
    is_served: bool,
}

impl Probe {
    /// Registers at the node behind this door.
    pub async fn enter(number: usize, door: &str, notes: &Arc<Notes>) -> Self {
        let client = Client::new(door).register(&format!("probe{number}"), PASSWORD).await;
        let chat = client.group(&[]).await;
        let (attempts, notes, faults) =
            (watch::Sender::default(), Arc::clone(notes), Mutex::default());
        Self { number, client, chat, attempts, notes, faults }
    }

    /// Sends until it is stopped. A message that was not acknowledged is sent again.
    pub async fn act(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let mut count = 0;
        while !*stop.borrow() {
            let name = format!("probe{}-{count}", self.number);
            let began = Instant::now();
            let is_served = self.attempt(name).await;
            let took = began.elapsed();
            self.attempts
                .send_modify(|all| all.push(Attempt { ended: Instant::now(), took, is_served }));
            count += usize::from(is_served);
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, name: String) -> bool {
        let chat = ChatId(self.chat);
        self.notes.sends.lock().expect("not poisoned").tried.insert(name.clone(), chat);
        let path = format!("/api/chats/{chat}/messages/");
        let body = json!({"content": name, "client_id": name});
        let request = self.client.request(Method::POST, &path).json(&body).timeout(HANGS);
        let (status, waits, message) = match request.send().await {
            Ok(answer) => {
                let waits = answer.headers().contains_key("retry-after");
                (answer.status().as_u16(), waits, answer.json::<Value>().await.ok())
            }
            Err(error) if error.is_timeout() => (0, false, None),
            // The node is down, or died before it answered.
            Err(_) => return false,
        };
        match (status, message) {
            (200 | 201, Some(message)) => {
                let message = serde_json::from_value(message).expect("a message");
                self.notes.sends.lock().expect("not poisoned").acked.insert(name, message);
                return true;
            }
            // The answer was cut off.
            (200 | 201, None) => {}
            (503, _) if waits => {}
            (status, body) => {
                let fault = format!("{name}: status {status} (0: none in {HANGS:?}), {body:?}");
                self.faults.lock().expect("not poisoned").push(fault);
            }
        }
        false
    }

    /// Waits until sends are acknowledged again.
    pub async fn recovered(&self) {
        let from = self.attempts.borrow().len();
        let steady = |all: &Vec<Attempt>| {
            let last = all[from..].iter().rev().take_while(|attempt| attempt.is_served);
            last.count() >= STEADY
        };
        self.attempts.subscribe().wait_for(steady).await.expect("it lives as long as this");
    }

    /// The longest time that an answer took.
    pub fn longest(&self) -> Duration {
        self.attempts.borrow().iter().map(|attempt| attempt.took).max().unwrap_or_default()
    }

    /// How long after a moment all sends were acknowledged again: the first one, and none was refused later.
    pub fn recovery(&self, moment: Instant) -> Duration {
        let attempts = self.attempts.borrow();
        let mut later = attempts.iter().filter(|attempt| attempt.ended > moment);
        let first = later.clone().next();
        let refused = later.rfind(|attempt| !attempt.is_served);
        let last = refused.or(first);
        last.map_or(Duration::ZERO, |last| last.ended - moment)
    }

    pub fn refusals(&self) -> usize {
        self.attempts.borrow().iter().filter(|attempt| !attempt.is_served).count()
    }

    pub fn faults(&self) -> Vec<String> {
        std::mem::take(&mut *self.faults.lock().expect("not poisoned"))
    }

    /// Its chat, as a node has it.
    pub async fn read(&self, node: &str) -> (Chat, Vec<Message>) {
        let client = Client { base: node.to_owned(), ..self.client.clone() };
        let chat = client.get(&format!("/api/chats/{}/", self.chat)).await.expect(200).json;
        let messages = client.messages(self.chat).await;
        let messages =
            messages.into_iter().map(|row| serde_json::from_value(row).expect("a message"));
        (serde_json::from_value(chat).expect("a chat"), messages.collect())
    }
}
