//! A Django site that moves here. The databases are made by the real Django (`tests/django`).

use std::path::Path;
use std::process::Command;

use meowsenger_testing::services::database;
use meowsenger_testing::{Backend, Client, PASSWORD, Program, Watchdog};
use rstest::rstest;
use serde_json::{Value, json};

use crate::site::Place;

/// A Django site: what `import-django` is given.
struct Site {
    url: String,
    media: String,
}

impl Site {
    /// `None` if the test is to be skipped: there is no Python or no PostgreSQL, or Django cannot be installed.
    async fn make(backend: Backend, place: &Place, kind: &[&str]) -> Option<Self> {
        let media = place.path("django-media").display().to_string();
        let url = match database(backend, Path::new("."), 1).await?.get("DATABASE_URL") {
            Some(url) => url.clone(),
            None => place.path("django.sqlite3").display().to_string(),
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/run");
        let made = Command::new(script).args([&url, &media]).args(kind).output().expect("it runs");
        if made.status.code() == Some(3) {
            #[expect(clippy::print_stderr, reason = "a test that was skipped has to say so")]
            {
                eprintln!("SKIPPED, no Django: {}", String::from_utf8_lossy(&made.stderr));
            }
            return None;
        }
        assert!(made.status.success(), "{made:?}");
        let url = if url.contains("://") { url } else { format!("sqlite://{url}") };
        Some(Self { url, media })
    }
}

async fn log_in(server: &Program, name: &str) -> Client {
    let anonymous = Client::new(&server.base);
    let answer = anonymous.login(name, PASSWORD).await.expect(200);
    anonymous.with_session(&answer.json)
}

async fn chats(client: &Client) -> Vec<Value> {
    client.get("/api/chats/").await.expect(200).results().to_vec()
}

fn contents(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["content"].as_str()).collect()
}

#[rstest]
#[case(Backend::Sqlite, Backend::Sqlite)]
#[case(Backend::Postgres, Backend::Postgres)]
#[case(Backend::Sqlite, Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_django_site_goes_on_here(#[case] from: Backend, #[case] to: Backend) {
    let _watchdog = Watchdog::start();
    let Some(place) = Place::new(to).await else { return };
    let Some(site) = Site::make(from, &place, &[]).await else { return };
    let import = ["import-django", &site.url, "--media", &site.media];
    place
        .run(&import)
        .expect(0)
        .says(&["Imported 6 users, 3 chats, 8 messages and 1 picture in", "former-member"]);
    place.run(&import).expect(1).says(&["is not empty"]);
    place.run(&["doctor"]).expect(0).says(&["no findings"]);

    let server = place.serve();
    let tom = log_in(&server, "tom").await;
    let bob = log_in(&server, "BOB").await;
    let carol = log_in(&server, "carol").await;
    let root = log_in(&server, "root").await;
    for (name, password) in [("dave", PASSWORD), ("eve", PASSWORD), ("tom", "wrong")] {
        Client::new(&server.base).login(name, password).await.expect(401);
    }
    let me = tom.get("/api/auth/me/").await.expect(200).json;
    assert_eq!((&me["id"], &me["email"]), (&json!(1), &json!("tom@example.com")));
    assert_eq!(me["date_joined"], "2024-03-01T12:00:00.123456Z");
    assert_eq!(me["availability"], "online");
    let me = root.get("/api/auth/me/").await.expect(200).json;
    assert_eq!((&me["is_staff"], &me["is_superuser"]), (&json!(true), &json!(true)));
    assert_eq!(me["availability"], "invisible");
    let me = bob.get("/api/auth/me/").await.expect(200).json;
    assert_eq!((&me["status_text"], &me["last_name"]), (&json!("At the vet"), &json!("Müller")));
    let me = carol.get("/api/auth/me/").await.expect(200).json;
    assert_eq!(me["availability"], "busy");
    let picture = me["avatar"].as_str().expect("a picture");
    assert_eq!(carol.get(picture).await.expect(200).header("content-type"), Some("image/jpeg"));

    // By the newest message; tom's and carol's chat has none.
    let list = chats(&bob).await;
    let unread: Vec<_> = list.iter().map(|chat| (&chat["name"], &chat["unread_count"])).collect();
    assert_eq!(unread, [(&json!("Kitchen"), &json!(0)), (&json!("tom"), &json!(2))]);
    assert_eq!(list[0]["my_role"], "owner");
    let ids = |chats: Vec<Value>| chats.iter().map(|chat| chat["id"].as_i64()).collect::<Vec<_>>();
    assert_eq!(ids(chats(&tom).await), [Some(2), Some(1), Some(3)]);
    let group = bob.messages(2).await;
    assert_eq!(contents(&group), ["first", "  second\n", "third", "bye"]);
    assert_eq!(
        group.iter().map(|one| one["seq"].as_i64()).collect::<Vec<_>>(),
        [1, 2, 3, 4].map(Some)
    );
    assert_eq!(group[2]["timestamp"], "2024-03-01T12:30:00.123456Z");
    assert_eq!(contents(&tom.messages(1).await), ["Hello", "Hi", "Are you there?", "Bob? 🐈"]);

    // It goes on: new ids, the old chats, the next seq.
    let sent = carol.say(2, "Back again").await;
    assert_eq!((&sent["seq"], &sent["id"]), (&json!(5), &json!(9)));
    assert_eq!(tom.private_chat(&carol).await, 3);
    let new = Client::new(&server.base).register("fay", PASSWORD).await;
    assert_eq!(new.id, 7);
    assert_eq!(chats(&tom).await[0]["unread_count"], 1);
    assert_eq!(tom.get("/api/users/search/?q=mull").await.expect(200).column("id"), [2]);
    drop(server);
    place.run(&["doctor"]).expect(0).says(&["no findings"]);
}

