//! Rate limits per account or user, which cannot be circumvented by another name, another call, or
//! parallel calls.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::header::{HeaderMap, HeaderValue};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, PASSWORD, TestApp};

const ME: &str = "/api/auth/me/";

/// A server behind a proxy, with a stopped clock.
async fn start(backend: Backend, settings: &[(&str, &str)]) -> Option<TestApp> {
    let proxied =
        [("THROTTLE", "on"), ("TRUSTED_PROXIES", "127.0.0.0/8"), ("THROTTLE_ANON", "off")];
    let server = TestApp::start_with(backend, &[&proxied, settings].concat()).await?;
    server.app.clock.stop();
    Some(server)
}

/// The same client at another address.
fn at(client: &Client, address: &str) -> Client {
    let address = HeaderValue::from_str(address).expect("a header");
    let headers = HeaderMap::from_iter([("x-forwarded-for".parse().expect("a name"), address)]);
    let http = reqwest::Client::builder().default_headers(headers).build().expect("a client");
    Client { http, ..client.clone() }
}

async fn register(server: &TestApp, address: &str, username: &str, email: &str) -> Client {
    let somebody = at(&server.anonymous(), address);
    let body = json!({"username": username, "email": email, "password": PASSWORD});
    let session = somebody.post("/api/auth/register/", body).await.expect(201).json;
    somebody.with_session(&session)
}

