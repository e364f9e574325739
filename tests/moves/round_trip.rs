//! What is exported is imported: every table, every column, on either database, and back.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use meowsenger::store::Target;
use meowsenger::store::site_tables::{EXPORTED, LEFT_OUT};
use meowsenger_testing::{Backend, Client, PASSWORD, Socket, Watchdog};
use rstest::rstest;

use crate::bucket::Bucket;
use crate::site::{Place, fill, named, read_export};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_moves_from_sqlite_to_postgres_and_back_and_is_equal_row_by_row() {
    let _watchdog = Watchdog::start();
    let Some(mut middle) = Place::new(Backend::Postgres).await else { return };
    let (first, last) = (
        Place::new(Backend::Sqlite).await.expect("always there"),
        Place::new(Backend::Sqlite).await.expect("always there"),
    );
    let bucket = Bucket::start().await;
    middle.variables.insert("MEDIA_URL".to_owned(), bucket.url.clone());
    fill(&first).await;

    let exports = [first.path("out"), middle.path("out"), last.path("out")];
    let names = exports.each_ref().map(|path| path.to_str().expect("UTF-8"));
    first.run(&["export", names[0]]).expect(0).says(&["messages", "Exported", "3 files"]);
    middle.run(&["import", names[0]]).expect(0).says(&["messages", "Imported", "3 files"]);
    assert_eq!(bucket.keys().len(), 3, "an avatar, an attachment and its thumbnail");
    middle.run(&["export", names[1]]).expect(0).says(&["3 files"]);
    last.run(&["import", names[1]]).expect(0).says(&["3 files"]);
    last.run(&["export", names[2]]).expect(0).says(&["3 files"]);

    let [mut one, mut two, mut three] = exports.each_ref().map(|path| read_export(path));
    let epochs = [&mut one, &mut two, &mut three].map(|export| {
        let site = export.get_mut("site.jsonl").expect("exported");
        site[0].as_object_mut().expect("an object").remove("epoch").expect("an epoch")
    });
    assert_eq!(BTreeSet::from(epochs.map(|epoch| epoch.to_string())).len(), 3, "each is new");
    for (name, lines) in &one {
        assert!(!lines.is_empty(), "{name}");
        assert_eq!(lines, &two[name], "{name}");
        assert_eq!(lines, &three[name], "{name}");
    }
    assert_eq!(one.len(), EXPORTED.len() + 1);
    let manifest = |path: &std::path::Path| -> serde_json::Value {
        let text = fs::read(path.join("manifest.json")).expect("there");
        serde_json::from_slice(&text).expect("JSON")
    };
    let [one, two, three] = exports.each_ref().map(|path| manifest(path));
    assert_eq!((&one["last_ids"], &one["schema"]), (&three["last_ids"], &three["schema"]));
    assert_eq!(one["last_ids"], two["last_ids"]);
    assert_eq!(one["tables"].as_array().map(Vec::len), Some(EXPORTED.len()));

    it_goes_on(&last).await;
}

/// A site that was imported works: its users and their sessions, its pictures, and new ids.
async fn it_goes_on(place: &Place) {
    let server = place.serve();
    let anonymous = Client::new(&server.base);
    let login = anonymous.login("alice", PASSWORD).await.expect(200);
    let alice = anonymous.with_session(&login.json);
    let picture = login.json["user"]["avatar"].as_str().expect("a URL");
    anonymous.get(picture).await.expect(200);
    let chats = alice.get("/api/chats/").await.expect(200);
    let chat = chats.results()[0]["id"].as_i64().expect("an id");
    let newest = chats.results()[0]["last_message"]["id"].as_i64().expect("an id");
    let message = alice.say(chat, "after the move").await;
    // Seven ids are gone, and some were taken by chats without messages.
    assert!(message["id"].as_i64().expect("an id") >= newest + 8, "{message}");
    let socket = Socket::open(&alice).await;
    assert_eq!(socket.ready["epoch"], place.epoch());
    let group = chats.results().iter().find(|chat| chat["type"] == "group").expect("one");
    let path = format!("/api/chats/{}/messages/", group["id"]);
    alice.post(&path, named()).await.expect(200);
    assert!(server.terminate().success());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_is_exported_or_left_out_for_a_reason(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(place) = Place::new(backend).await else { return };
    place.run(&["migrate"]).expect(0);
    let db = place.database().await;
    let tables: Vec<(String,)> = Target::from(&db)
        .query(meowsenger::store::Dialects {
            sqlite: "select name from sqlite_master where type = 'table' \
                     and name not like 'sqlite_%'",
            postgres: "select tablename::text from pg_tables where schemaname = current_schema()",
        })
        .all()
        .await
        .expect("read");
    let named =
        EXPORTED.iter().map(|table| table.name).chain(LEFT_OUT.iter().map(|(name, _)| *name));
    let named: BTreeSet<_> = named.map(str::to_owned).collect();
    let tables: BTreeSet<_> = tables.into_iter().map(|(name,)| name).collect();
    assert_eq!(tables, named, "each table has its line in src/store/site_tables.rs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_private_and_overwritten_only_on_purpose() {
    let place = Place::new(Backend::Sqlite).await.expect("always there");
    place.run(&["export", "out"]).expect(1).says(&["no database"]);
    place.run(&["migrate"]).expect(0);
    place.run(&["export", "out"]).expect(0).says(&["Exported", "SECRET_KEY"]);
    let mode = |name: &str| fs::metadata(place.path(name)).expect("there").permissions().mode();
    assert_eq!(mode("out") & 0o777, 0o700);
    for name in ["out/manifest.json", "out/users.jsonl", "out/media.jsonl"] {
        assert_eq!(mode(name) & 0o777, 0o600, "{name}");
    }
    place.run(&["export", "out"]).expect(1).says(&["already", "--overwrite"]);
    place.run(&["export", "--overwrite", "out"]).expect(0);
    // What an interrupted export leaves.
    fs::write(place.path("out/INCOMPLETE"), "").expect("written");
    fs::remove_file(place.path("out/manifest.json")).expect("removed");
    place.run(&["import", "out"]).expect(1).says(&["interrupted"]);
    place.run(&["export", "out"]).expect(1).says(&["interrupted", "--overwrite"]);
    place.run(&["export", "--overwrite", "out"]).expect(0);
    assert!(!place.path("out/INCOMPLETE").exists());
    // What is no export is never removed.
    fs::write(place.path("out/diary.txt"), "").expect("written");
    place.run(&["export", "--overwrite", "out"]).expect(1).says(&["not empty"]);
    assert!(place.path("out/diary.txt").exists() && place.path("out/manifest.json").exists());
}

/// `tests/data/export-0015` is of the first version that had exports.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_export_is_imported_into_a_new_database_and_then_migrated(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let _watchdog = Watchdog::start();
    let (Some(place), Some(used)) = (Place::new(backend).await, Place::new(backend).await) else {
        return;
    };
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/export-0015");
    place.run(&["import", old]).expect(0).says(&["Imported"]);
    place.run(&["migrate", "--check"]).expect(0).says(&["No migrations"]);
    let server = place.serve();
    let login = Client::new(&server.base).login("tom", PASSWORD).await.expect(200);
    let tom = Client::new(&server.base).with_session(&login.json);
    let contents: Vec<_> = tom.messages(1).await.iter().map(|m| m["content"].clone()).collect();
    assert_eq!(contents, ["one", "two 🐈"]);
    // What has the newer schema already cannot go back to the older one.
    used.run(&["migrate"]).expect(0);
    used.run(&["import", old]).expect(1).says(&["earlier version", "new database"]);
}