/// What the database has, by the line of `doctor`.
fn rows(place: &Place) -> String {
    place.run(&["doctor"]).expect(0).out
}

#[rstest]
#[case(Backend::Sqlite, Backend::Sqlite)]
#[case(Backend::Postgres, Backend::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_listed_and_nothing_is_imported_unless_it_may_be_converted(
    #[case] from: Backend,
    #[case] to: Backend,
) {
    let _watchdog = Watchdog::start();
    let Some(place) = Place::new(to).await else { return };
    let Some(site) = Site::make(from, &place, &["misfits"]).await else { return };
    let misfits = [
        "duplicate-username: user 7: \"Bob\" is",
        "duplicate-email: user 7: ",
        "username: user 8: \"has space\"",
        "email: user 8: ",
        "password: user 9: passwords hashed by \"scrypt\"",
        "text: user 9: the status",
        "picture: user 9: ",
        "private-chat-members: chat 4: ",
        "duplicate-private-chat: chat 5: ",
        "chat-members: chat 6: ",
        "chat-name: chat 7: ",
        "message-of-stranger: message 9 in chat 1: ",
        "message-content: message 10 in chat 2: ",
        "blank-message: message 11 in chat 2: ",
    ];
    let import = ["import-django", &site.url, "--media", &site.media];
    let refused = place.run(&import).expect(1).says(&misfits);
    assert!(refused.err.contains("nothing was imported"), "{refused:#?}");
    assert!(rows(&place).contains("Checked 0 users, 0 chats, 0 messages"));
    place.run(&import[..2]).expect(1).says(&["pictures: user 3 and so on: ", "--media"]);

    place
        .run(&["import-django", &site.url, "--media", &site.media, "--convert"])
        .expect(0)
        .says(&misfits);
    assert!(rows(&place).contains("Checked 9 users, 6 chats, 10 messages: no findings."));
    let server = place.serve();
    let second_bob = log_in(&server, "Bob_7").await;
    assert_eq!(second_bob.id, 7);
    log_in(&server, "user_8").await;
    let tom = log_in(&server, "tom").await;
    let kinds: Vec<_> = chats(&tom).await.iter().map(|chat| chat["type"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "private").count(), 2, "{kinds:?}");
    let long = tom.messages(2).await.pop().expect("a message");
    assert_eq!(long["content"].as_str().map(str::len), Some(10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_django_site_is_refused() {
    let place = Place::new(Backend::Sqlite).await.expect("SQLite is there");
    let none = place.path("none.sqlite3").display().to_string();
    place.run(&["import-django", &none]).expect(1).says(&["there is no file"]);
    std::fs::write(&none, "rubbish rubbish rubbish").expect("written");
    place.run(&["import-django", &none]).expect(1).says(&["not a database"]);
    std::fs::write(&none, "").expect("written");
    place.run(&["import-django", &none]).expect(1).says(&["no table meowsenger_backend_user"]);
    place.run(&["import-django", "mysql://host/name"]).expect(2).says(&["postgres://"]);
    place.run(&["import-django"]).expect(2);
}
