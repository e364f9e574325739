//! SIGKILL under load: the real program is killed several times in the middle of its work, and started
//! again on the same data. Acknowledged messages exist once, and no message exists that nobody sent.
//! Also a full disk, which the program survives.

use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use meowsenger::config::Variables;
use meowsenger_testing::services::variables;
use meowsenger_testing::{
    Backend, Chance, Client, Ledger, PASSWORD, Program, Socket, Watchdog, eventually,
};
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

const BINARY: &str = env!("CARGO_BIN_EXE_meowsenger");
const ROUNDS: usize = 4;
const WRITERS: usize = 16;
const CHATS: usize = 2;

fn start(variables: &Variables) -> Program {
    Program::start(&mut command(&["runserver", "127.0.0.1:0"], variables))
}

/// Starts a server whose files can be limited in size later. The signal that such a limit sends is
/// ignored, so that writes fail as on a full disk.
fn start_limited(variables: &Variables) -> Program {
    let server = command(&[], variables);
    let script = "trap '' XFSZ; exec \"$0\" runserver 127.0.0.1:0";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(server.get_program()).env_clear().stdin(Stdio::null());
    shell.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Program::start(&mut shell)
}

/// Limits the size of a server's files from now on.
fn limit_files(server: &Program, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit").args(["--pid", &server.id().to_string(), &limit]).status();
    assert!(set.expect("util-linux").success());
}

fn command(arguments: &[&str], variables: &Variables) -> Command {
    let mut command = Program::command(BINARY, arguments, variables);
    command.env("LOG_LEVEL", "error").env("THROTTLE", "off");
    command
}

/// Sends messages one by one until the server dies, beginning with the unacknowledged one.
struct Writer {
    client: Client,
    number: usize,
    chat: i64,
    /// The next message's number, which stays the same until the message is acknowledged.
    next: usize,
}

impl Writer {
    async fn write(mut self, base: &str, ledger: &Ledger, count: &watch::Sender<usize>) -> Self {
        self.client = Client { base: base.to_owned(), http: reqwest::Client::new(), ..self.client };
        let mut socket = match self.number % 2 {
            0 => None,
            _ => match self.dial().await {
                Some(socket) => Some(socket),
                None => return self,
            },
        };
        loop {
            let client_id = format!("w{}-{}", self.number, self.next);
            let body = json!({"content": client_id, "client_id": client_id});
            let answer = match &mut socket {
                Some(socket) => over_socket(socket, self.chat, body).await,
                None => over_rest(&self.client, self.chat, &body).await,
            };
            let Some(message) = answer else { return self };
            ledger.acknowledged(client_id, message);
            self.next += 1;
            count.send_modify(|count| *count += 1);
        }
    }

    /// `None` if the server dies meanwhile.
    async fn dial(&self) -> Option<Socket> {
        let token = format!("Bearer {}", self.client.access);
        let headers = [("authorization", token.as_str())];
        let mut socket = Socket::dial(&self.client, "/ws/", &headers).await.ok()?;
        let ready = socket.next_or_end().await.ok()?;
        assert_eq!(ready["type"], "ready");
        Some(socket)
    }
}

/// The acknowledged message; `None` if the server died.
async fn over_rest(client: &Client, chat: i64, body: &Value) -> Option<Value> {
    let path = format!("/api/chats/{chat}/messages/");
    let answer = client.request(reqwest::Method::POST, &path).json(body).send().await.ok()?;
    let status = answer.status().as_u16();
    let message = answer.json().await.ok()?;
    assert!([200, 201].contains(&status), "{status}: {message}");
    Some(message)
}

