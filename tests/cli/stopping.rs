//! A node at its connection limits and during shutdown, as a process.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Ran, Running, Shell, head, status};

#[test]
fn a_node_that_is_stopped_drains_first_and_keeps_serving() {
    let shell = Shell::new();
    let mut server = Running::start(&shell, &[("SHUTDOWN_DELAY", "2s")]);
    let (mut kept, request) =
        (server.connect(), "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    kept.write_all(request.as_bytes()).expect("sent");
    let answer = head(&mut kept);
    assert!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("connection: close"),
        "{answer}"
    );
    kept.read_exact(&mut [0; 15]).expect("the body");
    assert_eq!(server.get("/readyz"), 200);
    let (opened, mut socket) = server.upgrade();
    assert_eq!(status(&opened), 101);

    let since = Instant::now();
    server.signal();
    let ready = || server.ask("GET /readyz HTTP/1.1", "");
    let draining = loop {
        let answer = ready();
        if status(&answer) != 200 {
            break answer;
        }
        assert!(since.elapsed() < Duration::from_secs(1), "{answer}");
    };
    assert!(status(&draining) == 503 && draining.contains("draining"), "{draining}");
    assert_eq!(server.get("/healthz"), 200);
    let register = r#"{"username": "tom", "password": "nine-lives-2026"}"#;
    assert_eq!(status(&server.ask("POST /api/auth/register/ HTTP/1.1", register)), 201);
    let (refused, _) = server.upgrade();
    assert!(status(&refused) == 503 && refused.contains("retry-after: "), "{refused}");
    kept.write_all(request.as_bytes()).expect("sent");
    let answer = head(&mut kept);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");

    // Sockets stay open until the node stops: then a close frame (1012 if authenticated).
    let mut frame = [0; 4];
    socket.read_exact(&mut frame).expect("a close frame");
    assert_eq!((frame[0], u16::from_be_bytes([frame[2], frame[3]])), (0x88, 1012));
    assert!(since.elapsed() >= Duration::from_secs(2), "{:?}", since.elapsed());
    drop(socket);
    assert_eq!(server.process.wait().expect("it ends").code(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[("SHUTDOWN_DELAY", "20s")]);
    server.signal();
    while server.get("/readyz") == 200 {}
    let (status, took) = server.terminate();
    assert_eq!(status, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn ctrl_c_does_not_wait_for_load_balancers() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[("SHUTDOWN_DELAY", "20s")]);
    let (status, took) = server.stop("INT");
    assert_eq!(status, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn what_was_counted_in_the_last_minute_is_stored() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[("DATA_DIR", "data")]);
    let tom = r#"{"username": "tom", "password": "nine-lives-2026"}"#;
    assert_eq!(status(&server.ask("POST /api/auth/register/ HTTP/1.1", tom)), 201);
    assert_eq!(status(&server.ask("POST /api/auth/login/ HTTP/1.1", tom)), 200);
    assert_eq!(server.stop("INT").0, Some(0));
    let file = shell.path().join("data/meowsenger.sqlite3");
    let stored = rusqlite::Connection::open(file).expect("opened");
    let sum = "select sum(logins) from counters";
    let logins: i64 = stored.query_row(sum, [], |row| row.get(0)).expect("read");
    assert_eq!(logins, 1);
}

#[test]
fn with_few_open_files_sockets_are_refused_and_everything_else_goes_on() {
    let shell = Shell::new();
    let limited = |files: u32| {
        let mut command = Command::new("sh");
        let run = format!("ulimit -n {files} && exec \"$0\" runserver 0");
        command.args(["-c", &run, env!("CARGO_BIN_EXE_meowsenger")]).env_clear();
        command.current_dir(shell.path()).stdin(Stdio::null());
        command
    };
    Ran::from(limited(24).output().expect("it runs")).expect(1).says(&["limit of open files"]);

    let server = Running::of(limited(64));
    let mut sockets = Vec::new();
    let refused = loop {
        let (answer, socket) = server.upgrade();
        if status(&answer) != 101 {
            break answer;
        }
        sockets.push(socket);
    };
    assert!(status(&refused) == 503 && refused.contains("retry-after: "), "{refused}");
    assert!(sockets.len() >= 8, "{}", sockets.len());
    let idle: Vec<_> = (0..60).map(|_| server.connect()).collect();
    for path in ["/healthz", "/readyz", "/api/schema/"] {
        assert_eq!(server.get(path), 200, "{path}");
    }
    let register = r#"{"username": "tom", "password": "nine-lives-2026"}"#;
    let tom = server.ask("POST /api/auth/register/ HTTP/1.1", register);
    let (_, body) = tom.split_once("\r\n\r\n").expect("a body");
    let tom: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let access = tom["access"].as_str().expect("a token");
    let logout = format!("POST /api/auth/logout/ HTTP/1.1\r\nauthorization: Bearer {access}");
    assert_eq!(status(&server.ask(&logout, "")), 204);
    drop((idle, sockets));
}
