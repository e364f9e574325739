//! HTTP requests: one attempt, its outcome, and retries of what is idempotent. The calls themselves
//! are in `calls`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::errors::{ApiError, Error, Result};
use crate::tokens::{TokenPair, Tokens};

/// Backoff between the attempts of one call.
const BACKOFF_BASE: Duration = Duration::from_millis(100);
const BACKOFF_CAP: Duration = Duration::from_secs(5);
/// The server accepts a refresh token once more within 10 s, in case the answer was lost. A refresh is
/// retried within that time.
const REFRESH_DEADLINE: Duration = Duration::from_secs(9);
const REFRESH_TIMEOUT: Duration = Duration::from_secs(3);

/// The address of a server, and the timeouts for its answers.
#[derive(Clone, Debug)]
pub struct Server {
    http: reqwest::Client,
    base: String,
    timeout: Duration,
    deadline: Duration,
}

/// A logged-in session. Cheap to clone; clones share their tokens.
#[derive(Clone, Debug)]
pub struct Client {
    server: Server,
    tokens: Arc<Tokens>,
}

/// Whether a request may be repeated when its outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It is idempotent: twice has the effect of once.
    Safe,
    /// It is not idempotent.
    Never,
}

impl Server {
    /// A server by its URL, such as `https://chat.example.org`.
    pub fn new(url: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: url.trim_end_matches('/').to_owned(),
            timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(60),
        }
    }

    /// Sets the timeout of one attempt (10 s by default), and the deadline after which an idempotent
    /// call is not retried any more (60 s).
    pub fn with_timeouts(self, timeout: Duration, deadline: Duration) -> Self {
        Self { timeout, deadline, ..self }
    }

    /// Starts a session. `username` may be an email address.
    pub async fn log_in(&self, username: &str, password: &str) -> Result<Client> {
        self.start_session("login", &json!({"username": username, "password": password})).await
    }

    /// Creates an account and starts its first session.
    pub async fn register(&self, username: &str, password: &str) -> Result<Client> {
        self.start_session("register", &json!({"username": username, "password": password})).await
    }

    /// Continues a session whose tokens were stored.
    pub fn resume(&self, pair: TokenPair) -> Client {
        Client { server: self.clone(), tokens: Arc::new(Tokens::stored(pair)) }
    }

    async fn start_session(&self, endpoint: &str, body: &Value) -> Result<Client> {
        let path = format!("/api/auth/{endpoint}/");
        let pair = parse(self.request(Method::POST, &path, None, Some(body)).await?).await?;
        Ok(Client { server: self.clone(), tokens: Arc::new(Tokens::issued_now(pair)) })
    }

    /// Exchanges a refresh token for the next pair.
    async fn refresh(mut self, refresh: String) -> Result<TokenPair> {
        let body = json!({"refresh": refresh});
        let deadline = Instant::now() + REFRESH_DEADLINE;
        self.timeout = self.timeout.min(REFRESH_TIMEOUT);
        let mut backoff = Backoff::new(BACKOFF_BASE, BACKOFF_CAP);
        loop {
            let answer = self.request(Method::POST, "/api/auth/refresh/", None, Some(&body));
            let error = match answer.await {
                Ok(answer) => return parse(answer).await,
                Err(Error::Api(error)) if error.status == Some(401) => {
                    return Err(Error::SessionEnded);
                }
                Err(error) => error,
            };
            wait_to_retry(&error, &mut backoff, deadline).await.ok_or(error)?;
        }
    }

    /// One attempt.
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
        Err(ApiError::from_response(status, after, &answer.text().await?).into())
    }
}

impl Client {
    /// The current tokens, to be stored for [`Server::resume`], and every later pair.
    pub fn tokens(&self) -> watch::Receiver<TokenPair> {
        self.tokens.watch()
    }

    /// The server's URL.
    pub(crate) fn base(&self) -> &str {
        &self.server.base
    }

    /// A valid access token, as far as is known.
    pub(crate) async fn access(&self) -> Result<String> {
        self.tokens.access(|refresh| self.server.clone().refresh(refresh)).await
    }

    /// A replacement for an access token that the server has rejected.
    pub(crate) async fn replace_access(&self, rejected: &str) -> Result<String> {
        self.tokens.replace_access(rejected, |refresh| self.server.clone().refresh(refresh)).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::GET, path, None, Retry::Safe).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        retry: Retry,
    ) -> Result<T> {
        self.call(Method::POST, path, Some(body), retry).await
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        retry: Retry,
    ) -> Result<T> {
        let deadline = Instant::now() + self.server.deadline;
        let mut backoff = Backoff::new(BACKOFF_BASE, BACKOFF_CAP);
        let mut rejected = false;
        let mut access = self.access().await?;
        loop {
            let answer = self.server.request(method.clone(), path, Some(&access), body).await;
            let error = match async { parse(answer?).await }.await {
                Ok(value) => return Ok(value),
                Err(Error::Api(error)) if error.status == Some(401) => {
                    if std::mem::replace(&mut rejected, true) {
                        return Err(Error::SessionEnded);
                    }
                    access = self.replace_access(&access).await?;
                    continue;
                }
                Err(error) => error,
            };
            if retry == Retry::Never {
                return Err(error);
            }
            wait_to_retry(&error, &mut backoff, deadline).await.ok_or(error)?;
        }
    }
}

/// Waits before the next attempt. `None` if there must not be one.
async fn wait_to_retry(error: &Error, backoff: &mut Backoff, deadline: Instant) -> Option<()> {
    let delay = match error {
        Error::Network(_) => backoff.next_delay(),
        Error::Api(error) if error.kind.is_transient() => {
            error.retry_after.unwrap_or_default() + backoff.next_delay()
        }
        _ => return None,
    };
    let next = Instant::now() + delay;
    (next < deadline).then_some(())?;
    sleep(delay).await;
    Some(())
}

/// Parses the body; an empty one counts as `null`.
async fn parse<T: DeserializeOwned>(answer: Response) -> Result<T> {
    let status = answer.status();
    let text = answer.text().await?;
    let text = if status == StatusCode::NO_CONTENT { "null" } else { &text };
    serde_json::from_str(text).map_err(|error| Error::Protocol(format!("{status}: {error}")))
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
