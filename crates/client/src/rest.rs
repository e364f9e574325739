//! HTTP: one attempt, its outcome, and retries of what is idempotent. The calls themselves are in
//! `calls`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::call::Call;
use crate::errors::{ApiError, Error, ErrorKind, Result};
use crate::tokens::{TokenWatch, Tokens};
use crate::types::TokenPair;

/// Backoff between the attempts of one call.
const BACKOFF_BASE: Duration = Duration::from_millis(100);
const BACKOFF_CAP: Duration = Duration::from_secs(5);
/// The server accepts a refresh token once more within 10 s, in case the answer was lost. A refresh is
/// retried within that time.
const REFRESH_DEADLINE: Duration = Duration::from_secs(9);
const REFRESH_TIMEOUT: Duration = Duration::from_secs(3);
/// Named in the user's list of sessions.
const USER_AGENT: &str = concat!("meowsenger-client/", env!("CARGO_PKG_VERSION"));

/// The address of a server, and how to call it. Cheap to clone.
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
    pub(crate) server: Server,
    pub(crate) tokens: Arc<Tokens>,
}

/// The attempts of one call.
struct Attempts {
    backoff: Backoff,
    deadline: Instant,
    /// An attempt without an answer may have been carried out.
    is_uncertain: bool,
}

impl Server {
    /// A server by its URL, such as `https://chat.example.org`.
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().user_agent(USER_AGENT).build();
        Self {
            http: http.unwrap_or_default(),
            base: url.trim_end_matches('/').to_owned(),
            timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(60),
        }
    }

    /// Uses the program's own HTTP client for the REST calls, with its proxies, certificates and
    /// `User-Agent`. WebSockets are opened without it.
    pub fn with_http_client(self, http: reqwest::Client) -> Self {
        Self { http, ..self }
    }

    /// Sets the timeout of one attempt (10 s by default), and the deadline after which an idempotent
    /// call is not retried any more (60 s). An upload may take until the deadline.
    pub fn with_timeouts(self, timeout: Duration, deadline: Duration) -> Self {
        Self { timeout, deadline, ..self }
    }

    /// Continues a session whose tokens were stored.
    pub fn resume(&self, pair: TokenPair) -> Client {
        Client { server: self.clone(), tokens: Arc::new(Tokens::stored(pair)) }
    }

    /// Makes a call that needs no token, with retries if it is idempotent.
    pub(crate) async fn run<T: DeserializeOwned>(&self, mut call: Call) -> Result<T> {
        let mut attempts = Attempts::until(Instant::now() + self.deadline);
        loop {
            match self.attempt(&mut call, None).await {
                Ok(value) => return Ok(value),
                Err(error) => attempts.wait_after(error, &call).await?,
            }
        }
    }

    /// Exchanges a refresh token for the next pair.
    async fn refresh(mut self, refresh: String) -> Result<TokenPair> {
        self.timeout = self.timeout.min(REFRESH_TIMEOUT);
        self.deadline = REFRESH_DEADLINE;
        let call = Call::post("/api/auth/refresh/", json!({"refresh": refresh})).idempotent();
        self.run(call).await.map_err(|error| match error {
            Error::Api(error) if error.kind == ErrorKind::NotAuthenticated => Error::SessionEnded,
            error => error,
        })
    }

    /// One attempt.
    pub(crate) async fn attempt<T: DeserializeOwned>(
        &self,
        call: &mut Call,
        access: Option<&str>,
    ) -> Result<T> {
        let timeout = call.time(self.timeout, self.deadline);
        let url = format!("{}{}", self.base, call.path);
        let mut request = self.http.request(call.method.clone(), url).timeout(timeout);
        if let Some(access) = access {
            request = request.bearer_auth(access);
        }
        let request = call
            .fill(request)
            .ok_or_else(|| Error::InvalidRequest("a stream cannot be sent twice".to_owned()))?;
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        if !status.is_success() {
            return Err(ApiError::from_answer(status, &headers, &text).into());
        }
        let text = if status == StatusCode::NO_CONTENT { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| Error::Protocol(format!("{status}: {error}")))
    }
}

impl Client {
    /// The current tokens, to be stored for [`Server::resume`].
    pub fn tokens(&self) -> TokenPair {
        self.tokens.current()
    }

    /// Follows the session's tokens, for programs that store every new pair.
    pub fn watch_tokens(&self) -> TokenWatch {
        self.tokens.watch()
    }

    /// Any other call, without retries. An answer without a body is `null`.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let call = Call::new(method, path).once();
        self.run(body.into_iter().fold(call, Call::json)).await
    }

    /// The answer to a GET for a file, whose body is read by the caller.
    pub(crate) async fn fetch(&self, path: &str) -> Result<reqwest::Response> {
        let mut access = self.access().await?;
        let url = format!("{}{path}", self.server.base);
        let ask = async |access: &str| self.server.http.get(&url).bearer_auth(access).send().await;
        let mut answer = ask(&access).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            access = self.replace_access(&access).await?;
            answer = ask(&access).await?;
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        Err(ApiError::from_answer(status, &headers, &answer.text().await?).into())
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

    /// Makes a call, with a fresh token if the present one is rejected, and with retries if the call
    /// is idempotent.
    pub(crate) async fn run<T: DeserializeOwned>(&self, mut call: Call) -> Result<T> {
        let mut attempts = Attempts::until(Instant::now() + self.server.deadline);
        let mut is_replaced = false;
        let mut access = self.access().await?;
        loop {
            match self.server.attempt(&mut call, Some(&access)).await {
                Err(error)
                    if error.kind() == Some(ErrorKind::NotAuthenticated) && call.has_body() =>
                {
                    if std::mem::replace(&mut is_replaced, true) {
                        return Err(Error::SessionEnded);
                    }
                    access = self.replace_access(&access).await?;
                }
                Err(error) if attempts.have_deleted(&error, &call) => {
                    return serde_json::from_value(Value::Null).map_err(|_| error);
                }
                Err(error) => attempts.wait_after(error, &call).await?,
                Ok(value) => return Ok(value),
            }
        }
    }
}

impl Attempts {
    fn until(deadline: Instant) -> Self {
        let backoff = Backoff::new(BACKOFF_BASE, BACKOFF_CAP);
        Self { backoff, deadline, is_uncertain: false }
    }

    /// Waits before the next attempt. The error, if there must not be one.
    async fn wait_after(&mut self, error: Error, call: &Call) -> Result<()> {
        let retry_after = match &error {
            Error::Network(_) => Duration::ZERO,
            Error::Api(error) if error.kind.is_transient() => error.retry_after.unwrap_or_default(),
            _ => return Err(error),
        };
        let delay = retry_after + self.backoff.next_delay();
        if !call.may_repeat() || Instant::now() + delay >= self.deadline {
            return Err(error);
        }
        self.is_uncertain |= error.kind() != Some(ErrorKind::Throttled);
        sleep(delay).await;
        Ok(())
    }

    /// Whether an attempt whose answer was lost has deleted what is not found any more.
    fn have_deleted(&self, error: &Error, call: &Call) -> bool {
        let is_gone = error.kind() == Some(ErrorKind::NotFound);
        self.is_uncertain && is_gone && call.method == Method::DELETE
    }
}
