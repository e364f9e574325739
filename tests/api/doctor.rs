//! The check-up of the data: each kind of corruption is found, and repaired where that is promised; a healthy
//! site has no findings, also under load. `tests/cli/doctor.rs` runs the program.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use meowsenger::actions::doctor::{self, Checkup, Defect, Outcome, Remedy};
use meowsenger_testing::services::run_script;
use reqwest::Method;
use rstest::rstest;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::attachments;
use crate::avatars::{file, patch_me, png};
use crate::doctor_plants::{Plant, of_accounts, of_chats, of_messages};
use crate::support::{Backend, Chance, Client, PASSWORD, TestApp};

/// A site in which everything has happened.
pub(super) struct Site {
    pub(super) server: TestApp,
    pub(super) backend: Backend,
    pub(super) tom: Client,
    pub(super) bob: Client,
    pub(super) carol: Client,
    /// Has deleted the account.
    pub(super) dave: Client,
    /// Of all of them.
    pub(super) group: i64,
    /// Of bob and carol.
    pub(super) other_group: i64,
    /// Of tom and bob.
    pub(super) private: i64,
    /// Of tom and carol, without messages.
    pub(super) silent: i64,
    /// The messages of the group: the third is edited, the fourth deleted, the sixth replies to the first.
    pub(super) messages: Vec<i64>,
}

impl Site {
    async fn start(backend: Backend) -> Option<Self> {
        let server = TestApp::start(backend).await?;
        let (tom, bob) = (server.user("tom").await, server.user("bob").await);
        let (carol, dave) = (server.user("carol").await, server.user("dave").await);
        patch_me(&bob, &[file(png(8, 8))]).await.expect(200);
        bob.patch("/api/auth/me/", json!({"first_name": "Bob", "email": "bob@example.com"}))
            .await
            .expect(200);
        let group = tom.group(&[&bob, &carol, &dave]).await;
        let other_group = bob.group(&[&carol]).await;
        let private = tom.private_chat(&bob).await;
        let silent = tom.private_chat(&carol).await;
        let mut messages = Vec::new();
        for (number, sender) in [&tom, &bob, &carol, &bob, &tom, &tom, &bob].into_iter().enumerate()
        {
            let reply_to = (number == 5).then(|| messages[0]);
            let body = json!({"content": format!("meow {number}"), "reply_to": reply_to,
                              "client_id": format!("c{number}")});
            let path = format!("/api/chats/{group}/messages/");
            let sent = sender.post(&path, body).await.expect(201);
            messages.push(sent.json["id"].as_i64().expect("an id"));
        }
        carol
            .put(
                &format!("/api/messages/{}/", messages[2]),
                json!({"content": format!("mew @{}", bob.username)}),
            )
            .await
            .expect(200);
        for (user, emoji) in [(&carol, "🐈"), (&bob, "👍"), (&bob, "🐈")] {
            let path = format!("/api/messages/{}/reactions/{emoji}/", messages[6]);
            user.put(&path, Value::Null).await.expect(200);
        }
        bob.delete(&format!("/api/messages/{}/", messages[3])).await.expect(204);
        tom.say(private, "psst").await;
        bob.say(private, "what?").await;
        carol.post(&format!("/api/chats/{group}/read/"), json!({"seq": 5})).await.expect(200);
        tom.put(&format!("/api/chats/{group}/members/{}/", bob.id), json!({"role": "admin"}))
            .await
            .expect(200);
        let body = json!({"password": PASSWORD}).to_string();
        dave.raw(Method::DELETE, "/api/auth/me/", "application/json", body).await.expect(204);
        let ended = tom.group(&[&bob]).await;
        tom.say(ended, "bye").await;
        tom.delete(&format!("/api/chats/{ended}/")).await.expect(204);
        Some(Self {
            server,
            backend,
            tom,
            bob,
            carol,
            dave,
            group,
            other_group,
            private,
            silent,
            messages,
        })
    }

    /// What a check-up finds.
    async fn check_up(&self, fix: bool) -> (Vec<Defect>, Outcome) {
        let mut findings = Vec::new();
        let app = &self.server.app;
        let checkup = Checkup {
            db: &app.db,
            files: &app.media.files,
            clock: &app.clock,
            fix,
            settle: Duration::from_secs(1),
            report: &mut |finding| findings.push(finding.clone()),
            outcome: Outcome::default(),
        };
        let outcome = doctor::run(checkup).await.expect("checked");
        (findings, outcome)
    }

