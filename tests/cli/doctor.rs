//! `doctor` as an operator runs it. `tests/api/doctor.rs` plants each kind of corruption.

use std::fs;

use rusqlite::Connection;

use super::{KEY, Running, Shell};

impl Shell {
    /// Changes the embedded database behind the server's back.
    fn plant(&self, sql: &str) {
        let connection = Connection::open(self.path().join("data/meowsenger.sqlite3"));
        connection.expect("opened").execute_batch(sql).expect("run");
    }

    fn register(server: &Running, name: &str) {
        let body = format!(r#"{{"username": "{name}", "password": "nine-lives-2026"}}"#);
        let answer = server.ask("POST /api/auth/register/ HTTP/1.1", &body);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

#[test]
fn doctor_reports_and_repairs_and_refuses_to_repair_beside_a_server() {
    let shell = Shell::new();
    shell.run(&["doctor"], &[KEY]).expect(1).says(&["there is no database"]);
    let server = Running::start(&shell, &[KEY]);
    Shell::register(&server, "tom");
    let clean = shell.run(&["doctor"], &[KEY]).expect(0);
    clean.says(&["Checked 1 user, 0 chats, 0 messages: no findings."]);
    shell.run(&["doctor", "--fix"], &[KEY]).expect(1).says(&["stop it before `doctor --fix`"]);

    shell.plant("delete from login_names; update site set epoch = 'old'");
    let found = shell.run(&["doctor"], &[KEY]).expect(1);
    let found = found.says(&["login-names: user 1: ", "[--fix sets the login names", "1 finding;"]);
    assert_eq!(found.out.lines().count(), 2, "{found:?}");
    drop(server);
    shell.run(&["doctor", "--fix"], &[KEY]).expect(0).says(&["[repaired: ", "all repaired"]);
    shell.run(&["doctor", "--fix"], &[KEY]).expect(0).says(&["no findings"]);

    // What only a person can decide stays a failure.
    shell.plant("update users set avatar = 'avatars/gone.png'");
    shell
        .run(&["doctor", "--fix"], &[KEY])
        .expect(1)
        .says(&["a person must decide", "1 finding, 0 repaired, 1 left"]);
    shell.run(&["doctor", "--rubbish"], &[KEY]).expect(2);
}

#[test]
fn doctor_sees_a_damaged_file_and_does_not_write_to_it() {
    let shell = Shell::new();
    shell.run(&["migrate"], &[KEY]).expect(0);
    shell.plant(
        "insert into users (username, username_key, password, date_joined) values ('Tom', 'x', '!', 0); \
         pragma wal_checkpoint(truncate)",
    );
    shell.run(&["doctor"], &[KEY]).expect(1).says(&["username-key: user 1", "login-names: user 1"]);
    let file = shell.path().join("data/meowsenger.sqlite3");
    let mut bytes = fs::read(&file).expect("read");
    // A row of the list of free pages or of an index, far from the schema.
    let last = bytes.len() - 4096;
    bytes[last..].fill(0xa5);
    fs::write(&file, &bytes).expect("written");
    let ran = shell.run(&["doctor", "--fix"], &[KEY]);
    assert_eq!(ran.status, 1, "{ran:?}");
    ran.says(&["integrity: the database's file: ", "restore a backup"]);
    assert_eq!(fs::read(&file).expect("read").len(), bytes.len());
}
