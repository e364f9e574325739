//! What monitoring reads: every metric is documented, the dashboard and the alerts use only metrics that exist,
//! what happens is counted, and no client can make new time series.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use meowsenger::http;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::services::bus_url;
use crate::support::{Backend, Client, PASSWORD, Socket, TestApp, eventually};

const PAGE: &str = include_str!("../../docs/metrics.md");
const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/meowsenger.json");

/// The metrics of a node, at an address of their own.
struct Monitoring(Client);

/// The values of a scrape, by name with labels.
struct Scrape {
    text: String,
    values: BTreeMap<String, f64>,
}

impl Monitoring {
    async fn of(server: &TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        server.app.spawn(http::serve_metrics(Arc::clone(&server.app), listener));
        Self(Client::new(&format!("http://{address}")))
    }

    async fn scrape(&self) -> Scrape {
        let answer = self.0.get("/metrics").await.expect(200);
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect(line);
            (name.to_owned(), value.parse().expect(line))
        };
        let values = lines.map(value).collect();
        Scrape { text: answer.text, values }
    }
}

impl Scrape {
    /// The sum of all series with this name and these labels.
    fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let is_of = |series: &str| {
            series.split('{').next() == Some(name) && labels.iter().all(|l| series.contains(l))
        };
        self.values.iter().filter(|(series, _)| is_of(series)).map(|(_, value)| value).sum()
    }

    fn names(&self) -> BTreeSet<&str> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|rest| rest.split(' ').next()).collect()
    }
}

/// The metrics that a text names. The parts of a histogram count as the histogram.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics =
        words.filter(|word| word.starts_with("meowsenger_") || word.starts_with("process_"));
    let parts = ["_bucket", "_sum", "_count"];
    let whole = |word| parts.iter().find_map(|part| str::strip_suffix(word, part)).unwrap_or(word);
    metrics.map(whole).collect()
}

