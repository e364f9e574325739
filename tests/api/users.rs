//! Users: the list, and a single one.

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