/// The same over a socket. Ignores events.
async fn over_socket(socket: &mut Socket, chat: i64, mut body: Value) -> Option<Value> {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::Message;

    let id = body["client_id"].clone();
    (body["type"], body["chat"], body["id"]) = (json!("message.send"), json!(chat), id.clone());
    socket.stream.send(Message::text(body.to_string())).await.ok()?;
    loop {
        let frame = socket.next_or_end().await.ok()?;
        if frame["id"] == id {
            assert_eq!(frame["type"], "ack", "{frame}");
            return Some(frame["message"].clone());
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_sigkill_once_and_in_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let _watchdog = Watchdog::start();
    let folder = TempDir::new().expect("a folder");
    let Some(variables) = variables(backend, folder.path()).await else { return };
    if backend == Backend::Postgres {
        Program::migrate(BINARY, &variables);
    }
    let mut chance = Chance::new("crash");
    let mut server = start(&variables);
    let (mut writers, chats) = begin(&server).await;

    let ledger = Ledger::default();
    for _ in 0..ROUNDS {
        let (count, mut counted) = watch::channel(0);
        let enough = 30 + chance.below(370);
        let base = server.base.clone();
        let writing = join_all(
            std::mem::take(&mut writers).into_iter().map(|w| w.write(&base, &ledger, &count)),
        );
        let killing = async {
            counted.wait_for(|count| *count >= enough).await.expect("they write");
            drop(server);
        };
        (writers, ()) = tokio::join!(writing, killing);
        server = start(&variables);
    }

    let reader = Client { base: server.base.clone(), ..writers[0].client.clone() };
    let found = ledger.check(&reader, &chats).await;
    // Each writer waits for an answer before it sends the next message, which determines the order. At
    // most one message of each writer exists that was not acknowledged.
    for writer in &writers {
        let seq =
            |n: usize| found.get(&format!("w{}-{n}", writer.number)).map(|m| m["seq"].as_i64());
        let seqs: Vec<_> = (0..writer.next).map(|n| seq(n).expect("acknowledged")).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
        assert_eq!(seq(writer.next + 1), None);
    }
    assert!(found.len() <= ledger.count() + WRITERS, "{} of {}", found.len(), ledger.count());
    drop(server);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_found_after_sigkill_in_the_middle_of_indexing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let _watchdog = Watchdog::start();
    let folder = TempDir::new().expect("a folder");
    let Some(variables) = variables(backend, folder.path()).await else { return };
    if backend == Backend::Postgres {
        Program::migrate(BINARY, &variables);
    }
    let mut server = start(&variables);
    let tom = Client::new(&server.base).register("tom", PASSWORD).await;
    let chat = tom.group(&[]).await;
    let mut ids = Vec::new();
    for round in 0..ROUNDS {
        let tom = Client { base: server.base.clone(), http: reqwest::Client::new(), ..tom.clone() };
        // More than a batch of the indexer, and a different amount each time.
        let text = format!("meow {}", "purr hiss ".repeat(400));
        let sends = (0..60 + 30 * round).map(|_| tom.say(chat, &text));
        ids.extend(join_all(sends).await.iter().map(|message| message["id"].as_i64()));
        drop(server);
        server = start(&variables);
    }
    ids.sort();
    let tom = Client { base: server.base.clone(), http: reqwest::Client::new(), ..tom };
    let path = "/api/messages/search/?q=meow&page_size=100";
    eventually(Duration::from_secs(20), "all messages are found, each once", async || {
        let found = tom.walk(path, "next").await;
        let mut found: Vec<_> = found.iter().map(|row| row["message"]["id"].as_i64()).collect();
        found.sort();
        (found == ids).then_some(())
    })
    .await;
    drop(server);
    let checked = command(&["doctor"], &variables).output().expect("run");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_database_that_was_restored_gets_another_epoch_and_no_other_does() {
    let _watchdog = Watchdog::start();
    let folder = TempDir::new().expect("a folder");
    let variables = variables(Backend::Sqlite, folder.path()).await.expect("always there");
    let file = |name: &str| folder.path().join(name);
    let epoch = |arguments: &[&str]| {
        let output = command(&[&["epoch"], arguments].concat(), &variables).output().expect("run");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let server = start(&variables);
    let anonymous = Client::new(&server.base);
    let tom = anonymous.register("tom", PASSWORD).await;
    let kitty = anonymous.register("kitty", PASSWORD).await;
    let chat = tom.private_chat(&kitty).await;
    tom.say(chat, "before").await;
    let first = epoch(&[]);

    // A copy is made while the server runs; then a single message is sent, and SIGKILL.
    let live = rusqlite::Connection::open(file("meowsenger.sqlite3")).expect("opened");
    let copy = format!("vacuum into '{}'", file("copy").display());
    live.execute_batch(&copy).expect("copied");
    drop(live);
    tom.say(chat, "after").await;
    drop(server);
    let server = start(&variables);
    assert_eq!(epoch(&[]), first, "a crash is no restore");
    drop(server);

    let restore = || {
        for leftover in ["meowsenger.sqlite3-wal", "meowsenger.sqlite3-shm"] {
            std::fs::remove_file(file(leftover)).ok();
        }
        std::fs::copy(file("copy"), file("meowsenger.sqlite3")).expect("restored");
    };
    restore();
    let server = start(&variables);
    let second = epoch(&[]);
    assert_ne!(second, first);
    let tom = Client { base: server.base.clone(), http: reqwest::Client::new(), ..tom };
    tom.say(chat, "otherwise").await;
    drop(server);
    drop(start(&variables));
    assert_eq!(epoch(&[]), second);

    // The operator renews the epoch; the next start need not detect the restore.
    restore();
    let third = epoch(&["--renew"]);
    assert!(third != first && third != second);
    let server = start(&variables);
    assert_eq!(epoch(&[]), third);
    let socket = Socket::open(&Client { base: server.base.clone(), ..tom }).await;
    assert_eq!(socket.ready["epoch"], third);
    drop(server);
}

/// The writers, and the groups that all of them are members of.
async fn begin(server: &Program) -> (Vec<Writer>, Vec<i64>) {
    let anonymous = Client::new(&server.base);
    let names = (0..WRITERS).map(|number| format!("writer{number}"));
    let clients = join_all(names.map(|name| {
        let anonymous = anonymous.clone();
        async move { anonymous.register(&name, PASSWORD).await }
    }))
    .await;
    let mut chats = Vec::new();
    for _ in 0..CHATS {
        chats.push(clients[0].group(&clients[1..].iter().collect::<Vec<_>>()).await);
    }
    let writer = |(number, client)| {
        let chat = chats[number / 2 % CHATS];
        Writer { client, number, chat, next: 0 }
    };
    (clients.into_iter().enumerate().map(writer).collect(), chats)
}

async fn until_ready(client: &Client, status: u16) {
    let look = async || (client.get("/readyz").await.status == status).then_some(());
    eventually(Duration::from_secs(5), &format!("/readyz answers {status}"), look).await;
}

/// Only for SQLite: PostgreSQL's disk is the database server's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_for_a_while_costs_503_and_nothing_else() {
    let _watchdog = Watchdog::start();
    let folder = TempDir::new().expect("a folder");
    let variables = variables(Backend::Sqlite, folder.path()).await.expect("no service needed");
    let server = start_limited(&variables);
    let anonymous = Client::new(&server.base);
    let alice = anonymous.register("alice", PASSWORD).await;
    let bob = anonymous.register("bob", PASSWORD).await;
    let chat = alice.private_chat(&bob).await;
    let path = format!("/api/chats/{chat}/messages/");
    let send = async |text: &str| alice.post(&path, json!({"content": text})).await;
    send("before").await.expect(201);
    let mut socket = Socket::open(&alice).await;
    until_ready(&alice, 200).await;

    for name in ["Alice", "Alicia"] {
        limit_files(&server, "4096");
        for answer in join_all((0..6).map(|_| send("meanwhile"))).await {
            answer.expect(503);
        }
        let frame = json!({"type": "message.send", "chat": chat, "content": "meanwhile"});
        assert_eq!(socket.request(frame).await["code"], "unavailable");
        alice.patch("/api/auth/me/", json!({"first_name": name})).await.expect(503);
        bob.get(&path).await.expect(200);
        bob.get("/api/chats/").await.expect(200);
        until_ready(&alice, 503).await;

        limit_files(&server, "unlimited");
        send("afterwards").await.expect(201);
        alice.patch("/api/auth/me/", json!({"first_name": name})).await.expect(200);
        until_ready(&alice, 200).await;
    }
    drop(server);

    let server = start(&variables);
    let bob = Client { base: server.base.clone(), ..bob };
    let page = bob.get(&path).await.expect(200);
    let found: Vec<_> = page.results().iter().map(|message| &message["content"]).collect();
    assert_eq!(found, ["afterwards", "afterwards", "before"]);
    drop(server);
}

/// A small file system, unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    /// `None` if the test may not mount, which needs root.
    fn mount() -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(folder.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(folder))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.path().join("filler")).expect("made");
        std::io::copy(&mut std::io::repeat(0), &mut file).expect_err("full");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lazy unmount: it takes effect when the last open file is closed.
        Command::new("umount").arg("--lazy").arg(self.0.path()).status().ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_ended_though_the_disk_is_full() {
    let _watchdog = Watchdog::start();
    let Some(disk) = Disk::mount() else { return };
    let data = disk.0.path().join("data");
    let variables = variables(Backend::Sqlite, &data).await.expect("no service needed");
    let server = start(&variables);
    let alice = Client::new(&server.base).register("alice", PASSWORD).await;
    let login = async || {
        let session = alice.login("alice", PASSWORD).await.expect(200).json;
        alice.with_session(&session)
    };
    let sessions = [login().await, login().await, login().await];

    disk.fill();
    alice.login("alice", PASSWORD).await.expect(503);
    for session in &sessions {
        session.get("/api/auth/me/").await.expect(200);
        session.post("/api/auth/logout/", json!({})).await.expect(204);
        session.get("/api/auth/me/").await.expect(401);
    }
    std::fs::remove_file(disk.0.path().join("filler")).expect("removed");
    login().await;
    drop(server);
}
