//! The log of a server in files: what is in which, when they are renamed and deleted, that nothing is lost, and that
//! a disk that fails stops no server.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use super::{Running, Shell, status};

const PAGE: &str = include_str!("../../docs/logs.md");
const TOM: &str = r#"{"username": "tom", "password": "nine-lives-2026"}"#;

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect(name)
}

/// The texts of all files whose names begin so, in order.
fn all(folder: &Path, name: &str) -> (usize, String) {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let names = entries.map(|entry| entry.file_name().into_string().expect("a name"));
    let mut names: Vec<_> = names.filter(|found| found.starts_with(name)).collect();
    names.sort();
    (names.len(), names.iter().map(|name| read(folder, name)).collect())
}

/// Registers a user; then lets logins fail with 500, as if the database was broken.
fn break_logins(shell: &Shell, server: &Running) -> String {
    let registered = server.ask("POST /api/auth/register/ HTTP/1.1", TOM);
    assert_eq!(status(&registered), 201);
    let database = Connection::open(shell.path().join("data/meowsenger.sqlite3")).expect("opened");
    database.execute_batch("alter table login_names rename to lost").expect("renamed");
    let head = "POST /api/auth/login/ HTTP/1.1\r\nx-request-id: nine";
    let answer = server.ask(head, TOM);
    assert_eq!(status(&answer), 500, "{answer}");
    answer
}

#[test]
fn a_server_logs_into_files_with_errors_apart_and_loses_nothing() {
    for format in ["pretty", "json"] {
        let shell = Shell::new();
        let settings = [("LOG_DIR", "logs"), ("LOG_FORMAT", format), ("LOG_SLOW_SQL", "0")];
        let mut server = Running::start(&shell, &settings);
        break_logins(&shell, &server);
        server.signal();
        let mut stderr = String::new();
        server.process.stderr.take().expect("piped").read_to_string(&mut stderr).expect("read");
        assert_eq!(stderr, "");
        let logs = shell.path().join("logs");
        let mode = |path: &Path| fs::metadata(path).expect("made").permissions().mode() & 0o777;
        assert_eq!((mode(&logs), mode(&logs.join("meowsenger.log"))), (0o700, 0o600));
        let (log, errors) = (read(&logs, "meowsenger.log"), read(&logs, "errors.log"));
        assert!(log.lines().last().expect("a line").contains("stopped"), "{log}");
        assert!(
            !errors.is_empty() && errors.lines().all(|line| line.contains("ERROR")),
            "{errors}"
        );
        assert!(errors.lines().all(|line| log.contains(line)), "{errors}");
        let slow = log.lines().find(|line| line.contains("users::insert")).expect("a statement");
        for part in ["slow statement", "insert into users", "src/store/users.rs:", "WARN"] {
            assert!(slow.contains(part), "{part}: {slow}");
        }
        assert!(!log.contains("nine-lives"), "values are not logged: {log}");
        if format == "json" {
            let parse =
                |line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}"));
            assert!(log.lines().chain(errors.lines()).all(|line| parse(line).is_object()));
        }
    }
}

#[test]
fn a_full_file_is_renamed_and_no_line_is_lost() {
    let shell = Shell::new();
    let settings =
        [("LOG_DIR", "logs"), ("LOG_MAX_BYTES", "65536"), ("LOG_KEEP", "100"), ("THROTTLE", "off")];
    let server = Running::start(&shell, &settings);
    for number in 0..600 {
        assert_eq!(server.get(&format!("/api/nope/{number}")), 404);
    }
    server.terminate();
    let logs = shell.path().join("logs");
    let (files, log) = all(&logs, "meowsenger");
    assert!(files > 1, "{files}");
    for number in 0..600 {
        assert_eq!(log.matches(&format!(" path=/api/nope/{number}/ ")).count(), 1, "{number}");
    }
    let few = [settings[0], settings[1], ("LOG_KEEP", "1")];
    drop(Running::start(&shell, &few));
    assert_eq!(all(&logs, "meowsenger").0, 2, "the present one and one more");
}

#[test]
fn a_folder_that_cannot_be_used_is_named_at_the_start() {
    let shell = Shell::new();
    fs::write(shell.path().join("file"), "").unwrap();
    let start = |folder| shell.run(&["runserver", "0"], &[("LOG_DIR", folder)]).expect(1);
    start("file").says(&["LOG_DIR: file: "]);
    start("/proc/logs").says(&["LOG_DIR: /proc/logs: "]);
    let server = Running::start(&shell, &[("LOG_DIR", "logs")]);
    start("logs").says(&["LOG_DIR: logs: another server"]);
    // Other commands do not need it.
    shell.run(&["migrate"], &[("LOG_DIR", "/proc/logs")]).expect(0);
    drop(server);
    let taken = shell.run(&["runserver", "192.0.2.1:1"], &[("LOG_DIR", "logs")]).expect(1);
    taken.says(&["cannot listen on 192.0.2.1:1"]);
    let log = read(&shell.path().join("logs"), "errors.log");
    assert!(log.contains("cannot listen on 192.0.2.1:1"), "{log}");
    for (name, value) in [("LOG_KEEP", "0"), ("LOG_MAX_BYTES", "10"), ("LOG_SLOW_SQL", "fast")] {
        shell.run(&["check"], &[(name, value)]).expect(1).says(&[name, value]);
    }
}

#[test]
fn a_full_disk_stops_no_server_and_the_lines_go_to_standard_error() {
    let shell = Shell::new();
    let logs = shell.path().join("logs");
    fs::create_dir(&logs).unwrap();
    symlink("/dev/full", logs.join("meowsenger.log")).unwrap();
    let mut server = Running::start(&shell, &[("LOG_DIR", "logs")]);
    for number in 0..3 {
        assert_eq!(server.get(&format!("/api/nope/{number}")), 404);
    }
    server.signal();
    let mut stderr = String::new();
    server.process.stderr.take().expect("piped").read_to_string(&mut stderr).expect("read");
    assert_eq!(stderr.matches("cannot write the log to logs (LOG_DIR)").count(), 1, "{stderr}");
    assert!(stderr.contains("/api/nope/2/") && stderr.contains("stopped"), "{stderr}");
}

/// The commands of the page, in the folder of a server's log.
#[test]
fn a_failed_request_is_found_as_the_page_says() {
    let shell = Shell::new();
    let server = Running::start(&shell, &[("LOG_DIR", "logs")]);
    break_logins(&shell, &server);
    // By a user who is logged in.
    let chat = r#"{"type": "group", "name": "Den", "members": []}"#;
    let database = Connection::open(shell.path().join("data/meowsenger.sqlite3")).expect("opened");
    database.execute_batch("alter table lost rename to login_names").expect("renamed");
    let tokens = server.ask("POST /api/auth/login/ HTTP/1.1", TOM);
    let token = tokens.split("\"access\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let head =
        format!("POST /api/chats/ HTTP/1.1\r\nauthorization: Bearer {}", token.expect("one"));
    database.execute_batch("alter table chats rename to lost").expect("renamed");
    assert_eq!(status(&server.ask(&head, chat)), 500);
    server.terminate();
    let (_, rest) = PAGE.split_once("## One failed request").expect("the section");
    let block = rest.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let commands: Vec<_> = block.expect("a block").lines().collect();
    assert!(commands.len() >= 3);
    for command in commands {
        let mut shell_command = Command::new("bash");
        let ran = shell_command.args(["-c", command]).current_dir(shell.path().join("logs"));
        let out = String::from_utf8(ran.output().expect("run").stdout).expect("UTF-8");
        assert!(out.contains(" status=500 "), "{command}: {out}");
    }
}
