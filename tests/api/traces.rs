//! Traces, as a collector gets them: a request is followed through the committer and the database to the other
//! node's delivery, and a collector that fails delays nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use meowsenger::config::Variables;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::services::{bus_url, variables};
use crate::support::{Backend, Client, PASSWORD, Program, Socket, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const SECRET: &str = "purr-hunter2";

/// A collector that keeps what it gets.
#[derive(Clone)]
struct Collector {
    base: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

/// A span with the name of its service.
#[derive(Clone, Debug)]
struct Spanned {
    service: String,
    span: Value,
}

impl Collector {
    async fn start(status: StatusCode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        let take = move |body: Bytes| async move {
            kept.lock().expect("unharmed").push(serde_json::from_slice(&body).expect("JSON"));
            (status, "{}")
        };
        let router = Router::new().fallback(take);
        #[expect(clippy::disallowed_methods, reason = "the test's own server")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, bodies }
    }

    /// The settings of a node that sends its traces here.
    fn settings(&self, variables: &Variables, service: &str) -> Variables {
        let mut variables = variables.clone();
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*self.base),
            ("OTEL_SERVICE_NAME", service),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        variables
    }

    fn spans(&self) -> Vec<Spanned> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let bodies = self.bodies.lock().expect("unharmed").clone();
        let mut spans = Vec::new();
        for resource in bodies.iter().flat_map(|body| list(&body["resourceSpans"])) {
            let service = attribute(&resource["resource"], "service.name");
            let service = service["stringValue"].as_str().expect("a service").to_owned();
            for span in list(&resource["scopeSpans"]).iter().flat_map(|scope| list(&scope["spans"]))
            {
                spans.push(Spanned { service: service.clone(), span });
            }
        }
        spans
    }
}

fn attribute(of: &Value, key: &str) -> Value {
    let attributes = of["attributes"].as_array().cloned().unwrap_or_default();
    attributes.into_iter().find(|one| one["key"] == key).unwrap_or_default()["value"].clone()
}

/// Sends a message as a part of the caller's trace.
async fn send(tom: &Client, chat: i64) {
    let path = format!("/api/chats/{chat}/messages/");
    let request = tom.request(Method::POST, &path);
    let request = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let answer = request.json(&json!({"content": SECRET})).send().await.expect("sent");
    assert_eq!(answer.status(), 201);
}

