//! Where settings come from, and what their errors say.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::{KEY, Running, Shell, postgres, status};

const PASSWORD: &str = "hunter2$HOME$x";

#[test]
fn a_password_with_dollars_is_read_from_the_env_file_as_it_is() {
    let Some(server) = postgres() else { return };
    let mut url = url::Url::parse(&server).expect("a URL");
    let shell = Shell::new();
    let write = |name: &str, value: &str| {
        fs::write(shell.path().join(".env"), format!("{name}={value}\n")).unwrap();
    };
    // The server accepts any password, so the name of the database shows what was read.
    url.set_path(PASSWORD);
    write("DATABASE_URL", url.as_str());
    shell.run(&["migrate"], &[KEY]).expect(1).says(&[PASSWORD]);
    write("DATABASE_URL", "postgres://meow:${PASSWORD}@db/meow");
    let ran = shell.run(&["migrate"], &[KEY, ("PASSWORD", "x")]).expect(1);
    ran.says(&[".env", "DATABASE_URL contains ${…}", "single quotes"]);
    write("DATA_DIR", "'${PASSWORD}'");
    shell.run(&["migrate"], &[("PASSWORD", "x")]).expect(0);
    assert!(shell.path().join("${PASSWORD}/meowsenger.sqlite3").exists());
}

#[test]
fn a_secret_can_be_in_a_file() {
    let shell = Shell::new();
    let path = shell.path().join("secret");
    let file = ("SECRET_KEY_FILE", path.to_str().expect("UTF-8"));
    shell.run(&["migrate"], &[file]).expect(1).says(&["SECRET_KEY_FILE", file.1, "No such file"]);
    fs::write(&path, "\n").unwrap();
    shell.run(&["migrate"], &[file]).expect(1).says(&["SECRET_KEY_FILE", "is empty"]);
    fs::write(&path, "hunter2\n").unwrap();
    let short = shell.run(&["migrate"], &[file]).expect(1).says(&["SECRET_KEY", "it has 7"]);
    assert!(!short.err.contains("hunter2"));
    fs::write(&path, format!("{}\r\n", KEY.1)).unwrap();
    shell.run(&["migrate"], &[file, KEY]).expect(1).says(&["SECRET_KEY_FILE must not both"]);
    shell.run(&["migrate"], &[file]).expect(0);
    drop(Running::start(&shell, &[file]));
    assert!(!shell.path().join("data/secret_key").exists(), "no other key was made");

    fs::write(&path, "nine-lives-2026\n").unwrap();
    let name = ("DJANGO_SUPERUSER_USERNAME", "boss");
    let password = ("DJANGO_SUPERUSER_PASSWORD_FILE", file.1);
    shell.run(&["createsuperuser", "--noinput"], &[name, password]).expect(0);
    // Every setting that may hold a password.
    for name in ["DATABASE_URL", "BUS_URL", "EMAIL_URL", "MEDIA_URL"] {
        let ran = shell.run(&["check"], &[(&format!("{name}_FILE"), file.1)]).expect(1);
        assert!(!ran.says(&[name]).err.contains("nine-lives"));
    }
}

