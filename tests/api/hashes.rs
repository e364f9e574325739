//! Password hashes of a Django site are accepted, and replaced at the first login.

use meowsenger::store::Target;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, PASSWORD, TestApp};

const REFUSED: &str = "No active account found with the given credentials";

/// Stores a hash, as an import would.
async fn import(server: &TestApp, user: &Client, encoded: &str) {
    let mut tx = server.app.db.begin().await.expect("begun");
    let query = tx.query("update users set password = $2 where id = $1");
    query.bind(user.id).bind(encoded).execute().await.expect("updated");
    tx.commit().await.expect("committed");
}

async fn stored(server: &TestApp, user: &Client) -> String {
    let query = Target::from(&server.app.db).query("select password from users where id = $1");
    let (encoded,): (String,) = query.bind(user.id).one().await.expect("read");
    encoded
}

/// Passwords and their hashes, made by Django.
fn vectors(algorithms: &[&str]) -> Vec<(String, String)> {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../data/django_hashes.json")).expect("JSON");
    let text = |vector: &Value, name: &str| vector[name].as_str().expect("a text").to_owned();
    let vectors = vectors.iter().map(|one| (text(one, "password"), text(one, "encoded")));
    vectors.filter(|(_, hash)| algorithms.iter().any(|name| hash.starts_with(name))).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_of_django_is_good_for_a_login_and_is_replaced(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let user = server.user("tom").await;
    let login = async |password: &str| server.anonymous().login(&user.username, password).await;
    for (password, encoded) in vectors(&["argon2$", "pbkdf2_sha256$", "bcrypt_sha256$"]) {
        import(&server, &user, &encoded).await;
        login(&format!("{password}x")).await.expect_detail(401, REFUSED);
        assert_eq!(stored(&server, &user).await, encoded, "a wrong password replaces nothing");

        login(&password).await.expect(200);
        let replaced = stored(&server, &user).await;
        assert!(server.app.passwords.is_current(&replaced), "{encoded} became {replaced}");
        login(&password).await.expect(200);
        assert_eq!(stored(&server, &user).await, replaced, "once");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_of_django_is_good_for_changing_the_password(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let user = server.user("tom").await;
    let (password, encoded) = vectors(&["pbkdf2_sha256$1000$"]).remove(0);
    import(&server, &user, &encoded).await;
    let body = json!({"old_password": password, "new_password": PASSWORD});
    user.post("/api/auth/password/change/", body).await.expect(204);
    assert!(server.app.passwords.is_current(&stored(&server, &user).await));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_password_can_match_is_refused_like_a_wrong_one(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let user = server.user("tom").await;
    let endless = format!("pbkdf2_sha256$4294967295$salt${}=", "A".repeat(43));
    for encoded in ["", "!MeowMeow", "md5$salt$d41d8cd98f00b204e9800998ecf8427e", &endless] {
        import(&server, &user, encoded).await;
        for password in ["", " ", PASSWORD, encoded] {
            let answer = server.anonymous().login(&user.username, password).await;
            assert!([400, 401].contains(&answer.status.as_u16()), "{encoded:?}: {answer:?}");
        }
    }
}
