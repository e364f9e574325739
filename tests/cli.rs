//! The program as an operator runs it: the real binary, its output and its exit status. `tests/api`
//! tests what it does with users and chats.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use meowsenger::app::open_database;
use meowsenger::auth::secrets::random_hex;
use meowsenger::config::Config;
use meowsenger_testing::{Ran, program};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

#[path = "cli/check.rs"]
mod check;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/log_files.rs"]
mod log_files;
#[path = "cli/rolling.rs"]
mod rolling;
#[path = "cli/settings.rs"]
mod settings;
#[path = "cli/stopping.rs"]
mod stopping;

const KEY: (&str, &str) =
    ("SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests-only-for-tests");

/// A working directory, without the caller's environment.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meowsenger"));
        command.args(arguments).env_clear().env("SHUTDOWN_DELAY", "0");
        command.envs(variables.iter().copied()).envs(program::coverage());
        command.current_dir(self.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        Ran::from(self.command(arguments, variables).output().expect("it runs"))
    }
}

/// A server in the foreground, killed when dropped.
struct Running {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    /// `127.0.0.1:PORT`
    address: String,
}

impl Running {
    fn start(shell: &Shell, variables: &[(&str, &str)]) -> Self {
        Self::of(shell.command(&["runserver", "0"], variables))
    }

    fn of(mut command: Command) -> Self {
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        // It is JSON if the log is.
        let address = line.split("listens on http://").nth(1);
        let address = address.and_then(|rest| rest.split(['"', '\n']).next());
        let address = address.unwrap_or_else(|| panic!("no address: {line:?}")).to_owned();
        Self { process, output, address }
    }

    fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(&self.address).expect("connected");
        connection.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        connection
    }

    /// The answer to a request that closes the connection.
    fn ask(&self, head: &str, body: &str) -> String {
        let mut connection = self.connect();
        let (length, close) = (body.len(), "connection: close\r\ncontent-type: application/json");
        let request = format!(
            "{head}\r\nhost: localhost\r\n{close}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer in time");
        answer
    }

    /// The status of the answer.
    fn get(&self, path: &str) -> u16 {
        status(&self.ask(&format!("GET {path} HTTP/1.1"), ""))
    }

    /// Requests a socket: returns the answer's head, and the connection.
    fn upgrade(&self) -> (String, TcpStream) {
        let mut connection = self.connect();
        let request = "GET /ws/ HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
                       upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        connection.write_all(request.as_bytes()).expect("sent");
        (head(&mut connection), connection)
    }

    fn signal(&self) {
        self.signal_with("TERM");
    }

    fn signal_with(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success());
    }

    /// Sends SIGTERM. Returns the exit status, and how long it took.
    fn terminate(self) -> (Option<i32>, Duration) {
        self.stop("TERM")
    }

    fn stop(mut self, signal: &str) -> (Option<i32>, Duration) {
        let since = Instant::now();
        self.signal_with(signal);
        let status = self.process.wait().expect("it ends").code();
        (status, since.elapsed())
    }
}

/// The head of an answer; the rest remains unread.
fn head(connection: &mut TcpStream) -> String {
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        connection.read_exact(&mut byte).expect("a head in time");
        head.push(byte[0].into());
    }
    head
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).expect("a status").parse().expect("a number")
}

