//! Pagination: page sizes, cursors, and paging through a list while it grows.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rstest::rstest;
use serde_json::Value;

use crate::support::{Answer, Backend, Client, TestApp};

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_1_to_100_rows_and_junk_is_ignored(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, chat) = with_messages(&server, 105).await;
    for (size, rows) in [
        ("1", 1),
        ("7", 7),
        ("100", 100),
        ("101", 100),
        ("9999999999", 100),
        ("0", 1),
        ("-5", 1),
        ("", 50),
        ("meow", 50),
        ("5.0", 50),
        ("99999999999999999999", 100),
        ("-99999999999999999999", 1),
        ("%00", 50),
    ] {
        let page = tom.get(&format!("/api/chats/{chat}/messages/?page_size={size}")).await;
        assert_eq!(page.expect(200).results().len(), rows, "{size}");
    }
    let page = tom.get(&format!("/api/chats/{chat}/messages/")).await;
    assert_eq!(page.results().len(), 50);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_is_good_for_the_list_that_it_came_from(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, chat) = with_messages(&server, 3).await;
    let other_chat = tom.group(&[]).await;
    server.user("kitty").await;
    let lists = [
        format!("/api/chats/{chat}/messages/"),
        "/api/chats/".to_owned(),
        "/api/users/".to_owned(),
    ];
    tom.say(other_chat, "meow").await;
    let other_list = format!("/api/chats/{other_chat}/messages/");
    for list in &lists {
        let page = tom.get(&format!("{list}?page_size=1")).await.expect(200);
        let next = page.json["next"].as_str().expect("more");
        let cursor = next.split_once("cursor=").expect("a cursor").1;
        let cursor = cursor.split('&').next().unwrap_or_default();
        tom.get(&format!("{list}?cursor={cursor}")).await.expect(200);
        for other in lists.iter().chain([&other_list]).filter(|other| *other != list) {
            let answer = tom.get(&format!("{other}?cursor={cursor}")).await;
            answer.expect_detail(404, "Invalid cursor");
        }
        for forged in [&cursor[1..], &format!("{cursor}A"), "meow", "%00", "ü", "bz0x"] {
            let answer = tom.get(&format!("{list}?cursor={forged}")).await;
            answer.expect_detail(404, "Invalid cursor");
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_after_and_around_give_exactly_their_pages(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, chat) = with_messages(&server, 10).await;
    let list = format!("/api/chats/{chat}/messages/");
    // The query; the page; its previous and next pages.
    type Row<'a> = (&'a str, &'a [i64], Option<&'a [i64]>, Option<&'a [i64]>);
    let pages: &[Row<'_>] = &[
        ("", &[10, 9, 8, 7], None, Some(&[6, 5, 4, 3])),
        ("before=8", &[7, 6, 5, 4], Some(&[10, 9, 8]), Some(&[3, 2, 1])),
        ("before=4", &[3, 2, 1], Some(&[7, 6, 5, 4]), None),
        ("before=99", &[10, 9, 8, 7], None, Some(&[6, 5, 4, 3])),
        ("after=0", &[1, 2, 3, 4], None, Some(&[5, 6, 7, 8])),
        ("after=3", &[4, 5, 6, 7], Some(&[1, 2, 3]), Some(&[8, 9, 10])),
        ("after=-7", &[1, 2, 3, 4], None, Some(&[5, 6, 7, 8])),
        ("after=8", &[9, 10], Some(&[5, 6, 7, 8]), None),
        ("around=5", &[3, 4, 5, 6], Some(&[1, 2]), Some(&[7, 8, 9, 10])),
        ("around=1", &[1, 2], None, Some(&[3, 4, 5, 6])),
        ("around=10", &[8, 9, 10], Some(&[4, 5, 6, 7]), None),
        ("before=1", &[], None, None),
        ("after=10", &[], None, None),
        ("around=99", &[8, 9, 10], Some(&[4, 5, 6, 7]), None),
        ("around=0", &[1, 2], None, Some(&[3, 4, 5, 6])),
        ("after=9223372036854775807", &[], None, None),
        ("before=-9223372036854775808", &[], None, None),
        ("around=9223372036854775807", &[8, 9, 10], Some(&[4, 5, 6, 7]), None),
        ("around=-9223372036854775808", &[1, 2], None, Some(&[3, 4, 5, 6])),
        // Valid numbers, larger than any stored one.
        ("before=99999999999999999999", &[10, 9, 8, 7], None, Some(&[6, 5, 4, 3])),
        ("after=99999999999999999999", &[], None, None),
        ("after=-99999999999999999999", &[1, 2, 3, 4], None, Some(&[5, 6, 7, 8])),
    ];
    for (query, rows, previous, next) in pages {
        let page = tom.get(&format!("{list}?page_size=4&{query}")).await.expect(200);
        assert_eq!(page.column("seq"), *rows, "{query}");
        for (name, neighbour) in [("previous", previous), ("next", next)] {
            match (&page.json[name], neighbour) {
                (Value::Null, None) => {}
                (Value::String(link), Some(rows)) => {
                    let page = tom.get(link).await.expect(200);
                    assert_eq!(page.column("seq"), **rows, "{name} of {query}");
                }
                (link, _) => panic!("{name} of {query} is {link}"),
            }
        }
    }
    let anchored = tom.get(&format!("{list}?page_size=5&around=5")).await;
    assert_eq!(anchored.column("seq"), [3, 4, 5, 6, 7], "the anchor in the middle");
    let anchored = tom.get(&format!("{list}?page_size=1&around=5")).await;
    assert_eq!(anchored.column("seq"), [5]);

    for name in ["before", "after", "around"] {
        for junk in ["", "meow", "1.5", "0x1", "%00", "-", "9e9"] {
            let answer = tom.get(&format!("{list}?{name}={junk}")).await;
            answer.expect_fault(name, "A valid integer is required.");
        }
    }
    let page = tom.get(&format!("{list}?page_size=4")).await;
    let next = page.json["next"].as_str().expect("more");
    let answer = tom.get(&format!("{next}&after=2&around=meow")).await.expect(200);
    assert_eq!(answer.column("seq"), [6, 5, 4, 3], "the cursor wins");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_can_be_walked_there_and_back(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, chat) = with_messages(&server, 7).await;
    for name in ["kitty", "Spike", "émile", "_jerry", "Butch"] {
        let other = server.user(name).await;
        tom.private_chat(&other).await;
    }
    for list in [format!("/api/chats/{chat}/messages/"), "/api/chats/".into(), "/api/users/".into()]
    {
        let all = ids(&tom.get(&list).await);
        for size in [1, 2, 3, 100] {
            let first = format!("{list}?page_size={size}");
            let there = tom.walk(&first, "next").await;
            assert_eq!(there.iter().map(id).collect::<Vec<_>>(), all, "{first}");
            let mut page = tom.get(&first).await;
            while let Some(next) = page.json["next"].as_str().map(str::to_owned) {
                page = tom.get(&next).await.expect(200);
            }
            let mut back: Vec<_> = ids(&page).into_iter().rev().collect();
            if let Some(previous) = page.json["previous"].as_str() {
                back.extend(tom.walk(previous, "previous").await.iter().map(id));
            }
            back.reverse();
            assert_eq!(back, all, "back to {first}");
        }
    }
}

/// Pages through a chat in both directions, with random page sizes, while messages are added.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn walking_skips_and_repeats_nothing_while_messages_come_in(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut runner = TestRunner::deterministic();
    let mut draw =
        |range: std::ops::Range<i64>| range.new_tree(&mut runner).expect("a number").current();
    let (tom, chat) = with_messages(&server, 12).await;
    let list = format!("/api/chats/{chat}/messages/");
    let mut last = 12;
    for _ in 0..12 {
        // Down from the newest: everything that existed at the start, however many are added.
        let top = last;
        let mut seen = vec![];
        let mut link = Some(format!("{list}?page_size={}", draw(1..6)));
        while let Some(path) = link {
            let page = tom.get(&resized(&path, draw(1..6))).await.expect(200);
            seen.extend(seqs(&page));
            link = page.json["next"].as_str().map(str::to_owned);
            for _ in 0..draw(0..3) {
                tom.say(chat, "meanwhile").await;
                last += 1;
            }
        }
        assert_eq!(seen, (1..=top).rev().collect::<Vec<_>>());

        // Up from some position: everything after it, including what was added meanwhile.
        let from = draw(0..last);
        let mut seen = vec![];
        let mut adding = 5;
        let mut link = Some(format!("{list}?after={from}&page_size={}", draw(1..6)));
        while let Some(path) = link {
            let page = tom.get(&resized(&path, draw(1..6))).await.expect(200);
            seen.extend(seqs(&page));
            link = page.json["next"].as_str().map(str::to_owned);
            if adding > 0 && link.is_some() {
                tom.say(chat, "meanwhile").await;
                (adding, last) = (adding - 1, last + 1);
            }
        }
        assert_eq!(seen, (from + 1..=last).collect::<Vec<_>>());

        // Around some position, and from there to both ends.
        let anchor = draw(1..last + 1);
        let page = tom.get(&format!("{list}?around={anchor}&page_size={}", draw(1..6))).await;
        let mut seen: BTreeSet<_> = seqs(&page).into_iter().collect();
        assert!(seen.contains(&anchor));
        let mut count = seen.len();
        for way in ["previous", "next"] {
            if let Some(link) = page.json[way].as_str() {
                let rows = tom.walk(link, way).await;
                count += rows.len();
                seen.extend(rows.iter().filter_map(|row| row["seq"].as_i64()));
            }
        }
        assert_eq!(seen, (1..=last).collect());
        assert_eq!(count, seen.len(), "none came twice");
    }
}

/// A user alone in a chat with so many messages.
async fn with_messages(server: &TestApp, count: usize) -> (Client, i64) {
    let tom = server.user("tom").await;
    let chat = tom.group(&[]).await;
    for n in 1..=count {
        tom.say(chat, &format!("meow {n}")).await;
    }
    (tom, chat)
}

/// The same page with another size.
fn resized(path: &str, size: i64) -> String {
    let (start, rest) = path.split_once("page_size=").expect("a size");
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{start}page_size={size}{rest}")
}

fn seqs(page: &Answer) -> Vec<i64> {
    page.results().iter().filter_map(|row| row["seq"].as_i64()).collect()
}

fn ids(page: &Answer) -> Vec<i64> {
    page.results().iter().map(id).collect()
}

fn id(row: &Value) -> i64 {
    row["id"].as_i64().expect("an id")
}