    /// Changes rows behind the back of constraints and of the server.
    async fn plant(&self, sql: &str) {
        let Some(url) = self.server.variables.get("DATABASE_URL") else {
            let file = self.folder().join("meowsenger.sqlite3");
            let connection = Connection::open(file).expect("opened");
            connection.busy_timeout(Duration::from_secs(10)).expect("set");
            let off = "pragma foreign_keys = off; pragma ignore_check_constraints = on;";
            return connection.execute_batch(&format!("{off}{sql}")).expect(sql);
        };
        run_script(url, &format!("set session_replication_role = replica; {sql}")).await;
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(&self.server.variables["DATA_DIR"])
    }
}

async fn suffer(site: &Site, plant: &Plant) {
    let Plant { checks, sql, undo } = plant;
    site.plant(sql).await;
    let (findings, outcome) = site.check_up(false).await;
    let mut found: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    let mut expected = checks.clone();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{sql}: {findings:#?}");
    assert_eq!(outcome.repaired, 0);

    let (findings, outcome) = site.check_up(true).await;
    let is_left = |finding: &&Defect| matches!(finding.remedy, Remedy::Person(_));
    let decisions = findings.iter().filter(is_left).count();
    assert_eq!(decisions == 0, undo.is_none(), "{sql}: {findings:#?}");
    assert!(!findings.is_empty() && outcome.found == outcome.repaired + decisions as u64);
    if let Some(undo) = undo {
        site.plant(undo).await;
        site.check_up(true).await;
    }
    let (findings, _) = site.check_up(false).await;
    assert_eq!(findings, [], "after the repair of {sql}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_corruption_is_found_and_repaired_where_there_is_one_right_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
    #[values(of_accounts, of_chats, of_messages)] plants: fn(&Site) -> Vec<Plant>,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (findings, outcome) = site.check_up(false).await;
    assert_eq!(findings, [], "a healthy site");
    assert!(outcome.rows.iter().all(|(_, rows)| *rows > 3), "{outcome:?}");
    for plant in plants(&site) {
        suffer(&site, &plant).await;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_pictures_and_pictures_without_rows_are_found(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let unused = "avatars/0123456789abcdef0123456789abcdef.png";
    let files = &site.server.app.media.files;
    files.put(unused, png(2, 2)).await.expect("stored");
    let (findings, _) = site.check_up(false).await;
    let found: Vec<_> = findings.iter().map(|finding| (finding.check, &finding.subject)).collect();
    assert_eq!(found, [("picture-row", &format!("file {unused}"))]);
    assert_eq!(site.check_up(true).await.1.repaired, 1);
    assert!(!files.exists(unused).await.expect("asked"));
    assert_eq!(site.check_up(false).await.0, []);

    let me = site.bob.get("/api/auth/me/").await.expect(200);
    let url = me.json["avatar"].as_str().expect("a URL").to_owned();
    let path = url.split("/media/").nth(1).expect("a path");
    files.remove(path).await.expect("removed");
    let (findings, _) = site.check_up(true).await;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(
        (findings[0].check, findings[0].subject.clone()),
        ("picture-file", format!("user {}", site.bob.id))
    );
    assert!(matches!(findings[0].remedy, Remedy::Person(_)));

    let sent = attachments::upload(&site.bob, "a.png", &png(2, 2)).await;
    files.put("attachments/aa/x.thumbnail", png(2, 2)).await.expect("stored");
    let (findings, outcome) = site.check_up(true).await;
    let found: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!((found, outcome.repaired), (vec!["picture-file", "attachment-row"], 1));
    for path in attachments::stored(&site.server) {
        files.remove(&path).await.expect("removed");
    }
    let (findings, _) = site.check_up(true).await;
    let found: Vec<_> =
        findings.iter().map(|finding| (finding.check, finding.subject.clone())).collect();
    let missing = ("attachment-file", format!("attachment {}", attachments::id(&sent)));
    assert_eq!(found[1..], [missing.clone(), missing], "the file and its thumbnail");
}

/// Everything that takes versions, moves markers or changes names, at once.
async fn stir(site: &Site, chance: &mut Chance, round: u32) {
    let Site { tom, bob, carol, group, private, .. } = site;
    let user = [tom, bob, carol][chance.below(3)];
    let message = || user.say(*group, "meow");
    match chance.below(8) {
        0 => drop(
            user.patch("/api/auth/me/", json!({"first_name": format!("Name{round}")}))
                .await
                .expect(200),
        ),
        1 => {
            let id = message().await["id"].as_i64().expect("an id");
            user.put(&format!("/api/messages/{id}/"), json!({"content": "mew"})).await.expect(200);
            user.delete(&format!("/api/messages/{id}/")).await.expect(204);
        }
        2 => drop(
            user.post(&format!("/api/chats/{group}/read/"), json!({"seq": 9999})).await.expect(200),
        ),
        3 => {
            let chat = user.group(&[tom, bob, carol]).await;
            user.say(chat, "hello").await;
            user.delete(&format!("/api/chats/{chat}/members/{}/", user.id)).await.expect(204);
        }
        4 => drop(tom.say(*private, "psst").await),
        5 => drop(patch_me(user, &[file(png(4, 4))]).await.expect(200)),
        _ => drop(message().await),
    }
}

/// The server indexes an edit while the messages and the index are compared.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_being_indexed_is_no_finding(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let is_done = AtomicBool::new(false);
    let editing = async {
        for number in 0.. {
            if is_done.load(Ordering::Relaxed) {
                break;
            }
            for (sender, id) in [(&site.tom, site.messages[0]), (&site.bob, site.messages[1])] {
                let body = json!({"content": format!("word{id}number{number}")});
                sender.put(&format!("/api/messages/{id}/"), body).await.expect(200);
            }
        }
    };
    let checking = async {
        for _ in 0..120 {
            let (findings, _) = site.check_up(false).await;
            assert_eq!(findings, []);
        }
        is_done.store(true, Ordering::Relaxed);
    };
    tokio::join!(editing, checking);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_site_under_load_has_no_findings(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (is_done, rounds) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut seeds = Chance::new("doctor");
    let chances: Vec<_> = (0..6).map(|_| seeds.fork()).collect();
    let stirring = |mut chance: Chance| {
        let (site, is_done, rounds) = (&site, &is_done, &rounds);
        async move {
            let mut own = 0;
            while !is_done.load(Ordering::Relaxed) {
                stir(site, &mut chance, own).await;
                own += 1;
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let checking = async {
        let mut checks = 0;
        while checks < 8 || rounds.load(Ordering::Relaxed) < 50 {
            let (findings, _) = site.check_up(false).await;
            // A picture's file is stored before its row, and removed after it: such a file is looked at again.
            assert_eq!(findings, []);
            checks += 1;
        }
        is_done.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all(chances.into_iter().map(stirring)), checking);
    assert_eq!(site.check_up(false).await.0, []);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_learn_of_repairs(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(site) = Site::start(backend).await else { return };
    let Site { tom, group, messages, .. } = &site;
    let known = async || tom.post("/api/sync/", json!({"versions": {}})).await.expect(200).json;
    let version = |sync: &Value| {
        let changes = sync["changes"].as_array().expect("a list").clone();
        let chat = changes.into_iter().find(|change| change["chat"]["id"] == *group);
        chat.expect("the group")["chat"]["version"].clone()
    };
    let before = known().await;
    let (epoch, since) = (before["epoch"].clone(), version(&before));

    // A row is put right as by an edit: the next sync brings it.
    site.plant(&format!("update messages set content = 'a secret' where id = {}", messages[3]))
        .await;
    assert_eq!(site.check_up(true).await.1.repaired, 1);
    let body = json!({"versions": {group.to_string(): since}, "epoch": epoch});
    let sync = tom.post("/api/sync/", body).await.expect(200).json;
    let changes = sync["changes"].as_array().expect("a list");
    let change = changes.iter().find(|change| change["chat"]["id"] == *group).expect("it changed");
    let brought = change["messages"].as_array().expect("a list");
    assert_eq!((brought.len(), &brought[0]["id"]), (1, &json!(messages[3])));
    assert_eq!(brought[0]["content"], "");
    assert_eq!(sync["epoch"], epoch);

    // Wrong numbers: everything starts over.
    site.plant(&format!("update chats set version = 1 where id = {group}")).await;
    assert!(site.check_up(true).await.1.renewed_epoch);
    assert_ne!(known().await["epoch"], epoch);
    tom.say(*group, "it goes on").await;
    assert_eq!(site.check_up(false).await.0, []);
}