#[test]
fn a_server_listens_on_a_name() {
    let shell = Shell::new();
    let server = Running::of(shell.command(&["runserver"], &[("BIND", "localhost:0")]));
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    assert_eq!(server.get("/healthz"), 200);
    drop(server);
    let server = Running::of(shell.command(&["runserver", "[::1]:0"], &[("BIND", "8000")]));
    assert!(server.address.starts_with("[::1]:"), "{}", server.address);
    drop(server);
    let nowhere = "no-such-host.invalid:8000";
    let ran = shell.run(&["runserver"], &[("BIND", nowhere)]).expect(1);
    ran.says(&["cannot listen on", nowhere]);
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let shell = Shell::new();
    let mut server = Running::start(&shell, &[("METRICS_BIND", "127.0.0.1:0")]);
    let mut greeting = String::new();
    while !greeting.contains("open files") {
        assert_ne!(server.output.read_line(&mut greeting).expect("a line"), 0, "{greeting}");
    }
    let address = greeting.split("metrics:     http://").nth(1).expect("its address");
    let address = address.split("/metrics").next().expect("its address").to_owned();
    let ask = |address: &str| {
        let mut connection = TcpStream::connect(address).expect("connected");
        let request = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(ask(&address).contains("\nmeowsenger_ready 1\n"), "{}", ask(&address));
    assert_eq!(server.get("/metrics"), 404);
    let taken = shell.run(&["runserver", "0"], &[("METRICS_BIND", &address)]).expect(1);
    taken.says(&["METRICS_BIND: cannot listen on", &address]);
    shell.run(&["check"], &[("METRICS_BIND", "x")]).expect(1).says(&["METRICS_BIND must be"]);
}

#[test]
fn errors_quote_neither_long_values_nor_passwords() {
    let shell = Shell::new();
    let long = "x".repeat(100_000);
    let hosts = "http://x,".repeat(10_000);
    let faulty = [
        ("BIND", &*long),
        ("ALLOWED_HOSTS", &hosts),
        ("LOG_LEVEL", &long),
        ("THROTTLE_LOGIN", &long),
        ("TRUSTED_PROXIES", &long),
        ("PUBLIC_URL", "https://tom:hunter2@chat.example.org"),
        ("DATABASE_URL", "postgres://tom:hunter2#x@db/meow"),
        ("BUS_URL", "nats://tom:hunter2/x@nats"),
        ("EMAIL_URL", "smtps://tom:hunter2?x@mail"),
    ];
    let ran = shell.run(&["migrate"], &faulty).expect(1).says(&faulty.map(|(name, _)| name));
    assert!(ran.err.len() < 5_000 && !ran.err.contains("hunter2"), "{ran:?}");
    assert_eq!(ran.err.matches("%-encoded").count(), 3, "{ran:?}");
}

#[track_caller]
fn expect_json(text: &str) {
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).expect(line);
        assert!(value["message"].is_string() && value["level"].is_string(), "{line}");
    }
}

#[test]
fn with_json_every_line_is_json() {
    let json = ("LOG_FORMAT", "json");
    let shell = Shell::new();
    let run = |arguments: &[&str], settings: &[(&str, &str)], status: i32, says: &[&str]| {
        let ran = shell.run(arguments, &[settings, &[json]].concat()).expect(status).says(says);
        expect_json(&ran.err);
    };
    run(&["runserver"], &[("BIND", "x"), ("DEBUG", "perhaps")], 1, &["BIND", "DEBUG"]);
    run(&["runserver", "nowhere:x"], &[], 2, &["nowhere:x"]);
    run(&["runserver", "0"], &[("DATABASE_URL", "sqlite:///no/folder/x")], 1, &["No such file"]);
    fs::write(shell.path().join(".env"), "what is this\n").unwrap();
    run(&["migrate"], &[], 1, &[".env"]);

    // The setting is in the file, and mails are printed between the lines of the log.
    fs::write(shell.path().join(".env"), "LOG_FORMAT=json\n").unwrap();
    let mut server = Running::start(&shell, &[]);
    let tom = r#"{"username": "tom", "email": "tom@example.org", "password": "nine-lives-2026"}"#;
    assert_eq!(status(&server.ask("POST /api/auth/register/ HTTP/1.1", tom)), 201);
    assert_eq!(status(&server.ask("POST /api/auth/password/reset/ HTTP/1.1", tom)), 204);
    server.signal();
    let (mut output, mut log) = (String::new(), String::new());
    server.output.read_to_string(&mut output).expect("read");
    server.process.stderr.take().expect("piped").read_to_string(&mut log).expect("read");
    expect_json(&output);
    expect_json(&log);
    assert!(output.contains("/reset?uid=") && log.contains("/api/auth/password/reset/"), "{log}");
}
