//! A place for a site: its settings, its folder, and the commands that run there. And a site with everything
//! in it that there can be.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use meowsenger::app::open_database;
use meowsenger::config::{Config, Variables};
use meowsenger::store::{Db, Dialects};
use meowsenger_testing::services::variables;
use meowsenger_testing::{Answer, Backend, Client, PASSWORD, Program, Ran};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const BINARY: &str = env!("CARGO_BIN_EXE_meowsenger");

/// An empty database, and a folder.
pub struct Place {
    pub variables: Variables,
    folder: TempDir,
}

impl Place {
    /// `None` if the test is to be skipped.
    pub async fn new(backend: Backend) -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let variables = variables(backend, &folder.path().join("data")).await?;
        Some(Self { variables, folder })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Program::command(BINARY, arguments, &self.variables);
        // On a busy machine any statement may be slow, and tests compare what commands print.
        command.env("LOG_SLOW_SQL", "off").current_dir(self.folder.path());
        command.output().expect("it runs").into()
    }

    /// Starts a server; on PostgreSQL after `migrate`.
    pub fn serve(&self) -> Program {
        if self.variables.contains_key("DATABASE_URL") {
            Program::migrate(BINARY, &self.variables);
        }
        let mut command = Program::command(BINARY, &["runserver", "127.0.0.1:0"], &self.variables);
        Program::start(command.env("LOG_LEVEL", "error").current_dir(self.folder.path()))
    }

    pub fn epoch(&self) -> String {
        self.run(&["epoch"]).expect(0).out.trim().to_owned()
    }

    pub async fn database(&self) -> Db {
        open_database(&Config::read(&self.variables).expect("settings")).await.expect("opened")
    }

    /// Forgets the servers that were here, as waiting for 30 seconds does.
    pub async fn forget_nodes(&self) {
        self.write(&["delete from nodes"]).await;
    }

    /// Runs statements.
    pub async fn write(&self, statements: &[&'static str]) {
        let db = self.database().await;
        let mut tx = db.begin().await.expect("begun");
        for sql in statements {
            tx.script((*sql).to_owned()).await.expect(sql);
        }
        tx.commit().await.expect("committed");
        db.close().await;
    }
}

/// The files of an export by name, with the lines of each sorted and parsed.
pub fn read_export(folder: &Path) -> BTreeMap<String, Vec<Value>> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let lines = files.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).map(|path| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        lines.sort_by_key(Value::to_string);
        (path.file_name().expect("a name").to_string_lossy().into_owned(), lines)
    });
    lines.collect()
}