/// Status, body and wait of an answer: what an attacker sees.
fn seen(answer: Answer) -> (u16, Value, Option<String>) {
    let wait = answer.header("retry-after").map(str::to_owned);
    (answer.status.as_u16(), answer.json, wait)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_names_of_an_account_have_one_allowance(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_LOGIN", "2/hour")]).await else { return };
    register(&server, "192.0.2.1", "tom", "Tom@Example.org").await;
    let guesser = at(&server.anonymous(), "198.51.100.1");
    let mut story = Vec::new();
    for name in ["tom", "tom@example.org", " TOM ", "TOM@example.ORG", "ｔｏｍ", "tom"] {
        story.push(seen(guesser.login(name, "wrong").await));
    }
    for name in ["tom", "tom@example.org"] {
        guesser.login(name, PASSWORD).await.expect(429);
        // As IPv6, and with a port, it is the same address.
        for same in ["::ffff:198.51.100.1", "[::ffff:c633:6401]:4711", "198.51.100.1:80"] {
            at(&guesser, same).login(name, PASSWORD).await.expect(429);
        }
    }
    // An unknown name gives the same answers.
    let mut other = Vec::new();
    for name in ["jerry", "JERRY", " jerry", "Jerry", "ｊｅｒｒｙ", "jerry"] {
        other.push(seen(guesser.login(name, "wrong").await));
    }
    assert_eq!(story, other);
    assert_eq!(
        story.iter().map(|(status, ..)| *status).collect::<Vec<_>>(),
        [401, 401, 401, 401, 401, 429]
    );
    at(&server.anonymous(), "192.0.2.1").login("tom", PASSWORD).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_is_let_in_from_the_whole_network_of_before(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_LOGIN", "2/hour")]).await else { return };
    register(&server, "2001:db8:1:2::1", "tom", "tom@example.org").await;
    for host in 0..10 {
        let guesser = at(&server.anonymous(), &format!("198.51.100.{host}"));
        for name in ["tom", "tom@example.org", "tom", "tom", "tom"] {
            guesser.login(name, "wrong").await.expect(401);
        }
    }
    let login = async |address: &str, name: &str| {
        at(&server.anonymous(), address).login(name, PASSWORD).await.status.as_u16()
    };
    for name in ["tom", "tom@example.org"] {
        assert_eq!(login("198.51.100.99", name).await, 429);
        assert_eq!(login("2001:db8:1:3::1", name).await, 429, "the neighbour's");
        assert_eq!(login("2001:db8:1:2:a:b:c:d", name).await, 200, "the same /64");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_names_that_may_be_taken_counts_like_registering(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = start(backend, &[("THROTTLE_REGISTER", "2/hour")]).await else { return };
    register(&server, "192.0.2.1", "tom", "tom@example.org").await;
    let eve = register(&server, "198.51.100.1", "eve", "eve@example.org").await;
    let bob = register(&server, "203.0.113.1", "bob", "bob@example.org").await;
    // Per address, together with the registration.
    let own = format!("/api/users/{}/", eve.id);
    let taken = json!({"email": "TOM@example.org"});
    eve.patch(ME, taken.clone()).await.expect(400);
    eve.patch(&own, json!({"username": "Tom"})).await.expect(400);
    eve.put(ME, json!({"username": "tom"})).await.expect(400);
    eve.put(&own, json!({"username": "eve", "email": "nobody@example.org"})).await.expect(200);
    for (path, body) in [(ME, taken.clone()), (own.as_str(), json!({"username": "free"}))] {
        eve.patch(path, body.clone())
            .await
            .expect_detail(429, "Request was throttled. Expected available in 1800 seconds.");
    }
    let body = json!({"username": "eve2", "password": PASSWORD});
    eve.post("/api/auth/register/", body).await.expect(429);
    at(&bob, "198.51.100.1").patch(ME, taken.clone()).await.expect(429);
    // And per user, from any address: five in total.
    at(&eve, "198.51.100.2").patch(ME, taken.clone()).await.expect(400);
    at(&eve, "198.51.100.3").patch(ME, taken.clone()).await.expect(429);
    // Requests that change no name are not counted.
    let mine = json!({"username": "EVE", "email": "NOBODY@example.org", "first_name": "Eve"});
    eve.put(ME, mine).await.expect(200);
    eve.patch(ME, json!({"email": ""})).await.expect(200);
    bob.patch(ME, taken).await.expect(400);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_added_to_groups_are_counted_by_all_nodes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) =
        start(backend, &[("THROTTLE_MEMBERS", "4/hour"), ("ACCESS_TOKEN_LIFETIME", "1d")]).await
    else {
        return;
    };
    let other = server.second_node().await;
    other.app.clock.stop();
    let tom = server.user("tom").await;
    let mut crowd = Vec::new();
    for name in 0..11 {
        crowd.push(server.user(&format!("cat{name}x")).await);
    }
    let ids: Vec<i64> = crowd.iter().map(|user| user.id).collect();
    let group = async |members: &[i64]| {
        let body = json!({"type": "group", "name": "Kitchen", "members": members});
        tom.post("/api/chats/", body).await
    };
    // Never more than a burst at once; refused calls are not counted.
    group(&ids).await.expect(429);
    let chat = group(&ids[..4]).await.expect(201).json["id"].as_i64().expect("an id");
    let path = format!("/api/chats/{chat}/");
    let members = format!("{path}members/");
    let there = Client { base: other.base.clone(), ..tom.clone() };
    // Existing members are not counted.
    there.post(&members, json!({"users": ids[2..6]})).await.expect(201);
    tom.put(&path, json!({"name": "Kitchen", "members": ids[..9]})).await.expect(200);
    for refused in [
        tom.post(&members, json!({"users": ids[9..]})).await,
        there.post(&members, json!({"users": ids})).await,
        there.put(&path, json!({"name": "Attic", "members": ids})).await,
        group(&ids[..2]).await,
    ] {
        let refused = refused.expect(429);
        let wait: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
        // The other node's clock was stopped slightly later.
        assert!((600..=900).contains(&wait), "{wait}");
    }
    let now = tom.get(&path).await.expect(200).json;
    assert_eq!((&now["members_count"], &now["name"]), (&json!(10), &json!("Kitchen")));
    // One is left; other users have their own limits.
    there.post(&members, json!({"users": ids[..10]})).await.expect(201);
    tom.post(&members, json!({"user": ids[10]})).await.expect(429);
    tom.put(&path, json!({"name": "Attic"})).await.expect(200);
    group(&[]).await.expect(201);
    tom.private_chat(&crowd[10]).await;
    crowd[0].group(&[&tom, &crowd[1]]).await;
    server.app.clock.advance(Duration::from_secs(900));
    tom.post(&members, json!({"user": ids[10]})).await.expect(201);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_has_more_groups_than_may_be_however_many_are_made_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("MAX_GROUPS_PER_USER", "3")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let (tom, jerry) = (server.user("tom").await, server.user("jerry").await);
    let make = async |maker: &Client, other: &Client| {
        let body = json!({"type": "group", "name": "Kitchen", "members": [other.id]});
        maker.post("/api/chats/", body).await
    };
    // The two create groups with each other at the same time, which must not deadlock.
    let made = join_all((0..100).map(|number| match number % 2 {
        0 => make(&tom, &jerry),
        _ => make(&jerry, &tom),
    }))
    .await;
    for answers in [0, 1].map(|parity| made.iter().skip(parity).step_by(2)) {
        let count = |status: u16| answers.clone().filter(|one| one.status == status).count();
        assert_eq!((count(201), count(409)), (3, 47));
    }
    let refused = "You have made too many groups.";
    make(&tom, &jerry).await.expect_detail(409, refused);
    // The state is checked before the input.
    let body = json!({"type": "group", "name": "Kitchen", "members": [999_999]});
    tom.post("/api/chats/", body).await.expect_detail(409, refused);
    tom.private_chat(&jerry).await;

    let groups = tom.get("/api/chats/?type=group").await.expect(200);
    let own = groups.results().iter().find(|chat| chat["my_role"] == "owner").expect("one");
    let path = format!("/api/chats/{}/", own["id"]);
    tom.delete(&path).await.expect(204);
    make(&tom, &jerry).await.expect(201);
    make(&tom, &jerry).await.expect(409);
}
