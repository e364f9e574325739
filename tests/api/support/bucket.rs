//! A server for the part of S3 that we use: one bucket, in memory, without signatures.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
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
        let router = router.layer(DefaultBodyLimit::disable());
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
    headers: HeaderMap,
    content: Bytes,
) -> Response {
    let mut objects = objects.lock().expect("unharmed");
    let key = uri.path().trim_start_matches("/cats").trim_start_matches('/').to_owned();
    let query: HashMap<_, _> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let etag = ("etag", "\"meow\"");
    // The parts of an upload wait beside it.
    let upload = query.get("uploadId").map(|id| format!("{key}?{id}?"));
    match (method, upload) {
        (Method::POST, None) => format!(
            "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>",
            objects.len()
        )
        .into_response(),
        (Method::PUT, Some(upload)) => {
            objects.insert(format!("{upload}{:0>5}", query["partNumber"]), content);
            [etag].into_response()
        }
        (Method::POST, Some(upload)) => {
            let parts = take(&mut objects, &upload);
            objects.insert(key, parts.concat().into());
            "<CompleteMultipartUploadResult><ETag>meow</ETag></CompleteMultipartUploadResult>".into_response()
        }
        (Method::DELETE, Some(upload)) => {
            take(&mut objects, &upload);
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::PUT, None) => {
            objects.insert(key, content);
            [etag].into_response()
        }
        (Method::DELETE, None) => {
            objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ if key.is_empty() => {
            let prefix = query.get("prefix").map_or("", String::as_str);
            list(objects.keys().filter(|key| key.starts_with(prefix))).into_response()
        }
        _ => match objects.get(&key) {
            Some(content) => range(&headers, content).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

fn take(objects: &mut BTreeMap<String, Bytes>, upload: &str) -> Vec<Bytes> {
    let keys: Vec<_> = objects.keys().filter(|key| key.starts_with(upload)).cloned().collect();
    keys.iter().filter_map(|key| objects.remove(key)).collect()
}

/// An object, or the range `bytes=FIRST-LAST` of it.
fn range(headers: &HeaderMap, content: &Bytes) -> impl IntoResponse {
    let meta = [("etag", "\"meow\""), LAST_MODIFIED];
    let range = headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return (meta, content.clone()).into_response();
    };
    let (first, last): (usize, usize) = (first.parse().expect("one"), last.parse().expect("one"));
    let last = last.min(content.len() - 1);
    let range = [("content-range", format!("bytes {first}-{last}/{}", content.len()))];
    (StatusCode::PARTIAL_CONTENT, meta, range, content.slice(first..=last)).into_response()
}

/// Lists these objects.
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