/// A little of everything.
async fn live(server: &TestApp) -> (Client, Client, i64, Socket) {
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let mut socket = Socket::open(&kitty).await;
    for number in 0..3 {
        tom.say(chat, &format!("meow {number}")).await;
    }
    let text = json!({"type": "message.send", "chat": chat, "content": "purr"});
    socket.request(text).await;
    socket.request(json!({"type": "message.read", "chat": chat, "seq": 4})).await;
    tom.login(&kitty.username, "wrong").await.expect(401);
    (tom, kitty, chat, socket)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_metric_is_documented_and_no_alert_waits_for_one_that_does_not_exist(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let Some(server) = TestApp::start_with(backend, &[("BUS_URL", &bus)]).await else { return };
    // What passes between nodes is counted, too.
    let other = server.second_node().await;
    let (tom, kitty, chat, _socket) = live(&server).await;
    let _elsewhere = Socket::open(&Client { base: other.base.clone(), ..kitty }).await;
    let monitoring = Monitoring::of(&other).await;
    let look = async || {
        tom.say(chat, "meow").await;
        let scrape = monitoring.scrape().await;
        (scrape.sum("meowsenger_events_received_total", &[]) > 0.0).then_some(())
    };
    eventually(Duration::from_secs(10), "an event of the other node", look).await;
    let scrapes = [Monitoring::of(&server).await.scrape().await, monitoring.scrape().await];
    let names: BTreeSet<_> = scrapes.iter().flat_map(Scrape::names).collect();
    assert_eq!(named(PAGE), names, "docs/metrics.md and /metrics");
    for (file, text) in [("the alerts", ALERTS), ("the dashboard", DASHBOARD)] {
        let unknown: Vec<_> = named(text).difference(&names).copied().collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    for alert in ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(PAGE.matches(alert).count() >= 1, "docs/metrics.md does not explain {alert}");
    }
    let has_other = |scrape: &Scrape| scrape.text.contains("statement=\"other\"");
    assert!(!scrapes.iter().any(has_other), "each statement has a name");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_counted(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let monitoring = Monitoring::of(&server).await;
    let (tom, _kitty, _chat, _socket) = live(&server).await;
    tom.get("/api/chats/999/").await.expect(404);
    let scrape = monitoring.scrape().await;
    let requests = "meowsenger_http_requests_total";
    let sends = ["method=\"POST\"", "route=\"/api/chats/{id}/messages/\"", "status=\"201\""];
    assert_eq!(scrape.sum(requests, &sends), 3.0);
    assert_eq!(scrape.sum(requests, &["route=\"/api/chats/{id}/\"", "status=\"404\""]), 1.0);
    assert_eq!(scrape.sum(requests, &["route=\"/api/auth/login/\"", "status=\"401\""]), 1.0);
    let durations = "meowsenger_http_request_duration_seconds_count";
    assert_eq!(scrape.sum(durations, &sends[..2]), 3.0);
    for (name, label, expected) in [
        ("meowsenger_messages_created_total", "", 4.0),
        ("meowsenger_batch_size_sum", "of=\"sends\"", 4.0),
        ("meowsenger_events_published_total", "type=\"message.created\"", 4.0),
        ("meowsenger_frames_received_total", "type=\"message.send\"", 1.0),
        ("meowsenger_frames_received_total", "type=\"message.read\"", 1.0),
        ("meowsenger_sockets_opened_total", "", 1.0),
        ("meowsenger_sockets", "", 1.0),
        ("meowsenger_connected_users", "", 1.0),
        ("meowsenger_ready", "", 1.0),
        ("meowsenger_queue_limit", "queue=\"markers\"", 8_192.0),
        ("meowsenger_build_info", concat!("version=\"", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert_eq!(scrape.sum(name, &[label]), expected, "{name} {label}: {}", scrape.text);
    }
    let statement = "meowsenger_db_statement_duration_seconds_count";
    let (write, commit) = match backend {
        Backend::Sqlite => ("statement=\"sends::insert\"", "statement=\"commit\""),
        Backend::Postgres => ("statement=\"sends::write\"", "statement=\"begin\""),
    };
    for (name, label) in [
        (statement, write),
        (statement, commit),
        (statement, "statement=\"users::"),
        ("meowsenger_db_pool_wait_seconds_count", "for=\"reads\""),
        ("meowsenger_db_commits_total", "outcome=\"committed\""),
        ("meowsenger_frames_sent_total", "type=\"event\""),
        ("process_resident_memory_bytes", ""),
        ("process_open_fds", ""),
        ("process_cpu_seconds_total", ""),
    ] {
        assert!(scrape.sum(name, &[label]) > 0.0, "{name} {label}: {}", scrape.text);
    }
    assert_eq!(scrape.sum("meowsenger_db_failures_total", &["kind=\"other\""]), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_make_new_time_series() {
    let Some(server) = TestApp::start(Backend::Sqlite).await else { return };
    let monitoring = Monitoring::of(&server).await;
    let (tom, kitty, chat, _socket) = live(&server).await;
    let mut socket = Socket::open(&tom).await;
    let rubbish = async |socket: &mut Socket, number: usize| {
        let word = format!("x{number}");
        let method = Method::from_bytes(word.to_uppercase().as_bytes()).expect("a method");
        tom.request(method, &format!("/api/{word}/?{word}={word}")).send().await.expect("sent");
        tom.get(&format!("/api/chats/{chat}/messages/?page_size={number}")).await.expect(200);
        tom.get(&format!("/api/users/{number}/")).await;
        socket.send(json!({"type": word})).await;
        socket.next_of("error").await;
        server.anonymous().login(&word, PASSWORD).await.expect(401);
    };
    rubbish(&mut socket, 1).await;
    kitty.get("/api/users/999999/").await.expect(404);
    let before = monitoring.scrape().await;
    for number in 2..20 {
        rubbish(&mut socket, number).await;
    }
    let after = monitoring.scrape().await;
    let of_clients = ["meowsenger_http_", "meowsenger_frames_received"];
    let series = after.values.keys().filter(|one| of_clients.iter().any(|of| one.starts_with(of)));
    let new: Vec<_> = series.filter(|series| !before.values.contains_key(*series)).collect();
    assert_eq!(new, Vec::<&String>::new());
    assert!(!after.text.contains("x1") && !after.text.contains("X1"), "{}", after.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_served_on_their_own_address_alone() {
    let Some(server) = TestApp::start(Backend::Sqlite).await else { return };
    let monitoring = Monitoring::of(&server).await;
    for path in ["/metrics", "/metrics/"] {
        server.anonymous().get(path).await.expect(404);
        monitoring.0.get(path).await.expect(200);
    }
    monitoring.0.get("/api/users/").await.expect(404);
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let asked = monitoring.0.request(Method::GET, "/metrics").header("accept", accept);
    let answer = asked.send().await.expect("answered");
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    assert!(answer.text().await.expect("text").ends_with("# EOF\n"));
}
