//! Filters of the chat list: type, name, unread; and the sums of what is unread.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, PASSWORD, TestApp};

async fn group(by: &Client, name: &str, members: &[i64]) -> i64 {
    let body = json!({"type": "group", "name": name, "members": members});
    by.post("/api/chats/", body).await.expect(201).json["id"].as_i64().expect("an id")
}

async fn listed(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/api/chats/?{query}")).await.expect(200).column("id")
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_combine(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let me = server.user("me").await;
    let body = json!({"username": "vanya", "password": PASSWORD, "first_name": "Иван",
                      "last_name": "Петров"});
    let answer = server.anonymous().post("/api/auth/register/", body).await.expect(201);
    let ivan = server.anonymous().with_session(&answer.json);
    let other = server.user("other").await;

    let kitchen = group(&me, "Our Kitchen 100%", &[ivan.id]).await;
    let garden = group(&me, "Gärten", &[]).await;
    let with_ivan = me.private_chat(&ivan).await;
    let with_other = me.private_chat(&other).await;
    group(&ivan, "Our secret", &[other.id]).await;
    ivan.say(kitchen, "meow").await;
    ivan.say(with_ivan, "meow").await;
    me.say(with_other, "meow").await;

    for (query, expected) in [
        ("", &[with_other, with_ivan, kitchen, garden][..]),
        ("type=&search=&unread=", &[with_other, with_ivan, kitchen, garden]),
        ("type=private", &[with_other, with_ivan]),
        ("type=group", &[kitchen, garden]),
        ("unread=true", &[with_ivan, kitchen]),
        ("unread=false", &[with_other, garden]),
        ("type=group&unread=true", &[kitchen]),
        ("search=kitchen", &[kitchen]),
        ("search=KITCH", &[kitchen]),
        ("search=our", &[kitchen]),
        ("search=0%25", &[kitchen]),
        ("search=%25", &[kitchen]),
        ("search=_", &[]),
        ("search=%5C", &[]),
        ("search=arten", &[garden]),
        ("search=%D0%B2%D0%B0%D0%BD+%D0%BF%D0%B5", &[with_ivan]),
        ("search=any", &[with_ivan]),
        ("search=vanya&type=group", &[]),
        // The caller's own name matches none of the chats.
        (&format!("search={}", me.username), &[]),
        ("search=secret", &[]),
        ("search=%00", &[with_other, with_ivan, kitchen, garden]),
    ] {
        assert_eq!(listed(&me, query).await, expected, "{query}");
    }
    me.get("/api/chats/?type=channel&unread=perhaps").await.expect_body(
        400,
        json!({
            "type": ["Select a valid choice. channel is not one of the available choices."],
            "unread": ["Must be a valid boolean."],
        }),
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_keep_their_filters_and_a_cursor_is_good_for_them_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (me, other) = (server.user("me").await, server.user("other").await);
    let mut groups = Vec::new();
    for n in 0..5 {
        groups.push(json!(group(&me, &format!("Cats {n}"), &[]).await));
        group(&me, "Dogs", &[]).await;
    }
    me.private_chat(&other).await;
    groups.reverse();
    let path = "/api/chats/?type=group&search=cats&page_size=2";
    let ids = |rows: Vec<Value>| rows.into_iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(me.walk(path, "next").await), groups);

    let next = me.get(path).await.json["next"].as_str().expect("more").to_owned();
    let second = me.get(&next).await.expect(200);
    let previous = second.json["previous"].as_str().expect("a page before");
    assert_eq!(me.get(previous).await.expect(200).column("id"), groups[..2]);
    let cursor = next.split_once("cursor=").expect("a cursor").1.split('&').next().expect("some");
    for other in ["", "type=group", "search=cats", "type=private&search=cats"] {
        let answer = me.get(&format!("/api/chats/?{other}&cursor={cursor}")).await;
        answer.expect_detail(404, "Invalid cursor");
    }
}

/// The sums, which must be those of the list.
async fn unread(client: &Client) -> (i64, i64) {
    let sums = client.get("/api/chats/unread/").await.expect(200).json;
    let counts = client.walk("/api/chats/", "next").await;
    let counts = counts.iter().map(|chat| chat["unread_count"].as_i64().expect("a number"));
    let counts: Vec<_> = counts.filter(|count| *count > 0).collect();
    let (messages, chats) = (counts.iter().sum(), i64::try_from(counts.len()).expect("few"));
    assert_eq!(sums, json!({"messages": messages, "chats": chats, "mentions": 0}));
    (messages, chats)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sums_of_unread_messages_are_exact_at_every_moment(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (me, tom) = (server.user("me").await, server.user("tom").await);
    assert_eq!(unread(&me).await, (0, 0));
    let (group, private) = (me.group(&[&tom]).await, me.private_chat(&tom).await);
    assert_eq!(unread(&me).await, (0, 0));
    let mut said = Vec::new();
    for n in 0..3 {
        said.push(tom.say(group, &format!("meow {n}")).await["id"].clone());
    }
    tom.say(private, "purr").await;
    assert_eq!((unread(&me).await, unread(&tom).await), ((4, 2), (0, 0)));
    tom.delete(&format!("/api/messages/{}/", said[1])).await.expect(204);
    assert_eq!(unread(&me).await, (3, 2));
    me.post(&format!("/api/chats/{group}/read/"), json!({"seq": 2})).await.expect(200);
    assert_eq!(unread(&me).await, (2, 2));
    tom.delete(&format!("/api/messages/{}/", said[2])).await.expect(204);
    assert_eq!(unread(&me).await, (1, 1));
    tom.say(group, "meow").await;
    me.say(group, "read by answering").await;
    assert_eq!((unread(&me).await, unread(&tom).await), ((1, 1), (1, 1)));
    tom.delete(&format!("/api/chats/{private}/")).await.expect(204);
    assert_eq!(unread(&me).await, (0, 0));

    server.anonymous().get("/api/chats/unread/").await.expect_no_credentials();
    let answer = me.post("/api/chats/unread/", json!({})).await.expect(405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    me.head("/api/chats/unread").await.expect(200);
}
