//! A REST client that keeps its tokens, and answers that explain themselves when a test fails.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// The challenge of every 401.
const CHALLENGE: &str = "Bearer realm=\"api\"";

/// A user of a server, or an anonymous one.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub base: String,
    /// Empty for an anonymous client.
    pub access: String,
    pub refresh: String,
    pub id: i64,
    pub username: String,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `Null` for an answer without a JSON body.
    pub json: Value,
    pub text: String,
}

impl Client {
    pub fn new(base: &str) -> Self {
        Self {
            http: http(),
            base: base.to_owned(),
            access: String::new(),
            refresh: String::new(),
            id: 0,
            username: String::new(),
        }
    }

    /// Registers an account. The result is its user.
    pub async fn register(&self, username: &str, password: &str) -> Self {
        let body = json!({"username": username, "password": password});
        let answer = self.post("/api/auth/register/", body).await.expect(201);
        self.with_session(&answer.json)
    }

    /// The user of an answer to register or login.
    pub fn with_session(&self, session: &Value) -> Self {
        Self {
            access: session["access"].as_str().expect("access").to_owned(),
            refresh: session["refresh"].as_str().expect("refresh").to_owned(),
            id: session["user"]["id"].as_i64().expect("an id"),
            username: session["user"]["username"].as_str().expect("a username").to_owned(),
            ..self.clone()
        }
    }

    /// A request with this client's token, for what the methods below do not cover.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { self.base.clone() + path };
        let request = self.http.request(method, url);
        if self.access.is_empty() { request } else { request.bearer_auth(&self.access) }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn head(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::HEAD, path)).await
    }

    pub async fn options(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::OPTIONS, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Sends a body of any type.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        Answer::of(self.request(method, path).header("content-type", kind).body(body)).await
    }

    /// Starts a new session.
    pub async fn login(&self, username: &str, password: &str) -> Answer {
        let body = json!({"username": username, "password": password});
        self.post("/api/auth/login/", body).await
    }

    /// Exchanges a refresh token.
    pub async fn spend(&self, refresh: &str) -> Answer {
        self.post("/api/auth/refresh/", json!({"refresh": refresh})).await
    }

    /// The same user with another access token.
    pub fn with_access(&self, access: &str) -> Self {
        Self { access: access.to_owned(), ..self.clone() }
    }

    /// All rows from a page on, in one direction: `next` or `previous`.
    pub async fn walk(&self, path: &str, direction: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut link = Some(path.to_owned());
        while let Some(path) = link {
            let page = self.get(&path).await.expect(200);
            let mut results = page.results().to_vec();
            if direction == "previous" {
                results.reverse();
            }
            rows.extend(results);
            link = page.json[direction].as_str().map(str::to_owned);
        }
        rows
    }

    /// The id of the private chat with another user.
    pub async fn private_chat(&self, other: &Self) -> i64 {
        let body = json!({"type": "private", "members": [other.id]});
        let answer = self.post("/api/chats/", body).await;
        answer.json["id"].as_i64().unwrap_or_else(|| panic!("no chat: {answer:?}"))
    }

    /// The id of a new group.
    pub async fn group(&self, others: &[&Self]) -> i64 {
        let members: Vec<_> = others.iter().map(|other| other.id).collect();
        let body = json!({"type": "group", "name": "Kitchen", "members": members});
        self.post("/api/chats/", body).await.expect(201).json["id"].as_i64().expect("an id")
    }

    /// Sends a message and returns it.
    pub async fn say(&self, chat: i64, content: &str) -> Value {
        let path = format!("/api/chats/{chat}/messages/");
        self.post(&path, json!({"content": content})).await.expect(201).json
    }
}

impl Client {
    /// Every message of a chat, oldest first.
    pub async fn messages(&self, chat: i64) -> Vec<Value> {
        self.walk(&format!("/api/chats/{chat}/messages/?after=0&page_size=100"), "next").await
    }
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, json, text }
    }

    /// Asserts the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:#?}");
        self
    }

    /// Asserts the status and the whole body.
    #[track_caller]
    pub fn expect_body(self, status: u16, body: Value) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.json, body);
        answer
    }

    /// Asserts that the body is this `detail` and nothing else.
    #[track_caller]
    pub fn expect_detail(self, status: u16, text: &str) -> Self {
        self.expect_body(status, json!({"detail": text}))
    }

    /// Asserts that the body is one error of one field.
    #[track_caller]
    pub fn expect_fault(self, field: &str, text: &str) -> Self {
        self.expect_body(400, json!({field: [text]}))
    }

    /// Asserts that the object does not exist for this caller.
    #[track_caller]
    pub fn expect_not_found(self) -> Self {
        self.expect_detail(404, "Not found.")
    }

    /// Asserts that the access token was rejected.
    #[track_caller]
    pub fn expect_bad_token(self) -> Self {
        let text = "Given token not valid for any token type";
        let answer = self.expect_body(401, json!({"detail": text, "code": "token_not_valid"}));
        assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE));
        answer
    }

    /// Asserts that a token was missing.
    #[track_caller]
    pub fn expect_no_credentials(self) -> Self {
        let answer = self.expect_detail(401, "Authentication credentials were not provided.");
        assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE));
        answer
    }

    /// One field of every row of a list.
    pub fn column(&self, name: &str) -> Vec<Value> {
        self.results().iter().map(|row| row[name].clone()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The rows of a list.
    pub fn results(&self) -> &[Value] {
        self.json["results"].as_array().unwrap_or_else(|| panic!("not a list: {self:?}"))
    }
}

/// A connection pool. Without the system's certificates, which no test needs: reading them each time
/// would be a tenth of the work of all tests.
fn http() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).no_proxy().build().expect("a client")
}
