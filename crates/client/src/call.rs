//! A request before it is sent: method, path, query and body, and whether it may be sent again. Sending
//! and retrying are the tasks of `rest`.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde_json::{Value, json};

use crate::types::{Picture, Upload};

/// How long a large file may take on a slow network, as the server allows.
const UPLOAD_TIME: Duration = Duration::from_secs(3_600);

/// A request that can be sent several times.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Twice has the effect of once, so it may be sent again although its outcome is unknown.
    is_idempotent: bool,
    query: Vec<(&'static str, String)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Empty,
    Json(Value),
    Picture(Picture),
    Upload(Upload),
}

impl Call {
    /// Idempotent, except for POST.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        let is_idempotent = method != Method::POST;
        Self { method, path: path.into(), is_idempotent, query: Vec::new(), body: Body::Empty }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Serialize) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    pub(crate) fn patch(path: impl Into<String>, body: impl Serialize) -> Self {
        Self::new(Method::PATCH, path).json(body)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn put_picture(path: impl Into<String>, picture: Picture) -> Self {
        Self { body: Body::Picture(picture), ..Self::new(Method::PUT, path) }
    }

    pub(crate) fn upload(path: impl Into<String>, upload: Upload) -> Self {
        Self { body: Body::Upload(upload), ..Self::new(Method::POST, path) }
    }

    pub(crate) fn json(self, body: impl Serialize) -> Self {
        Self { body: Body::Json(json!(body)), ..self }
    }

    pub(crate) fn query(mut self, query: Vec<(&'static str, String)>) -> Self {
        self.query = query;
        self
    }

    /// May be sent again although it is a POST.
    pub(crate) fn idempotent(self) -> Self {
        Self { is_idempotent: true, ..self }
    }

    /// May not be sent again.
    pub(crate) fn once(self) -> Self {
        Self { is_idempotent: false, ..self }
    }

    /// Whether it may be sent again although its outcome is unknown.
    pub(crate) fn may_repeat(&self) -> bool {
        self.is_idempotent && self.has_body()
    }

    /// Whether it can be sent (again): a stream can be sent once.
    pub(crate) fn has_body(&self) -> bool {
        match &self.body {
            Body::Picture(picture) => !picture.is_used_up(),
            Body::Upload(upload) => !upload.is_used_up(),
            Body::Empty | Body::Json(_) => true,
        }
    }

    /// How long an attempt may take, where this is the usual time and that of all attempts.
    pub(crate) fn time(&self, usual: Duration, deadline: Duration) -> Duration {
        match self.body {
            Body::Empty | Body::Json(_) => usual,
            Body::Picture(_) => deadline,
            Body::Upload(_) => deadline.max(UPLOAD_TIME),
        }
    }

    /// The request of the next attempt; `None` if it has no body any more.
    pub(crate) fn fill(&mut self, request: RequestBuilder) -> Option<RequestBuilder> {
        let request = request.query(&self.query);
        match &mut self.body {
            Body::Empty => Some(request),
            Body::Json(body) => Some(request.json(body)),
            // The server looks at the content to find the type.
            Body::Picture(picture) => {
                Some(request.header(CONTENT_TYPE, "image/*").body(picture.next_body()?))
            }
            Body::Upload(upload) => {
                let kind = upload.content_type();
                Some(request.header(CONTENT_TYPE, kind).body(upload.next_body()?))
            }
        }
    }
}
