//! A server for the part of S3 that we use: one bucket, in memory, without signatures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The modification time of every object.
const WRITTEN: &str = "2020-02-02T20:20:20.000Z";
const LAST_MODIFIED: (&str, &str) = ("last-modified", "Sun, 02 Feb 2020 20:20:20 GMT");

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// A running server, stopped when dropped.
pub struct Bucket {
    /// The value for `MEDIA_URL`.
    pub url: String,
    objects: Objects,
    _server: JoinSet<()>,
}

impl Bucket {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let objects = Objects::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&objects));
        let mut server = JoinSet::new();
        server.spawn(async { axum::serve(listener, router).await.expect("served") });
        let options = "access_key_id=tom&secret_access_key=meow&region=eu-1&allow_http=true";
        let url = format!("s3://cats/pictures?endpoint=http://{address}&{options}");
        Self { url, objects, _server: server }
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().expect("unharmed").keys().cloned().collect()
    }
}

async fn answer(
    State(objects): State<Objects>,
    method: Method,
    uri: Uri,
    content: Bytes,
) -> Response {
    let mut objects = objects.lock().expect("unharmed");
    let key = uri.path().trim_start_matches("/cats").trim_start_matches('/').to_owned();
    let etag = ("etag", "\"meow\"");
    match method {
        Method::PUT => {
            objects.insert(key, content);
            [etag].into_response()
        }
        Method::DELETE => {
            objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ if key.is_empty() => list(objects.keys()).into_response(),
        _ => match objects.get(&key) {
            Some(content) => ([etag, LAST_MODIFIED], content.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

/// Lists all objects, whatever the prefix.
fn list<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    let object = |key: &String| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>{WRITTEN}</LastModified>\
             <ETag>\"meow\"</ETag><Size>1</Size></Contents>"
        )
    };
    let objects: String = keys.map(object).collect();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>")
}
