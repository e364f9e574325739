//! Chats, reports and the audit in the admin site.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::operator::Operator;
use crate::support::{Backend, Client, Socket, TestApp};

use super::scene::{audited, ids, link};

async fn report(by: &Client, body: Value) -> i64 {
    by.post("/api/reports/", body).await.expect(201).json["id"].as_i64().expect("an id")
}

#[rstest]
#[tokio::test]
async fn chats_show_facts_and_members_and_nothing_that_was_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, ben) =
        (server.user("tom").await, server.user("kitty").await, server.user("ben").await);
    let mut staff = Operator::staff(&server, "staff", false).await;
    let private = tom.private_chat(&kitty).await;
    let body = json!({"type": "group", "name": "<b>Kitchen</b>", "members": [kitty.id, ben.id]});
    let group = tom.post("/api/chats/", body).await.expect(201).json["id"].as_i64().expect("an id");
    let empty = tom.group(&[]).await;
    tom.say(private, "a secret").await;
    for (query, expected) in [
        ("", vec![empty, group, private]),
        ("?type=private", vec![private]),
        ("?type=group&sort=members", vec![group, empty]),
        ("?sort=members", vec![group, private, empty]),
        ("?sort=activity", vec![private]),
        ("?sort=activity&type=group", vec![]),
        ("?q=%3CB%3Ekit", vec![group]),
        ("?q=kitchen", vec![empty]),
        ("?q=kitchens", vec![]),
        (&format!("?q={private}"), vec![private]),
        (&format!("?q={private}&type=group"), vec![]),
    ] {
        let page = staff.get(&format!("/admin/chats/{query}")).await.expect(200);
        assert_eq!(ids(&page, "chats"), expected, "{query}");
        assert!(!page.text.contains("secret") && !page.text.contains("<b>"), "{}", page.text);
    }
    tom.say(group, "another secret").await;
    let page = staff.get("/admin/chats/?sort=activity").await.expect(200);
    assert_eq!(ids(&page, "chats"), [group, private]);
    let page = staff.get(&format!("/admin/chats/{group}/")).await.expect(200);
    assert!(!page.text.contains("secret") && page.text.contains("&#60;b&#62;Kitchen"));
    assert_eq!(ids(&page, "users"), [tom.id, tom.id, kitty.id, ben.id], "the maker, the members");
}

#[rstest]
#[tokio::test]
async fn chats_are_paged_in_every_order(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut staff = Operator::staff(&server, "staff", false).await;
    let of = format!("from s, (select id, date_joined from users where id = {}) u", staff.id);
    let series = "with recursive s (n) as (select 1 union all select n + 1 from s where n < 120)";
    for insert in [
        format!(
            "insert into chats (id, type, name, search_text, created_at, members_count, version, \
                                last_seq, active_at) \
             {series} select n, 'group', 'Cat', '\ncat', date_joined, n % 7, 2, 1, date_joined {of}"
        ),
        format!(
            "insert into messages (chat_id, seq, version, sender_id, content, timestamp) \
             {series} select n, 1, 2, u.id, 'meow', date_joined {of}"
        ),
        "update chats set last_message_id = \
             (select max(m.id) from messages m where m.chat_id = chats.id)"
            .to_owned(),
    ] {
        server.script(&insert).await;
    }
    for query in ["sort=newest", "sort=members", "sort=activity", "type=group", "q=cat"] {
        let mut pages = vec![staff.get(&format!("/admin/chats/?{query}")).await.expect(200)];
        while let Some(next) = link(&pages[pages.len() - 1], "next") {
            pages.push(staff.get(&next).await.expect(200));
        }
        let rows: Vec<_> = pages.iter().map(|page| ids(page, "chats")).collect();
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20], "{query}");
        let unique: std::collections::BTreeSet<_> = rows.iter().flatten().collect();
        assert_eq!(unique.len(), 120, "{query}");
        let back = staff.get(&link(&pages[2], "prev").expect("a link")).await.expect(200);
        assert_eq!(ids(&back, "chats"), rows[1], "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn a_deleted_chat_is_gone_for_everybody_and_recorded(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut staff = Operator::staff(&server, "staff", false).await;
    let chat = tom.group(&[&kitty]).await;
    let mut socket = Socket::open(&kitty).await;
    let path = format!("/admin/chats/{chat}/");
    let question = staff.get(&format!("{path}delete/")).await.expect(200);
    assert!(question.text.contains("for all 2 members"));
    let page = staff.submit(&format!("{path}delete/"), &[]).await;
    assert!(page.text.contains(&format!("Chat {chat} was deleted.")));
    assert_eq!(socket.next_of("chat.deleted").await["chat"], chat);
    tom.get(&format!("/api/chats/{chat}/")).await.expect_not_found();
    staff.get(&path).await.expect(404);
    staff.post(&format!("{path}delete/"), &[]).await.expect(404);
    let rows = audited(&server).await;
    assert_eq!(rows.len(), 1);
    let (actor, action, target, detail) = &rows[0];
    assert_eq!((*actor, action.as_str(), *target), (staff.id, "chat.delete", chat));
    assert_eq!(detail["members"], json!({"before": 2, "after": null}));
}

