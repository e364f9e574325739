//! The log never contains a secret: with every crate at its most verbose level, with all services, and
//! when these fail. Tests the real program.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use meowsenger::config::Variables;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::avatars::{file, patch_me, png};
use crate::support::bucket::Bucket;
use crate::support::services::{SECRET_KEY, nats_server, variables};
use crate::support::{Backend, MailServer, PASSWORD, Program, Socket, eventually};

const LOUDEST: &str = "trace,async_nats=trace,hyper=trace,hyper_util=trace,lettre=trace,\
                       object_store=trace,reqwest=trace,rustls=trace,sqlx=trace,tokio=trace";
const DATABASE: &str = "password-of-the-database";
const BUS: &str = "password-of-the-bus";
const MAIL: &str = "password-of-the-mail-server";
const MEDIA: &str = "secret-key-of-the-bucket";
const NEW: &str = "ten-lives-2027";
const RESET: &str = "/api/auth/password/reset/";

/// A NATS server with a password, killed when dropped.
struct Nats {
    process: Child,
    /// `127.0.0.1:PORT`
    address: String,
}

impl Nats {
    async fn start(program: &Path, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", "-1", "--user", "meow", "--pass", BUS]);
        command.arg("--ports_file_dir").arg(folder).stderr(Stdio::null());
        let process = command.spawn().expect("started");
        let path = folder.join(format!("nats-server_{}.ports", process.id()));
        let look = async || {
            let ports: Value =
                serde_json::from_slice(&fs::read(&path).unwrap_or_default()).unwrap_or_default();
            ports["nats"][0].as_str().map(|url| url.trim_start_matches("nats://").to_owned())
        };
        let address = eventually(Duration::from_secs(10), "NATS writes its ports", look).await;
        Self { process, address }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The settings of a site with all services. `None` if there is no database.
async fn settings(
    backend: Backend,
    folder: &Path,
    services: [(&str, String); 3],
    format: &str,
) -> Option<Variables> {
    let mut variables = variables(backend, folder).await?;
    variables.extend(services.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in [("LOG_LEVEL", LOUDEST), ("LOG_FORMAT", format)] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    if let Some(url) = variables.get_mut("DATABASE_URL") {
        // The tests' server accepts any password.
        *url = url.replacen("postgres@", &format!("postgres:{DATABASE}@"), 1);
        assert!(url.contains(DATABASE), "{url}");
    }
    Some(variables)
}

#[track_caller]
fn expect_no_secret(log: &str, secrets: &[&str]) {
    let plain = |user: &str, password: &str| STANDARD.encode(format!("\0{user}\0{password}"));
    let encoded = [plain("postman", MAIL), STANDARD.encode(MAIL), STANDARD.encode(BUS)];
    let always = [DATABASE, BUS, MAIL, MEDIA, SECRET_KEY, PASSWORD, NEW];
    let encoded = encoded.iter().map(String::as_str);
    for secret in always.into_iter().chain(encoded).chain(secrets.iter().copied()) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret:?} is in the log: {line:?}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values("pretty", "json")] format: &str,
) {
    let Some(nats) = nats_server() else { return };
    let folder = TempDir::new().expect("a folder");
    let nats = Nats::start(&nats, folder.path()).await;
    let (mut mails, bucket) = (MailServer::start().await, Bucket::start().await);
    let services = [
        ("BUS_URL", format!("nats://meow:{BUS}@{}", nats.address)),
        ("EMAIL_URL", mails.url.replace("//", &format!("//postman:{MAIL}@"))),
        ("MEDIA_URL", bucket.url.replace("=meow", &format!("={MEDIA}"))),
    ];
    let settings = settings(backend, folder.path(), services, format).await;
    let Some(variables) = settings else { return };
    let program = Program::start(&variables, folder.path());
    let anonymous = program.client.clone();

    let body = json!({"username": "tom", "email": "tom@example.org", "password": PASSWORD});
    let tom = anonymous.post("/api/auth/register/", body).await.expect(201).json;
    let mut secrets = vec![text(&tom["access"]), text(&tom["refresh"])];
    let next = anonymous.spend(&secrets[1]).await.expect(200).json;
    let tom = anonymous.with_session(&tom).with_access(&text(&next["access"]));
    secrets.extend([text(&next["access"]), text(&next["refresh"])]);
    anonymous.login("tom", NEW).await.expect(401);
    anonymous.post("/api/auth/verify/", json!({"token": secrets[2]})).await.expect(200);
    tom.get(&format!("/api/auth/me/?token={}", tom.access)).await.expect(200);
    patch_me(&tom, &[file(png(8, 8))]).await.expect(200);
    assert!(!bucket.keys().is_empty());
    let kitty = anonymous.register("kitty", PASSWORD).await;
    let chat = tom.private_chat(&kitty).await;
    tom.say(chat, "meow").await;

    let ticket = tom.post("/api/auth/ws-ticket/", json!({})).await.expect(201).json;
    let ticket = text(&ticket["ticket"]);
    let path = format!("/ws/?ticket={ticket}");
    let mut socket = Socket::dial(&tom, &path, &[]).await.expect("upgraded");
    assert_eq!(socket.next().await["type"], "ready");
    Socket::open_by_frame(&kitty).await;

    anonymous.post(RESET, json!({"email": "tom@example.org"})).await.expect(204);
    let (uid, token) = mails.next().await.link();
    anonymous
        .request(Method::GET, &format!("/reset?uid={uid}&token={token}"))
        .send()
        .await
        .expect("sent");
    let body = json!({"uid": uid, "token": token, "new_password": NEW});
    anonymous.post(&format!("{RESET}confirm/"), body).await.expect(204);
    secrets.extend([ticket, token]);

    let log = program.end();
    for expected in ["/api/auth/register/", "NATS connected", "socket closed"] {
        assert!(log.contains(expected), "no {expected:?}: {log}");
    }
    // A token is recognised by its signature.
    let signatures = secrets.iter().map(|secret| secret.rsplit('.').next().expect("a part"));
    expect_no_secret(&log, &signatures.collect::<Vec<_>>());
    assert!(!log.contains("@example.org"), "an e-mail address is in the log");
    let plain = log.lines().find(|line| serde_json::from_str::<Value>(line).is_err());
    assert!(format != "json" || plain.is_none(), "not JSON: {plain:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_logged_where_services_fail(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(nats) = nats_server() else { return };
    let folder = TempDir::new().expect("a folder");
    let nats = Nats::start(&nats, folder.path()).await;
    let bucket = format!("endpoint=http://127.0.0.1:9&secret_access_key={MEDIA}&access_key_id=tom");
    let services = [
        ("BUS_URL", format!("nats://meow:{MAIL}@{}", nats.address)),
        ("EMAIL_URL", format!("smtp://postman:{MAIL}@127.0.0.1:9")),
        ("MEDIA_URL", format!("s3://cats?{bucket}&region=eu-1&allow_http=true")),
    ];
    let settings = settings(backend, folder.path(), services, "pretty").await;
    let Some(mut variables) = settings else { return };
    let program = Program::start(&variables, folder.path());
    let body = json!({"username": "tom", "email": "tom@example.org", "password": PASSWORD});
    let tom = program.client.post("/api/auth/register/", body).await.expect(201).json;
    let tom = program.client.with_session(&tom);
    tom.post(RESET, json!({"email": "tom@example.org"})).await.expect(204);
    patch_me(&tom, &[file(png(8, 8))]).await.expect(503);
    let log = program.end();
    for expected in ["could not be mailed", "the mail server at 127.0.0.1:9: ", "request refused"] {
        assert!(log.contains(expected), "no {expected:?}: {log}");
    }
    assert_eq!(log.matches("cannot connect to NATS").count(), 1, "once an outage: {log}");
    expect_no_secret(&log, &[&tom.access, &tom.refresh]);
    assert!(!log.contains("@example.org"), "an e-mail address is in the log");

    // An unreachable database.
    let url = format!("postgres://meow:{DATABASE}@127.0.0.1:9/meow");
    variables.insert("DATABASE_URL".to_owned(), url);
    variables.insert("DATABASE_CONNECT_TIMEOUT".to_owned(), "1s".to_owned());
    let log = folder.path().join("log");
    let status = Program::command(&["runserver", "0"], &variables, &log).status().expect("run");
    assert!(!status.success());
    expect_no_secret(&fs::read_to_string(log).expect("a log"), &[]);
}
