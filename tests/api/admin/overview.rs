//! The overview: figures of the whole site, counted over all nodes, and the plots of the last day.

use std::sync::Arc;
use std::time::Duration;

use meowsenger::actions::counters;
use meowsenger::actions::figures::{self, Figure};
use meowsenger::domain::ids::{SessionId, UserId};
use meowsenger::domain::session::Caller;
use meowsenger::store::users;
use rstest::rstest;

use crate::support::operator::Operator;
use crate::support::{Answer, Backend, Socket, TestApp, eventually};

/// What the page says of a fact.
fn fact<'a>(page: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = page.text.split_once(&format!("<dt>{name}</dt><dd>")).expect("the fact");
    rest.split("</dd>").next().expect("a value")
}

/// The description of a plot.
fn plot<'a>(page: &'a Answer, title: &str) -> &'a str {
    let (_, rest) =
        page.text.split_once(&format!("\">{title}</h3>\n<p class=\"muted\">")).expect(title);
    rest.split("</p>").next().expect("a description")
}

/// Writes what the nodes have counted, as they do every minute.
async fn count(nodes: &[&TestApp]) {
    for node in nodes {
        counters::store(Arc::clone(&node.app)).await.expect("written");
    }
}

async fn caller(server: &TestApp, id: i64) -> Caller {
    let user = users::by_id(&server.app.db, UserId(id)).await.expect("read").expect("a user");
    Caller { user, session: SessionId(0) }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_counts_people_chats_messages_and_sockets_of_all_nodes(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(one) = TestApp::start(backend).await else { return };
    let (two, three) = (one.second_node().await, one.second_node().await);
    let (amy, bob) = (one.user("amy").await, one.user("bob").await);
    let chat = amy.private_chat(&bob).await;
    for _ in 0..3 {
        amy.say(chat, "meow").await;
    }
    let there = meowsenger_testing::Client { base: two.base.clone(), ..bob.clone() };
    there.say(chat, "purr").await;
    let _sockets = (Socket::open(&amy).await, Socket::open(&bob).await, Socket::open(&there).await);
    let mut operator = Operator::staff(&one, "root", false).await;
    let nodes = [&one, &two, &three];
    let expected = ["3", "2", "1", "4", "3", "3", "not configured"];
    eventually(Duration::from_secs(20), "the figures", async || {
        let page = operator.get("/admin/").await.expect(200);
        let names = ["People", "Online now", "Chats", "Messages", "Sockets", "Nodes", "Bus"];
        (names.map(|name| fact(&page, name)) == expected).then_some(())
    })
    .await;
    count(&nodes).await;
    let page = operator.get("/admin/").await.expect(200);
    // The nodes have counted themselves when they started, before anything happened.
    let is_at_least = |title: &str, least: i64| {
        let text = plot(&page, title).trim_start_matches("At most ");
        let value: i64 = text.split(' ').next().expect("a number").parse().expect("a number");
        assert!(value >= least, "{title}: {text}");
    };
    is_at_least("Messages", 4);
    is_at_least("Logins", 1);
    is_at_least("Sockets", 3);
    is_at_least("Errors of the server", 0);
    for text in
        ["<title id=\"t_messages\">", "<desc id=\"d_messages\">", "As a table", &one.app.nodes.name]
    {
        assert!(page.text.contains(text), "{text}");
    }
    assert_eq!(page.text.matches("<polyline").count(), 4);
    let (kind, version) = (fact(&page, "Database"), fact(&page, "Version"));
    assert_eq!(kind, if backend == Backend::Sqlite { "SQLite" } else { "PostgreSQL" });
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(fact(&page, "Size of the database").ends_with("iB"), "{}", page.text);
    assert!(fact(&page, "Migrations").contains(" applied, last 00"), "{}", page.text);
    assert_eq!(page.header("refresh"), Some("60"));
    assert_eq!(operator.get("/admin/?refresh=off").await.expect(200).header("refresh"), None);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_counted_is_written_once_and_removed_after_two_days(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (amy, bob) = (server.user("amy").await, server.user("bob").await);
    let chat = amy.private_chat(&bob).await;
    amy.say(chat, "meow").await;
    let sum = async || {
        let now = server.app.clock.now();
        let from = meowsenger::domain::time::Timestamp::MIN;
        let rows = meowsenger::store::counters::between(&server.app.db, from, now).await;
        rows.expect("read").iter().map(|(_, counts)| counts.messages).sum::<i64>()
    };
    count(&[&server]).await;
    let first = sum().await;
    assert!(first >= 1);
    count(&[&server]).await;
    assert_eq!(sum().await, first);
    amy.say(chat, "meow").await;
    count(&[&server]).await;
    assert_eq!(sum().await, first + 1);
    // A sweep goes on by a day at most.
    for _ in 0..4 {
        server.app.clock.advance(Duration::from_secs(86_400));
        meowsenger::actions::housekeeping::forget(Arc::clone(&server.app)).await.expect("swept");
    }
    assert_eq!(sum().await, 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_site_is_estimated_and_says_so(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut operator = Operator::staff(&server, "root", false).await;
    let caller = caller(&server, operator.id).await;
    let overview = async || figures::overview(&server.app, &caller).await.expect("read");
    assert_eq!(overview().await.users, Figure::Exact(1));
    assert_eq!(overview().await.active, Figure::Exact(0));
    let (numbers, moment, analyze) = match backend {
        Backend::Sqlite => (
            "with recursive n(x) as (select 100 union all select x + 1 from n where x < 20099)",
            server.app.clock.now().micros().to_string(),
            "",
        ),
        Backend::Postgres => (
            "with n(x) as (select generate_series(100, 20099))",
            "now()".to_owned(),
            "analyze users;",
        ),
    };
    server
        .script(&format!(
            "insert into users (id, username, username_key, password, date_joined, last_seen) \
             {numbers} select x, 'u' || x, 'u' || x, '!', {moment}, {moment} from n; {analyze}"
        ))
        .await;
    let Figure::About(users) = overview().await.users else { panic!("no estimate") };
    assert!((19_000..21_000).contains(&users), "{users}");
    assert_eq!(overview().await.active, Figure::Unknown);
    figures::count(Arc::clone(&server.app)).await.expect("counted");
    let Figure::Counted(active, _) = overview().await.active else { panic!("not counted") };
    assert_eq!(active, 20_000);
    let page = operator.get("/admin/").await.expect(200);
    assert!(fact(&page, "People").starts_with("about 2"), "{}", page.text);
    assert!(fact(&page, "Active in the last day").starts_with("20,000, counted at "));
    assert!(page.text.contains("is an estimate"));
}