#[rstest]
#[tokio::test]
async fn a_report_is_handled_in_the_browser(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut staff = Operator::staff(&server, "staff", false).await;
    let chat = tom.group(&[&kitty]).await;
    let message = tom.say(chat, "<i>Hiss!</i>").await;
    let body = json!({"message": message["id"], "reason": "abuse", "text": "\"><b>again"});
    let id = report(&kitty, body).await;
    let other = report(&kitty, json!({"user": tom.id, "reason": "spam"})).await;
    let queue = staff.get("/admin/reports/").await.expect(200);
    assert_eq!(ids(&queue, "reports"), [other, id]);
    let path = format!("/admin/reports/{id}/");
    let page = staff.get(&path).await.expect(200);
    for text in ["&#60;i&#62;Hiss!", "&#62;&#60;b&#62;again", &tom.username, "abuse"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(!page.text.contains("<i>") && !page.text.contains("<b>"));

    let mut socket = Socket::open(&kitty).await;
    staff.get(&format!("{path}delete-message/")).await.expect(200);
    let page = staff.submit(&format!("{path}delete-message/"), &[]).await;
    assert!(page.text.contains("The message was deleted."));
    assert!(page.text.contains("Hiss!"), "the copy stays");
    assert_eq!(socket.next_of("message.deleted").await["message"]["id"], message["id"]);
    let page = staff.submit(&format!("{path}delete-message/"), &[]).await;
    assert!(page.text.contains("The message was deleted already."));
    staff.get(&format!("{path}deactivate/")).await.expect(200);
    let page = staff.submit(&format!("{path}deactivate/"), &[]).await;
    assert!(page.text.contains("The author was deactivated."));
    tom.get("/api/auth/me/").await.expect_bad_token();
    staff.post(&path, &[("status", "perhaps")]).await.expect(400);
    let long = "x".repeat(1_001);
    staff.post(&path, &[("status", "resolved"), ("note", &long)]).await.expect(400);
    let page = staff.submit(&path, &[("status", "resolved"), ("note", "Warned.\r\nTwice.")]).await;
    assert!(
        page.text.contains("The report was resolved.") && page.text.contains("Warned.\nTwice.")
    );
    let dismissed = format!("/admin/reports/{other}/");
    let page = staff.submit(&dismissed, &[("status", "dismissed"), ("note", "")]).await;
    assert!(page.text.contains("The report was dismissed."));
    for (query, expected) in [
        ("".to_owned(), vec![]),
        ("?status=resolved".to_owned(), vec![id]),
        ("?status=dismissed".to_owned(), vec![other]),
        (format!("?status=any&user={}", tom.id), vec![other, id]),
        ("?status=any&sort=oldest".to_owned(), vec![id, other]),
        (format!("?status=any&sort=oldest&user={}", tom.id), vec![id, other]),
        (format!("?status=any&user={}", kitty.id), vec![]),
    ] {
        let page = staff.get(&format!("/admin/reports/{query}")).await.expect(200);
        assert_eq!(ids(&page, "reports"), expected, "{query}");
    }
    let rows = audited(&server).await;
    let names: Vec<_> =
        rows.iter().map(|(_, action, target, _)| (action.as_str(), *target)).collect();
    let message = message["id"].as_i64().expect("an id");
    let expected = [
        ("message.delete", message),
        ("user.update", tom.id),
        ("report.update", id),
        ("report.update", other),
    ];
    assert_eq!(names, expected);
    assert_eq!(rows[2].3["status"], json!({"before": "open", "after": "resolved"}));
    assert!(rows.iter().all(|(.., detail)| !detail.to_string().contains("Hiss")));
}

#[rstest]
#[tokio::test]
async fn the_audit_is_filtered_and_paged(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let mut staff = Operator::staff(&server, "staff", false).await;
    let mut root = Operator::staff(&server, "root", true).await;
    for _ in 0..2 {
        staff.get("/admin/users/").await.expect(200);
        staff.submit(&format!("/admin/users/{}/deactivate/", tom.id), &[]).await;
        staff.submit(&format!("/admin/users/{}/activate/", tom.id), &[]).await;
    }
    root.get("/admin/users/").await.expect(200);
    root.submit(&format!("/admin/users/{}/make-staff/", tom.id), &[]).await;
    // As an earlier version wrote them.
    server
        .script(&format!(
            "insert into audit (at, actor_id, action, target_id, detail) \
             select at, 999999, 'report.update', {}, 'status: open to <b>' from audit \
             where id = (select min(id) from audit)",
            tom.id
        ))
        .await;
    let target = format!("?target=user&id={}", tom.id);
    for (query, expected) in [
        ("".to_owned(), 8),
        (format!("?actor={}", staff.username.to_uppercase()), 5),
        (format!("?actor={}", root.id), 2),
        ("?actor=nobody".to_owned(), 0),
        ("?action=user.update".to_owned(), 5),
        (format!("?action=user.update&actor={}", staff.id), 4),
        (target.clone(), 5),
        (format!("{target}&actor={}", root.id), 1),
        (format!("{target}&action=chat.delete"), 0),
        (format!("?target=report&id={}", tom.id), 1),
        ("?from=2020-01-01&until=2020-01-02".to_owned(), 0),
        ("?from=2020-01-01".to_owned(), 8),
    ] {
        let page = staff.get(&format!("/admin/audit/{query}")).await.expect(200);
        assert_eq!(page.text.matches("<tr>").count().max(1) - 1, expected, "{query}");
        assert!(!page.text.contains("<b>"));
    }
    let page = staff.get(&format!("/admin/audit/{target}")).await.expect(200);
    assert!(page.text.contains("is_active: <del>") && page.text.contains("<ins>"), "{}", page.text);

    let many = "insert into audit (at, actor_id, action, target_id) \
         with recursive s (n) as (select 1 union all select n + 1 from s where n < 60) \
         select at, 7, 'chat.delete', n from s, \
         (select at from audit where id = (select max(id) from audit where action = 'user.update')) a";
    server.script(many).await;
    let count = |text: &str| text.matches("<tr>").count() - 1;
    let first = staff.get("/admin/audit/?actor=7&from=2020-01-01").await.expect(200);
    server.script(many).await;
    let second = staff.get(&link(&first, "next").expect("a link")).await.expect(200);
    assert_eq!((count(&first.text), count(&second.text)), (50, 10), "what came later is not in it");
    assert_eq!(link(&second, "next"), None);
    let back = staff.get(&link(&second, "prev").expect("a link")).await.expect(200);
    assert_eq!(ids(&back, "chats"), ids(&first, "chats"));
}

#[rstest]
#[tokio::test]
async fn lists_are_exported_whole_and_without_formulas(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut staff = Operator::staff(&server, "staff", false).await;
    tom.patch("/api/auth/me/", json!({"first_name": "=1+1", "last_name": "a \"b\", c"}))
        .await
        .expect(200);
    let chat = tom.private_chat(&kitty).await;
    let message = tom.say(chat, "@hiss").await["id"].clone();
    report(&kitty, json!({"message": message, "reason": "abuse"})).await;
    server
        .script(&format!(
            "insert into users (id, username, username_key, password, date_joined) \
             with recursive s (n) as (select 1001 union all select n + 1 from s where n < 2200) \
             select n, 'cat' || n, 'cat' || n, '!', date_joined from s, \
             (select date_joined from users where id = {}) u",
            tom.id
        ))
        .await;
    staff.get("/admin/users/").await.expect(200);
    let users = staff.post("/admin/users/export/", &[]).await.expect(200);
    assert_eq!(users.header("content-type"), Some("text/csv; charset=utf-8"));
    let disposition = users.header("content-disposition");
    assert_eq!(disposition, Some("attachment; filename=\"users.csv\""));
    assert!(users.text.starts_with("\"id\",\"username\",\"email\","), "{}", &users.text[..80]);
    assert_eq!(users.text.matches("\r\n").count(), 1 + 1_200 + 3);
    assert!(users.text.contains("\"'=1+1\",\"a \"\"b\"\", c\""));
    let path = "/admin/users/export/?staff=yes&cursor=x";
    let few = staff.post(path, &[]).await.expect(200);
    assert_eq!(few.text.matches("\r\n").count(), 2);
    let chats = staff.post("/admin/chats/export/", &[]).await.expect(200);
    assert!(chats.text.contains("private") && !chats.text.contains("hiss"), "{}", chats.text);
    let reports = staff.post("/admin/reports/export/", &[]).await.expect(200);
    assert!(reports.text.contains("\"'@hiss\""), "{}", reports.text);
    let audit = staff.post("/admin/audit/export/", &[]).await.expect(200);
    assert!(audit.text.contains("export.users") && audit.text.contains("admin.login"));
    staff.post("/admin/users/export/?active=perhaps", &[]).await.expect(400);
    staff.send(Method::GET, "/admin/users/export/", None).await.expect(405);
    let rows = audited(&server).await;
    let names: Vec<_> = rows.iter().map(|(_, action, ..)| action.as_str()).collect();
    let all = ["export.users", "export.users", "export.chats", "export.reports", "export.audit"];
    assert_eq!(names, all);
    assert_eq!(rows[1].3, json!({"staff": {"before": null, "after": "yes"}}));
}
