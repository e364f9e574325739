//! Users: the list, and a single one.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, PASSWORD, Socket, TestApp};

const PRIVATE: [&str; 4] = ["availability", "email", "is_staff", "is_superuser"];

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_users_are_listed_by_name(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    let mut clients = vec![];
    for name in ["зоя", "Zoe", "alice", "Bob", "_tom", "@kitty", "Émile", "gone"] {
        clients.push(anonymous.register(name, PASSWORD).await);
    }
    server.deactivate(&clients[7]).await;

    let page = clients[0].get("/api/users/").await.expect(200);
    let names = page.column("username");
    assert_eq!(names, ["@kitty", "_tom", "alice", "Bob", "Zoe", "Émile", "зоя"]);
    assert_eq!((&page.json["next"], &page.json["previous"]), (&Value::Null, &Value::Null));
    // The caller is in the list, as others see the account.
    let expected = [
        "avatar",
        "date_joined",
        "first_name",
        "id",
        "last_name",
        "last_seen",
        "status",
        "status_text",
        "username",
    ];
    for user in page.results() {
        let mut fields: Vec<_> = user.as_object().expect("an object").keys().collect();
        fields.sort_unstable();
        assert_eq!(fields, expected);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_see_more_of_their_own_account_than_of_others(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, gone) =
        (server.user("tom").await, server.user("kitty").await, server.user("gone").await);
    let own = tom.get(&format!("/api/users/{}/", tom.id)).await.expect(200).json;
    assert_eq!(own, tom.get("/api/auth/me/").await.json);
    assert!(PRIVATE.iter().all(|name| own.get(name).is_some()), "{own}");

    let mut seen = kitty.get(&format!("/api/users/{}/", tom.id)).await.expect(200).json;
    assert!(PRIVATE.iter().all(|name| seen.get(name).is_none()), "{seen}");
    for name in PRIVATE {
        seen[name] = own[name].clone();
    }
    assert_eq!(seen, own);

    server.deactivate(&gone).await;
    kitty.get(&format!("/api/users/{}/", gone.id)).await.expect_not_found();
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_connected_is_online(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let status = async || {
        let one = kitty.get(&format!("/api/users/{}/", tom.id)).await.json["status"].clone();
        let list: Answer = kitty.get("/api/users/").await;
        let listed = list.results().iter().find(|user| user["id"] == tom.id);
        assert_eq!(listed.expect("listed")["status"], one);
        one
    };
    assert_eq!(status().await, json!("offline"));
    let _socket = Socket::open(&tom).await;
    assert_eq!(status().await, json!("online"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_found_by_their_ids(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, root, gone, left) = (
        server.user("tom").await,
        server.user("root").await,
        server.user("gone").await,
        server.user("left").await,
    );
    let ada = server.anonymous().register("Ada", PASSWORD).await;
    server.make_staff(&root, true).await;
    server.deactivate(&gone).await;
    let password = json!({"password": PASSWORD});
    Answer::of(left.request(Method::DELETE, "/api/auth/me/").json(&password)).await.expect(204);

    // By username, as in the list; each as others see them.
    let _online = Socket::open(&ada).await;
    let all = tom.get("/api/users/").await.expect(200);
    let of = |ids: &[i64]| -> Vec<Value> {
        let listed = |user: &&Value| ids.iter().any(|id| user["id"] == *id);
        all.results().iter().filter(listed).cloned().collect()
    };
    let (t, a) = (tom.id, ada.id);
    let everybody = format!("{t},{a},{},{},999999,{},{t}", gone.id, left.id, i64::MAX >> 10);
    for (query, expected) in [
        (format!("ids={t}"), of(&[t])),
        (format!("ids={everybody}&page_size=1"), of(&[t, a])),
        (format!("ids=%20{a}%20,%20{t}&search="), of(&[t, a])),
        (format!("ids={a}&ids={t}"), of(&[t, a])),
        ("ids=999999".to_owned(), vec![]),
    ] {
        let body = json!({"next": null, "previous": null, "results": expected});
        tom.get(&format!("/api/users/?{query}")).await.expect_body(200, body);
        let staff = root.get(&format!("/api/users/?{query}")).await.expect(200);
        assert_eq!(staff.results().len(), expected.len(), "{query}");
    }

    let many = |count: i64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    tom.get(&format!("/api/users/?ids={},1,2", many(100))).await.expect(200);
    let integer = "A valid integer is required.";
    for (query, fault) in [
        ("", "This list may not be empty."),
        ("a", integer),
        ("1,,2", integer),
        ("1,", integer),
        ("1.5", integer),
        ("9223372036854775808", integer),
        ("0", "Ensure this value is greater than or equal to 1."),
        ("-1", "Ensure this value is greater than or equal to 1."),
        ("9007199254740992", "Ensure this value is less than or equal to 9007199254740991."),
        ("1&search=tom", "Not together with `search`."),
        (&many(101), "Ensure this field has no more than 100 elements."),
    ] {
        tom.get(&format!("/api/users/?ids={query}")).await.expect_fault("ids", fault);
    }
    let next = tom.get("/api/users/?page_size=1").await.json["next"].clone();
    let cursor = next.as_str().and_then(|url| url.split("cursor=").nth(1)).expect("a cursor");
    for cursor in [cursor, "meow"] {
        let answer = tom.get(&format!("/api/users/?ids=1&cursor={cursor}")).await;
        answer.expect_detail(404, "Invalid cursor");
    }
}
