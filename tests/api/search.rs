//! Search of users by name.

use std::sync::Arc;

use meowsenger::actions::indexing;
use rstest::rstest;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::support::{Answer, Backend, Client, PASSWORD, TestApp};

/// Creates a user with these names.
async fn person(server: &TestApp, username: &str, first: &str, last: &str) -> Client {
    let email =
        if username.is_ascii() { format!("mail.{username}@example.com") } else { "".into() };
    let body = json!({"username": username, "password": PASSWORD, "email": email,
                      "first_name": first, "last_name": last});
    let answer = server.anonymous().post("/api/auth/register/", body).await.expect(201);
    server.anonymous().with_session(&answer.json)
}

async fn search(client: &Client, query: &str) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", query).finish();
    client.get(&format!("/api/users/search/?{query}")).await
}

async fn found(client: &Client, query: &str) -> Vec<Value> {
    search(client, query).await.expect(200).column("username")
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_found_by_every_name_and_never_by_email(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = person(&server, "vanya", "Ivan", "Petrov").await;
    person(&server, "анна_к", "Анна", "Королёва").await;
    person(&server, "xiaoming", "小明", "王").await;
    person(&server, "Zoë.B", "Zoë", "Bjørnson").await;
    for (query, expected) in [
        ("VANYA", "vanya"),
        ("Petrov Ivan", "vanya"),
        ("petr iv", "vanya"),
        ("v", "vanya"),
        ("pe", "vanya"),
        ("Iwan", "vanya"),
        ("Petrof", "vanya"),
        ("анна", "анна_к"),
        ("королева", "анна_к"),
        ("КОРОЛЕВО", "анна_к"),
        ("王小明", "xiaoming"),
        ("小明", "xiaoming"),
        ("王", "xiaoming"),
        ("zoe", "Zoë.B"),
        ("BJORN", "Zoë.B"),
        ("  zoe\tb ", "Zoë.B"),
    ] {
        assert_eq!(found(&me, query).await, [expected], "{query}");
    }
    for nothing in ["mail", "example", "example.com", "%", "_%", "\\", "'", "van%", "x\0y", "🐈"]
    {
        let rows = found(&me, nothing).await;
        assert!(rows.is_empty() || nothing == "van%", "{nothing}: {rows:?}");
    }
    assert!(found(&me, &"meow ".repeat(1_000)).await.is_empty());
    assert!(found(&me, &"猫".repeat(1_000)).await.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_best_are_found_first(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = person(&server, "zzz", "Wolf", "Marina").await;
    for name in ["maryna", "the.marina", "marina2", "marina", "unrelated"] {
        person(&server, name, "", "").await;
    }
    let gone = person(&server, "marina3", "", "").await;
    server.deactivate(&gone).await;
    let expected = ["marina", "zzz", "marina2", "the.marina", "maryna"];
    assert_eq!(found(&me, "Marina").await, expected);
    let alias = me.get("/api/users/search/?search=marina").await.expect(200);
    assert_eq!(alias.column("username"), expected);
    let list = me.get("/api/users/?search=marina").await.expect(200);
    assert_eq!(list.column("username"), expected);
    assert_eq!(list.results()[1]["status"], "offline");
    assert!(list.results()[1].get("email").is_none());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_search_is_refused(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = server.user("tom").await;
    let required = "This field is required.";
    me.get("/api/users/search/").await.expect_fault("q", required);
    me.get("/api/users/search/?q=").await.expect_fault("q", required);
    let blank = "This field may not be blank.";
    me.get("/api/users/search/?q=%20%00").await.expect_fault("q", blank);
    server.anonymous().get("/api/users/search/?q=tom").await.expect_no_credentials();
    // As in DRF, an empty search does not filter the list.
    for path in ["/api/users/?search=", "/api/users/?search=%20"] {
        assert_eq!(me.get(path).await.expect(200).results().len(), 1);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_search_neither_skip_nor_repeat(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = person(&server, "marina", "", "").await;
    for n in 0..9 {
        person(&server, &format!("marina{n}"), "", "").await;
        person(&server, &format!("x{n}"), "Tom", "Marina").await;
    }
    let path = "/api/users/search/?q=marina&page_size=4";
    let usernames = |rows: Vec<Value>| rows.iter().map(|row| row["username"].clone()).collect();
    let all: Vec<Value> = usernames(me.walk("/api/users/search/?q=marina", "next").await);
    assert_eq!(all.len(), 19);
    let first = me.get(path).await.expect(200);
    let next = first.json["next"].as_str().expect("more").to_owned();
    assert_eq!(first.column("username"), all[..4]);
    // One before the cursor, one after it.
    person(&server, "y", "Anna", "Marina").await;
    person(&server, "Marina0.0", "", "").await;
    let rest: Vec<Value> = usernames(me.walk(&next, "next").await);
    assert!(rest.contains(&json!("Marina0.0")));
    let rest: Vec<_> = rest.into_iter().filter(|name| name != "Marina0.0").collect();
    assert_eq!(rest, all[4..]);
    let last = me.walk(path, "next").await.len();
    assert_eq!(last, 21);

    let cursor = next.split_once("cursor=").expect("a cursor").1.split('&').next().expect("some");
    for other in ["search/?q=marin", "?search=marina", "?"] {
        let answer = me.get(&format!("/api/users/{other}&cursor={cursor}")).await;
        answer.expect_detail(404, "Invalid cursor");
    }
    let previous = me.get(&next).await.json["previous"].as_str().expect("a page").to_owned();
    assert_eq!(me.get(&previous).await.expect(200).column("username").last(), Some(&all[3]));
}

/// Username, names, words and typos: through every boundary, page by page, both ways.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_through_every_tier_and_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = person(&server, "marina", "Marina", "Marina").await;
    for n in 0..3 {
        person(&server, &format!("marina.{n}"), "Marina", "Wolf").await;
        person(&server, &format!("the.marina{n}"), "Marina-Anna", "").await;
        person(&server, &format!("o{n}"), "The", "O'Marina").await;
        person(&server, &format!("x{n}"), "Maryna", "").await;
    }
    for (query, found) in [("marina", 13), ("marina wo", 3), ("wo ma", 3), ("the mar", 6)] {
        let path = format!("/api/users/search/?q={}", query.replace(' ', "+"));
        let all = me.walk(&path, "next").await;
        let names: Vec<_> = all.iter().map(|row| row["username"].clone()).collect();
        assert_eq!(names.len(), found, "{query}: {names:?}");
        for size in [1, 2, 5] {
            let path = format!("{path}&page_size={size}");
            let forth = me.walk(&path, "next").await;
            assert_eq!(forth, all, "{query} by {size}");
            let mut last = me.get(&path).await;
            while let Some(next) = last.json["next"].as_str().map(str::to_owned) {
                last = me.get(&next).await;
            }
            let mut back = last.results().to_vec();
            while let Some(previous) = last.json["previous"].as_str().map(str::to_owned) {
                last = me.get(&previous).await;
                back.splice(0..0, last.results().to_vec());
            }
            assert_eq!(back, all, "{query} back by {size}");
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_name_is_found_at_once_and_the_old_one_is_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = person(&server, "marina", "Olga", "").await;
    me.patch("/api/auth/me/", json!({"username": "kitty", "first_name": "Anna"})).await.expect(200);
    assert_eq!(found(&me, "kitty").await, ["kitty"]);
    assert_eq!(found(&me, "anna").await, ["kitty"]);
    assert!(found(&me, "marina").await.is_empty());
    assert!(found(&me, "olga").await.is_empty());
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_rename_at_once_leave_the_name_that_is_found(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = person(&server, "tom", "Felix", "Cat").await;
    for _ in 0..25 {
        // The second of each pair keeps the name that it has seen, while the first one changes it.
        let rename = |name: &'static str| me.patch("/api/auth/me/", json!({"first_name": name}));
        let now = me.get("/api/auth/me/").await.expect(200).json["first_name"] == "Felix";
        let (other, same) = if now { ("Garfield", "Felix") } else { ("Felix", "Garfield") };
        tokio::join!(rename(other), rename(same), rename(other), rename(same));
        let me_now = me.get("/api/auth/me/").await.expect(200);
        let (name, gone) =
            if me_now.json["first_name"] == same { (same, other) } else { (other, same) };
        assert_eq!(found(&me, name).await, ["tom"], "{name}");
        assert_eq!(found(&me, gone).await, [""; 0], "{gone}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_from_before_the_index_are_found_once_the_task_has_run(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = person(&server, "marina", "Olga", "").await;
    let group = me.group(&[]).await;
    let mut tx = server.app.db.begin().await.expect("begun");
    for sql in [
        "delete from name_pieces",
        "update users set search_text = '', search_rules = 0",
        "update chats set search_text = ''",
    ] {
        tx.query(sql).execute().await.expect("run");
    }
    tx.commit().await.expect("committed");
    assert!(found(&me, "olga").await.is_empty());
    indexing::index(Arc::clone(&server.app)).await.expect("indexed");
    assert_eq!(found(&me, "olga").await, ["marina"]);
    assert_eq!(me.get("/api/chats/?search=kitchen").await.expect(200).column("id"), [group]);
}
