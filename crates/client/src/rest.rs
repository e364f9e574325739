//! Asking the server: one request, answered, refused or lost, and tried again where that is safe.
//! Which calls there are is said in `calls`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::errors::{Error, Refusal, Result};
use crate::tokens::{TokenPair, Tokens};

/// The first wait before a request is tried again, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A refresh token whose answer was lost is good for 10 s more; within them it is tried again.
const REFRESH_TIME: Duration = Duration::from_secs(9);
const REFRESH_TRY: Duration = Duration::from_secs(3);

/// A server, and how patient to be with it.
#[derive(Clone, Debug)]
pub struct Server {
    http: reqwest::Client,
    base: String,
    timeout: Duration,
    patience: Duration,
}

/// Somebody who is logged in. Cheap to clone; all clones share their tokens.
#[derive(Clone, Debug)]
pub struct Client {
    server: Server,
    tokens: Arc<Tokens>,
}

/// Whether a request may be sent again when it is not known what became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It changes nothing, or the same once as twice.
    Safe,
    /// It does not.
    Never,
}

impl Server {
    /// By its address, such as `https://chat.example.org`.
    pub fn new(url: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: url.trim_end_matches('/').to_owned(),
            timeout: Duration::from_secs(10),
            patience: Duration::from_secs(60),
        }
    }

    /// Gives up a try after `timeout` (10 s by default), and what is safe to repeat after
    /// `patience` (60 s).
    pub fn with_patience(self, timeout: Duration, patience: Duration) -> Self {
        Self { timeout, patience, ..self }
    }

    /// Begins a session, by username or email address.
    pub async fn log_in(&self, username: &str, password: &str) -> Result<Client> {
        self.enter("login", &json!({"username": username, "password": password})).await
    }

    /// Makes an account, and begins its first session.
    pub async fn register(&self, username: &str, password: &str) -> Result<Client> {
        self.enter("register", &json!({"username": username, "password": password})).await
    }

    /// Goes on with a session whose tokens were kept.
    pub fn resume(&self, pair: TokenPair) -> Client {
        Client { server: self.clone(), tokens: Arc::new(Tokens::new(pair, false)) }
    }

    async fn enter(&self, way: &str, body: &Value) -> Result<Client> {
        let path = format!("/api/auth/{way}/");
        let pair = read(self.request(Method::POST, &path, None, Some(body)).await?).await?;
        Ok(Client { server: self.clone(), tokens: Arc::new(Tokens::new(pair, true)) })
    }

    /// Buys the next pair.
    async fn renew(mut self, refresh: String) -> Result<TokenPair> {
        let body = json!({"refresh": refresh});
        let until = Instant::now() + REFRESH_TIME;
        self.timeout = self.timeout.min(REFRESH_TRY);
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        loop {
            let answer = self.request(Method::POST, "/api/auth/refresh/", None, Some(&body));
            let error = match answer.await {
                Ok(answer) => return read(answer).await,
                Err(Error::Refused(refusal)) if refusal.status == Some(401) => {
                    return Err(Error::SessionEnded);
                }
                Err(error) => error,
            };
            rest(&error, &mut backoff, until).await.ok_or(error)?;
        }
    }

    /// One try.
    async fn request(
        &self,
        method: Method,
        path: &str,
        access: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Response> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).timeout(self.timeout);
        if let Some(access) = access {
            request = request.bearer_auth(access);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, after) = (answer.status(), retry_after(&answer));
        Err(Refusal::of(status, after, &answer.text().await?).into())
    }
}

impl Client {
    /// The tokens that are good now, to be kept for [`Server::resume`], and every later pair.
    pub fn tokens(&self) -> watch::Receiver<TokenPair> {
        self.tokens.watch()
    }

    /// The server's address.
    pub(crate) fn base(&self) -> &str {
        &self.server.base
    }

    /// An access token that is good as far as is known.
    pub(crate) async fn access(&self) -> Result<String> {
        self.tokens.access(|refresh| self.server.clone().renew(refresh)).await
    }

    /// Another one, where the server has refused this.
    pub(crate) async fn instead_of(&self, spent: &str) -> Result<String> {
        self.tokens.instead_of(spent, |refresh| self.server.clone().renew(refresh)).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::GET, path, None, Again::Safe).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        again: Again,
    ) -> Result<T> {
        self.call(Method::POST, path, Some(body), again).await
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        again: Again,
    ) -> Result<T> {
        let until = Instant::now() + self.server.patience;
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        let mut refused = false;
        let mut access = self.access().await?;
        loop {
            let answer = self.server.request(method.clone(), path, Some(&access), body).await;
            let error = match async { read(answer?).await }.await {
                Ok(value) => return Ok(value),
                Err(Error::Refused(refusal)) if refusal.status == Some(401) => {
                    if std::mem::replace(&mut refused, true) {
                        return Err(Error::SessionEnded);
                    }
                    access = self.instead_of(&access).await?;
                    continue;
                }
                Err(error) => error,
            };
            if again == Again::Never {
                return Err(error);
            }
            rest(&error, &mut backoff, until).await.ok_or(error)?;
        }
    }
}

/// Waits before the next try, where there is to be one.
async fn rest(error: &Error, backoff: &mut Backoff, until: Instant) -> Option<()> {
    let wait = match error {
        Error::Network(_) => backoff.next_wait(),
        Error::Refused(refusal) if refusal.kind.passes() => {
            refusal.retry_after.unwrap_or_default() + backoff.next_wait()
        }
        _ => return None,
    };
    let next = Instant::now() + wait;
    (next < until).then_some(())?;
    sleep(wait).await;
    Some(())
}

/// The body; where there is none, `null`.
async fn read<T: DeserializeOwned>(answer: Response) -> Result<T> {
    let status = answer.status();
    let text = answer.text().await?;
    let text = if status == StatusCode::NO_CONTENT { "null" } else { &text };
    serde_json::from_str(text).map_err(|error| Error::Protocol(format!("{status}: {error}")))
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