/// Fills a site over its API, and with what no client can do.
pub async fn fill(place: &Place) {
    let server = place.serve();
    let anonymous = Client::new(&server.base);
    let mut people = Vec::new();
    for name in ["alice", "bob", "carol", "dave", "ghost"] {
        people.push(anonymous.register(name, PASSWORD).await);
    }
    let [alice, bob, carol, dave, ghost] = &people[..] else { unreachable!("five") };
    let private = alice.private_chat(bob).await;
    let group = alice.group(&[bob, carol, dave, ghost]).await;
    let settings = json!({"muted_until": "forever", "archived": true});
    alice.patch(&format!("/api/chats/{group}/settings/"), settings).await.expect(200);
    alice.post(&format!("/api/chats/{group}/invites/"), json!({"max_uses": 2})).await.expect(201);
    carol.post("/api/reports/", json!({"user": dave.id, "reason": "spam"})).await.expect(201);
    carol.put(&format!("/api/blocks/{}/", dave.id), json!({})).await.expect(204);
    for text in ODD {
        alice.say(private, text).await;
        bob.say(group, text).await;
    }
    let first = bob.say(group, "to be edited, @carol").await["id"].clone();
    let second = bob.say(group, "to be deleted").await["id"].clone();
    for message in [json!({"content": "reply", "reply_to": first}), named()] {
        alice.post(&format!("/api/chats/{group}/messages/"), message).await.expect(201);
    }
    let change = json!({"content": "edited \u{202e} @carol"});
    bob.put(&format!("/api/messages/{first}/"), change).await.expect(200);
    bob.delete(&format!("/api/messages/{second}/")).await.expect(204);
    carol.put(&format!("/api/messages/{first}/reactions/🐈/"), json!({})).await.expect(200);
    alice.put(&format!("/api/messages/{first}/pin/"), json!({})).await.expect(200);
    upload(alice, Method::PATCH, "/api/auth/me/", "avatar").await.expect(200);
    upload(alice, Method::POST, "/api/attachments/", "file").await.expect(201);
    alice.patch("/api/auth/me/", json!({"status_text": "🐈‍⬛"})).await.expect(200);
    // Departures, an ended session, a rotated token, a deleted account and a deleted chat.
    dave.delete(&format!("/api/chats/{group}/members/{}/", dave.id)).await.expect(204);
    carol.login("carol", PASSWORD).await.expect(200);
    carol.spend(&carol.refresh).await.expect(200);
    dave.post("/api/auth/logout/", json!({"refresh": dave.refresh})).await;
    let password = json!({"password": PASSWORD});
    Answer::of(ghost.request(Method::DELETE, "/api/auth/me/").json(&password)).await.expect(204);
    let ended = alice.group(&[bob]).await;
    alice.delete(&format!("/api/chats/{ended}/")).await.expect(204);
    assert!(server.terminate().success());
    place
        .write(&[
            "update members set last_read_seq = 9223372036854775807 where role = 'member'",
            "update users set account_version = 9007199254740993 where username = 'bob'",
        ])
        .await;
    let db = place.database().await;
    let mut tx = db.begin().await.expect("begun");
    let insert = "insert into audit (id, at, actor_id, action, target_id, detail) \
                  values ($1, $2, $1, 'odd', $3, $4)";
    // Beyond what a double can hold, and times with every microsecond, also before 1970.
    for (id, micros) in [(1_i64, 1), (2, 1_795_305_600_123_457), (9_007_199_254_740_993, -1)] {
        tx.query(insert)
            .bind(id)
            .bind(meowsenger::domain::time::Timestamp::from_micros(micros))
            .bind(i64::MIN)
            .bind(ODD.concat())
            .execute()
            .await
            .expect("inserted");
    }
    // The last id is gone, and must not be assigned again.
    tx.query(Dialects {
        sqlite: "update sqlite_sequence set seq = seq + 7 where name = 'messages'",
        postgres: "select setval('messages_id_seq', nextval('messages_id_seq') + 6)",
    })
    .execute()
    .await
    .expect("set");
    tx.commit().await.expect("committed");
    db.close().await;
    place.forget_nodes().await;
}

/// Alice's message in the group that has a `client_id`.
pub fn named() -> Value {
    json!({"content": "once", "client_id": "🐈-1"})
}

/// Texts that a careless move would change.
const ODD: [&str; 8] = [
    "meow",
    " \t spaces \r\n and lines \u{2028}\u{85} ",
    "quotes \" ' \\ \\u0041 $1 {} [] null",
    "🐈‍⬛ 👩🏽‍🚀 é e\u{301} \u{1d11e} \u{10ffff}",
    "\u{202e}bidi\u{202c} \u{200f}עברית العربية",
    "\u{1}\u{7}\u{1b}[31m\u{7f}\u{feff}",
    "\u{fffd}\u{ffff}",
    "{\"id\": 1}",
];

async fn upload(client: &Client, method: Method, path: &str, field: &str) -> Answer {
    let mut picture = Cursor::new(Vec::new());
    RgbImage::new(8, 8).write_to(&mut picture, ImageFormat::Png).expect("written");
    let head = format!(
        "--meow\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"a.png\"\r\n\r\n"
    );
    let body = [head.as_bytes(), &picture.into_inner(), b"\r\n--meow--\r\n"].concat();
    client.raw(method, path, "multipart/form-data; boundary=meow", body).await
}