/// The one span with this name whose field has this value.
#[track_caller]
fn one<'a>(spans: &'a [Spanned], name: &str, field: &str, value: &Value) -> &'a Spanned {
    let fits = |one: &&Spanned| one.span["name"] == name && one.span[field] == *value;
    let found: Vec<_> = spans.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {field}={value}: {spans:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_is_followed_to_the_other_node_s_delivery() {
    let Some(bus) = bus_url() else { return };
    let folders = [TempDir::new().expect("a folder"), TempDir::new().expect("a folder")];
    let Some(mut variables) = variables(Backend::Postgres, folders[0].path()).await else { return };
    variables.insert("BUS_URL".to_owned(), bus);
    let collector = Collector::start(StatusCode::OK).await;
    let start = |number: usize, service| {
        Program::start(&collector.settings(&variables, service), folders[number].path())
    };
    let (one_node, two_node) = (start(0, "one"), start(1, "two"));
    let tom = one_node.client.register("tom", PASSWORD).await;
    let kitty = one_node.client.register("kitty", PASSWORD).await;
    let chat = tom.private_chat(&kitty).await;
    for node in [&one_node, &two_node] {
        let look = async || (node.client.get("/readyz").await.json["bus"] == "ok").then_some(());
        eventually(Duration::from_secs(10), "the bus is connected", look).await;
    }
    let at_two = Client { base: two_node.client.base.clone(), ..kitty.clone() };
    let mut socket = Socket::open(&at_two).await;
    send(&tom, chat).await;
    socket.next_of("message.created").await;
    let (log, _) = (one_node.end(), two_node.end());

    let spans = collector.spans();
    let route = "POST /api/chats/{id}/messages/";
    let request = one(&spans, route, "traceId", &json!(TRACE));
    assert_eq!((&*request.service, &request.span["parentSpanId"]), ("one", &json!(CALLER)));
    assert_eq!(attribute(&request.span, "http.response.status_code")["intValue"], json!("201"));
    assert_eq!(attribute(&request.span, "user.id")["intValue"], json!(tom.id.to_string()));
    let is_of_request = |batch: &&Spanned| {
        let links = batch.span["links"].as_array().cloned().unwrap_or_default();
        links.iter().any(|link| {
            (&link["traceId"], &link["spanId"]) == (&json!(TRACE), &request.span["spanId"])
        })
    };
    let batch = spans.iter().filter(|one| one.span["name"] == "commit batch").find(is_of_request);
    let batch = batch.unwrap_or_else(|| panic!("no batch: {spans:#?}"));
    let parent = &batch.span["spanId"];
    let statement = one(&spans, "sends::write", "parentSpanId", parent);
    assert_eq!(attribute(&statement.span, "db.system.name")["stringValue"], "postgresql");
    let delivery = one(&spans, "deliver change", "parentSpanId", parent);
    assert_eq!((&*delivery.service, &delivery.span["traceId"]), ("two", &batch.span["traceId"]));
    let text = json!(*collector.bodies.lock().expect("unharmed")).to_string();
    for secret in [SECRET, PASSWORD, &tom.access, &tom.refresh, "insert into"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(!log.contains("traces") && !log.contains(TRACE), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_on_the_threads_of_sqlite_belong_to_their_requests() {
    let folder = TempDir::new().expect("a folder");
    let variables = variables(Backend::Sqlite, folder.path()).await.expect("SQLite");
    let collector = Collector::start(StatusCode::OK).await;
    let program = Program::start(&collector.settings(&variables, "one"), folder.path());
    let tom = program.client.register("tom", PASSWORD).await;
    let kitty = program.client.register("kitty", PASSWORD).await;
    let chat = tom.private_chat(&kitty).await;
    let mut socket = Socket::open(&tom).await;
    let frame = json!({"type": "message.send", "chat": chat, "content": SECRET});
    socket.request(frame).await;
    tom.get(&format!("/api/chats/{chat}/messages/")).await.expect(200);
    program.end();
    let spans = collector.spans();
    let by_id: HashMap<_, _> = spans
        .iter()
        .map(|one| (one.span["spanId"].to_string(), one.span["name"].clone()))
        .collect();
    let parents = |name: &str| -> Vec<Value> {
        let of_name = spans.iter().filter(|one| one.span["name"] == name);
        of_name
            .filter_map(|one| by_id.get(&one.span["parentSpanId"].to_string()).cloned())
            .collect()
    };
    assert_eq!(parents("sends::insert"), ["commit batch"]);
    assert!(parents("commit").contains(&json!("commit batch")), "{spans:#?}");
    assert!(parents("sessions::live").contains(&json!("GET /api/chats/{id}/messages/")));
    assert!(spans.iter().any(|one| one.span["name"] == "message.send"));
    let without_parent = |one: &&Spanned| {
        one.span["name"].as_str().is_some_and(|name| name.contains("::"))
            && one.span["parentSpanId"].as_str().unwrap_or_default().is_empty()
    };
    assert_eq!(spans.iter().find(without_parent).map(|one| &one.span), None, "no background tasks");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_fails_or_hangs_delays_nothing(#[values(true, false)] hangs: bool) {
    let folder = TempDir::new().expect("a folder");
    let variables = variables(Backend::Sqlite, folder.path()).await.expect("SQLite");
    let mut collector = Collector::start(StatusCode::SERVICE_UNAVAILABLE).await;
    // It is never accepted from.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    if hangs {
        collector.base = format!("http://{}", silent.local_addr().expect("an address"));
    }
    let program = Program::start(&collector.settings(&variables, "one"), folder.path());
    let tom = program.client.register("tom", PASSWORD).await;
    for _ in 0..30 {
        let since = Instant::now();
        tom.get("/api/chats/").await.expect(200);
        assert!(since.elapsed() < Duration::from_secs(3));
    }
    if !hangs {
        let look = async || {
            let count = collector.bodies.lock().expect("unharmed").len();
            tom.get("/api/chats/").await.expect(200);
            (count > 1).then_some(())
        };
        eventually(Duration::from_secs(10), "two batches are refused", look).await;
    }
    let since = Instant::now();
    let log = program.end();
    assert!(since.elapsed() < Duration::from_secs(8), "{log}");
    let failures = log.matches("cannot send traces to the collector").count();
    assert!(failures <= 1 && (hangs || failures == 1), "{log}");
}