impl Drop for Running {
    fn drop(&mut self) {
        // In most tests it has exited by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn without_a_command_it_helps_and_nonsense_is_a_usage_error() {
    let shell = Shell::new();
    for arguments in [&[][..], &["--help"], &["help"]] {
        let ran = shell.run(arguments, &[]).says(&["Usage: meowsenger", "runserver", "migrate"]);
        assert_eq!(ran.status, if arguments.is_empty() { 2 } else { 0 });
    }
    for command in ["runserver", "migrate", "createsuperuser", "check", "openapi"] {
        shell.run(&[command, "--help"], &[]).expect(0).says(&["Usage"]);
    }
    for arguments in [&["meow"][..], &["migrate", "--meow"], &["migrate", "--check", "--plan"]] {
        shell.run(arguments, &[]).expect(2).says(&["error:"]);
    }
    shell.run(&["runserver", "nowhere:x"], &[]).expect(2).says(&["nowhere:x", "0.0.0.0"]);
}

#[test]
fn migrations_are_checked_planned_applied_and_shown() {
    let shell = Shell::new();
    shell.run(&["migrate", "--check"], &[]).expect(1).says(&["0001_"]);
    shell.run(&["migrate", "--plan"], &[]).expect(0).says(&["0001_"]);
    shell.run(&["showmigrations"], &[]).expect(0).says(&[" [ ] 0001_"]);
    shell.run(&["check"], &[]).expect(1).says(&["run `migrate`"]);
    shell.run(&["createsuperuser", "--noinput"], &[]).expect(1).says(&["`meowsenger migrate`"]);
    shell.run(&["migrate"], &[]).expect(0).says(&["applied 0001_"]);
    shell.run(&["migrate"], &[]).expect(0).says(&["No migrations to apply."]);
    shell.run(&["migrate", "--check"], &[]).expect(0);
    shell.run(&["showmigrations"], &[]).expect(0).says(&[" [X] 0001_"]);
}

#[tokio::test]
async fn an_older_version_starts_beside_a_newer_schema_that_allows_it() {
    let shell = Shell::new();
    shell.run(&["migrate"], &[]).expect(0);
    let folder = shell.path().join("data").display().to_string();
    let newer = async |beside: &str| {
        let config = Config::read(&[("DATA_DIR".to_owned(), folder.clone())].into()).unwrap();
        let db = open_database(&config).await.expect("opened");
        let mut tx = db.begin().await.expect("begun");
        let insert = "insert or replace into migrations (name, applied_at, runs_beside) \
                      values ('9999_wings', '', $1)";
        tx.query(insert).bind(beside).execute().await.expect("inserted");
        tx.commit().await.expect("committed");
        db.close().await;
    };
    newer("0007").await;
    shell.run(&["check"], &[]).expect(0);
    shell.run(&["migrate", "--check"], &[]).expect(0);
    shell.run(&["showmigrations"], &[]).expect(0).says(&[
        " [X] 0007_runs_beside (compatible with programs from migration 0006 on)",
        " [X] 9999_wings (compatible with programs from migration 0007 on), of a newer version",
    ]);
    let server = Running::start(&shell, &[]);
    assert_eq!(server.get("/readyz"), 200);
    assert_eq!(server.terminate().0, Some(0));

    newer("9999").await;
    for command in ["check", "migrate", "runserver"] {
        shell.run(&[command], &[]).expect(1).says(&["9999_wings", "newer"]);
    }
}

#[test]
fn every_faulty_setting_is_named_at_once() {
    let shell = Shell::new();
    let faulty = [
        ("BIND", "everywhere"),
        ("DEBUG", "perhaps"),
        ("SECRET_KEY", "hunter2"),
        ("LOG_LEVEL", "loud"),
        ("ALLOWED_HOSTS", "chat.example.org, *.example.org, http://x.org"),
        ("CORS_ALLOWED_ORIGINS", "https://x.org/path, *"),
    ];
    let values = [
        "\"*.example.org\"",
        "\"http://x.org\"",
        "\"https://x.org/path\": write https://x.org",
        "\"*\"",
    ];
    for command in ["runserver", "migrate", "check"] {
        let ran = shell.run(&[command], &faulty).expect(1).says(&faulty.map(|(name, _)| name));
        assert!(!ran.says(&values).err.contains("hunter2"));
    }
    for fine in ["debug", "off", "warn,meowsenger::store=trace", "meowsenger[span]=info"] {
        shell.run(&["migrate", "--plan"], &[("LOG_LEVEL", fine)]).expect(0);
    }
}

#[test]
fn the_env_file_is_read_and_the_environment_wins() {
    let shell = Shell::new();
    fs::write(shell.path().join(".env"), "DATA_DIR=from-file\nLOG_FORMAT=\"json\"\n").unwrap();
    shell.run(&["migrate"], &[]).expect(0);
    assert!(shell.path().join("from-file/meowsenger.sqlite3").exists());
    shell.run(&["migrate"], &[("DATA_DIR", "from-environment")]).expect(0);
    assert!(shell.path().join("from-environment/meowsenger.sqlite3").exists());
    fs::write(shell.path().join(".env"), "what is this\n").unwrap();
    shell.run(&["migrate"], &[]).expect(1).says(&[".env"]);
    for secret in ["DATABASE_URL=postgres://meow:hunter2 @db/meow", "SECRET_KEY='hunter2"] {
        fs::write(shell.path().join(".env"), format!("LOG_FORMAT=json\n{secret}\n")).unwrap();
        let ran = shell.run(&["migrate"], &[]).expect(1);
        assert!(!ran.says(&[".env", "after LOG_FORMAT"]).err.contains("hunter2"));
    }
}

#[test]
fn makemigrations_begins_a_file_on_each_side() {
    let shell = Shell::new();
    shell.run(&["makemigrations", "wings"], &[]).expect(1).says(&["source"]);
    for side in ["sqlite", "postgres"] {
        fs::create_dir_all(shell.path().join("migrations").join(side)).unwrap();
    }
    fs::write(shell.path().join("migrations/postgres/0007_x.sql"), "").unwrap();
    shell.run(&["makemigrations", "wings"], &[]).expect(0).says(&["sqlite/0008_wings.sql"]);
    shell.run(&["makemigrations", "tail_2"], &[]).expect(0).says(&["postgres/0009_tail_2.sql"]);
    // A new migration has the number of the one before it, until its author raises it.
    for file in ["postgres/0008_wings.sql", "sqlite/0009_tail_2.sql"] {
        let text = fs::read_to_string(shell.path().join("migrations").join(file)).unwrap();
        assert!(text.contains("\n-- Runs beside: 0007\n"), "{text}");
    }
    for bad in ["", "Wings", "../x", "a-b", "ü"] {
        shell.run(&["makemigrations", bad], &[]).expect(1).says(&["a-z"]);
    }
}

#[test]
fn a_superuser_is_made_without_asking() {
    let shell = Shell::new();
    shell.run(&["migrate"], &[]).expect(0);
    let make = |variables: &[(&str, &str)]| shell.run(&["createsuperuser", "--noinput"], variables);
    make(&[]).expect(1).says(&["DJANGO_SUPERUSER_USERNAME"]);
    make(&[("DJANGO_SUPERUSER_USERNAME", "boss")]).expect(1).says(&["_PASSWORD"]);
    let boss = [
        ("DJANGO_SUPERUSER_USERNAME", "boss"),
        ("DJANGO_SUPERUSER_EMAIL", "boss@example.org"),
        ("DJANGO_SUPERUSER_PASSWORD", "nine-lives-2026"),
    ];
    let weak = [boss[0], ("DJANGO_SUPERUSER_PASSWORD", "12345")];
    make(&weak).expect(1).says(&["password:", "too short", "entirely numeric"]);
    make(&boss).expect(0).says(&["Superuser created", "/admin/"]);
    make(&boss).expect(1).says(&["username: A user with that username already exists."]);
    let ours = [
        ("MEOWSENGER_SUPERUSER_USERNAME", "second"),
        ("MEOWSENGER_SUPERUSER_PASSWORD", "nine-lives-2026"),
    ];
    make(&ours).expect(0);
    let short = [("MEOWSENGER_USERNAME", "third"), ("MEOWSENGER_PASSWORD", "nine-lives-2026")];
    make(&short).expect(1);
}

#[test]
fn the_documents_are_json() {
    let print = |arguments: &[&str], settings: &[(&str, &str)]| -> serde_json::Value {
        serde_json::from_str(&Shell::new().run(arguments, settings).expect(0).out).expect("JSON")
    };
    assert!(print(&["openapi"], &[])["paths"]["/api/auth/login/"].is_object());
    assert_eq!(print(&["openapi", "--socket"], &[])["asyncapi"], "3.0.0");
    let longest = |settings: &[(&str, &str)]| {
        let document = print(&["openapi"], settings);
        let bodies = &document["components"]["schemas"];
        ["SendMessage", "EditMessage", "PatchMessage"]
            .map(|name| bodies[name]["properties"]["content"]["maxLength"].as_i64())
    };
    assert_eq!(longest(&[]), [Some(10_000); 3]);
    assert_eq!(longest(&[("MESSAGE_MAX_LENGTH", "500")]), [Some(500); 3]);
}

#[test]
fn a_server_makes_its_key_once_and_exits_on_sigterm() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[]);
    let mode = |path: &str| {
        fs::metadata(shell.path().join(path)).expect("made").permissions().mode() & 0o777
    };
    assert_eq!((mode("data"), mode("data/secret_key")), (0o700, 0o600));
    let key = fs::read_to_string(shell.path().join("data/secret_key")).expect("a key");
    assert!(key.len() >= 50);

    let second = shell.run(&["runserver", &server.address], &[]).expect(1);
    second.says(&["cannot listen on", &server.address]);

    let (status, took) = server.terminate();
    assert_eq!(status, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut again = Running::start(&shell, &[]);
    assert_eq!(fs::read_to_string(shell.path().join("data/secret_key")).expect("a key"), key);
    let mut rest = String::new();
    while !rest.contains("open files") {
        assert_ne!(again.output.read_line(&mut rest).expect("a line"), 0, "{rest}");
    }
    assert!(rest.contains("/api/docs/") && rest.contains("createsuperuser"), "{rest}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    let shell = Shell::new();
    let mut server = Running::start(&shell, &[("THROTTLE", "off")]);
    // Ten times the capacity of a pipe.
    for _ in 0..4_000 {
        assert_eq!(server.get("/api/nope/"), 404);
    }
    drop(server.process.stderr.take());
    for _ in 0..10 {
        assert_eq!(server.get("/api/nope/"), 404);
    }
    let (status, took) = server.terminate();
    assert_eq!(status, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_password_can_come_by_a_pipe() {
    let shell = Shell::new();
    shell.run(&["migrate"], &[]).expect(0);
    let fed = |arguments: &[&str], input: &str| {
        // No terminal to prompt on.
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(env!("CARGO_BIN_EXE_meowsenger")).args(arguments);
        command.env_clear().current_dir(shell.path()).stdin(Stdio::piped());
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stdin = process.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        Ran::from(process.wait_with_output().expect("it ends"))
    };
    let password = "nine-lives-2026\n".repeat(2);
    fed(&["createsuperuser"], &format!("tom\n\n{password}")).expect(0).says(&["created"]);
    fed(&["changepassword", "tom"], &password).expect(0).says(&["changed successfully"]);
    fed(&["changepassword", "tom"], "nine-lives-2026\n").expect(1).says(&["end of input"]);
}

/// The tests' PostgreSQL. `None` if there is none and none is required.
#[expect(clippy::disallowed_methods, reason = "the tests find their services by these variables")]
fn postgres() -> Option<String> {
    let url = std::env::var("MEOW_TEST_POSTGRES_URL").ok();
    assert!(url.is_some() || std::env::var_os("MEOW_REQUIRE_SERVICES").is_none(), "no PostgreSQL");
    url
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(server) = postgres() else { return };
    let name = format!("latin_{}", random_hex::<8>().expect("random"));
    let create = format!("create database {name} encoding 'LATIN1' template template0 locale 'C'");
    let mut admin = PgConnection::connect(&server).await.expect("connected");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.expect("created");
    let mut url = url::Url::parse(&server).expect("a URL");
    url.set_path(&name);
    let shell = Shell::new();
    let variables = [("DATABASE_URL", url.as_str()), KEY];
    for arguments in [&["migrate"][..], &["check"], &["runserver", "127.0.0.1:0"]] {
        let ran = shell.run(arguments, &variables).expect(1);
        ran.says(&["LATIN1", "UTF8", "CREATE DATABASE"]);
    }
}

#[test]
fn a_server_does_not_migrate_postgres_by_itself() {
    let Some(url) = postgres() else { return };
    let shell = Shell::new();
    let sign = if url.contains('?') { '&' } else { '?' };
    // A schema that does not exist has no tables.
    let url = format!("{url}{sign}options=-csearch_path%3Dnever_made");
    let variables = [("DATABASE_URL", url.as_str()), KEY];
    let ran = shell.run(&["runserver", "127.0.0.1:0"], &variables).expect(1);
    ran.says(&["0001_", "`meowsenger migrate`"]);
    let no_key = shell.run(&["runserver", "127.0.0.1:0"], &variables[..1]).expect(1);
    no_key.says(&["SECRET_KEY", "required"]);
}
