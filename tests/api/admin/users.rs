//! Users in the admin site: finding them, and what is done to them.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::operator::Operator;
use crate::support::{Answer, Backend, MailServer, PASSWORD, Socket, TestApp};

use super::scene::{audited, ids, link};

#[rstest]
#[tokio::test]
async fn users_are_found_filtered_and_sorted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (anna, ben, cora) =
        (server.user("anna").await, server.user("ben").await, server.user("cora").await);
    let mut staff = Operator::staff(&server, "staff", false).await;
    anna.patch("/api/auth/me/", json!({"email": "cat@example.org"})).await.expect(200);
    server.deactivate(&ben).await;
    let gone = server.user("gone").await;
    let request =
        gone.request(Method::DELETE, "/api/auth/me/").json(&json!({"password": PASSWORD}));
    Answer::of(request).await.expect(204);
    let seen = "update users set last_seen = date_joined where id in";
    server.script(&format!("{seen} ({}, {})", anna.id, cora.id)).await;
    for (query, expected) in [
        ("", vec![staff.id, cora.id, ben.id, anna.id]),
        ("?sort=username", vec![anna.id, ben.id, cora.id, staff.id]),
        ("?sort=seen", vec![cora.id, anna.id, staff.id, ben.id]),
        ("?active=no", vec![ben.id]),
        ("?active=yes&staff=no", vec![cora.id, anna.id]),
        ("?staff=yes", vec![staff.id]),
        ("?superuser=yes", vec![]),
        ("?from=2020-01-01&until=2020-01-02", vec![]),
        ("?from=2020-01-01&sort=username", vec![staff.id, cora.id, ben.id, anna.id]),
        ("?q=CAT@example.org", vec![anna.id]),
        ("?q=cat", vec![]),
        ("?q=gone", vec![]),
        ("?q=%20%00", vec![]),
    ] {
        let page = staff.get(&format!("/admin/users/{query}")).await.expect(200);
        assert_eq!(ids(&page, "users"), expected, "{query}");
    }
    for user in [&anna, &ben, &cora] {
        // Of the names of this test's users, each begins like no other's.
        for query in [user.username.clone(), user.id.to_string(), user.username[..3].to_owned()] {
            let page = staff.get(&format!("/admin/users/?q={query}")).await.expect(200);
            assert!(ids(&page, "users").contains(&user.id), "{query}");
        }
    }
    let page = staff.get(&format!("/admin/users/?q={}&active=yes", ben.username)).await.expect(200);
    assert!(!ids(&page, "users").contains(&ben.id), "filters apply to a search");
    staff.get(&format!("/admin/users/{}/", gone.id)).await.expect(404);
}

#[rstest]
#[tokio::test]
async fn pages_neither_repeat_nor_skip_while_users_join(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut staff = Operator::staff(&server, "staff", false).await;
    let id = staff.id;
    let many = |from: i64, to: i64| {
        format!(
            "insert into users (id, username, username_key, password, date_joined, is_active) \
             with recursive s (n) as (select {from} union all select n + 1 from s where n < {to}) \
             select n, 'cat' || n, 'cat' || n, '!', date_joined, n % 3 <> 0 \
             from s, (select date_joined from users where id = {id}) u"
        )
    };
    server.script(&many(1_001, 1_130)).await;
    let range = "from=2020-01-01&until=2100-01-01";
    for (round, sort) in
        ["sort=joined", "sort=seen", "sort=username", range].into_iter().enumerate()
    {
        let round = i64::try_from(round).expect("few");
        let mut page = staff.get(&format!("/admin/users/?{sort}")).await.expect(200);
        let mut found = ids(&page, "users");
        server.script(&many(2_001 + 10 * round, 2_009 + 10 * round)).await;
        let mut back = None;
        while let Some(next) = link(&page, "next") {
            back = link(&page, "prev").or(back);
            page = staff.get(&next).await.expect(200);
            found.extend(ids(&page, "users"));
        }
        let unique: std::collections::BTreeSet<_> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "{sort}: none twice");
        assert!((1_001..=1_130).all(|id| unique.contains(&id)), "{sort}: all are there");
        let before = staff.get(&link(&page, "prev").expect("a link")).await.expect(200);
        let whole = ids(&before, "users");
        let last = ids(&page, "users").len();
        assert_eq!(whole[..], found[found.len() - last - 50..found.len() - last], "{sort}: back");
        let other = link(&before, "next").expect("a link");
        staff.get(&format!("{other}&active=yes")).await.expect(404);
    }
}

#[rstest]
#[tokio::test]
async fn deactivation_ends_everything_and_is_recorded(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let second = match backend {
        Backend::Postgres => Some(server.second_node().await),
        Backend::Sqlite => None,
    };
    let tom = server.user("tom").await;
    let mut staff = Operator::staff(&server, "staff", false).await;
    let mut sockets = vec![Socket::open(&tom).await];
    if let Some(second) = &second {
        let there = tom.login(&tom.username, PASSWORD).await.expect(200).json;
        sockets.push(Socket::open(&second.anonymous().with_session(&there)).await);
    }
    let path = format!("/admin/users/{}/", tom.id);
    let question = staff.get(&format!("{path}deactivate/")).await.expect(200);
    assert!(question.text.contains(&format!("Deactivate {}?", tom.username)));
    let page = staff.submit(&format!("{path}deactivate/"), &[]).await;
    assert!(page.text.contains("The user was deactivated.") && page.text.contains("inactive"));
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, 4001);
    }
    tom.get("/api/auth/me/").await.expect_bad_token();
    tom.login(&tom.username, PASSWORD).await.expect(401);
    // Again: nothing changes, nothing is recorded.
    staff.submit(&format!("{path}deactivate/"), &[]).await;
    staff.submit(&format!("{path}activate/"), &[]).await;
    tom.login(&tom.username, PASSWORD).await.expect(200);
    let row = |before: bool| {
        let detail = json!({"is_active": {"before": before, "after": !before}});
        (staff.id, "user.update".to_owned(), tom.id, detail)
    };
    assert_eq!(audited(&server).await, [row(true), row(false)]);
}

#[rstest]
#[tokio::test]
async fn several_are_deactivated_together(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let mut staff = Operator::staff(&server, "staff", false).await;
    staff.get("/admin/users/").await.expect(200);
    staff.post("/admin/users/deactivate/", &[]).await.expect(400);
    staff.post("/admin/users/deactivate/", &[("user", "tom")]).await.expect(400);
    let (one, two) = (tom.id.to_string(), kitty.id.to_string());
    let gone = [("user", &*one), ("user", "999999"), ("confirmed", "yes")];
    staff.post("/admin/users/deactivate/", &gone).await.expect(404);
    let both = [("user", &*one), ("user", &*two)];
    let question = staff.post("/admin/users/deactivate/", &both).await.expect(200);
    assert!(question.text.contains(&tom.username) && question.text.contains(&kitty.username));
    tom.get("/api/auth/me/").await.expect(200);
    let sure = [("user", &*one), ("user", &*two), ("confirmed", "yes")];
    let page = staff.submit("/admin/users/deactivate/", &sure).await;
    assert!(page.text.contains("2 users were deactivated."));
    for user in [&tom, &kitty] {
        user.get("/api/auth/me/").await.expect_bad_token();
    }
    assert_eq!(audited(&server).await.len(), 2);
    let many: Vec<String> = (1..=101).map(|id: i32| id.to_string()).collect();
    let mut many: Vec<_> = many.iter().map(|id| ("user", &**id)).collect();
    many.push(("confirmed", "yes"));
    staff.post("/admin/users/deactivate/", &many).await.expect(409);
}

#[rstest]
#[tokio::test]
async fn sessions_are_ended_and_staff_made_and_a_link_mailed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut mails = MailServer::start().await;
    let Some(server) = TestApp::start_with(backend, &[("EMAIL_URL", &mails.url)]).await else {
        return;
    };
    let tom = server.user("tom").await;
    let mut root = Operator::staff(&server, "root", true).await;
    let path = format!("/admin/users/{}/", tom.id);
    let hostile = "<img src=x>\u{202e}";
    let login = json!({"username": tom.username, "password": PASSWORD});
    let request = server.anonymous().request(Method::POST, "/api/auth/login/");
    let opened = Answer::of(request.header("user-agent", "<img src=x>").json(&login)).await;
    let phone = tom.with_session(&opened.expect(200).json);
    phone.patch("/api/auth/me/", json!({"first_name": hostile})).await.expect(200);
    let page = root.get(&path).await.expect(200);
    assert!(!page.text.contains("<img") && page.text.contains("&#60;img src=x"), "{}", page.text);
    let ends: Vec<_> =
        page.text.split("action=\"").filter_map(|rest| rest.split_once("/end/\"")).collect();
    assert_eq!(ends.len(), 2);
    // The newest is first: the phone.
    let end = format!("{}/end/", ends[0].0);
    root.submit(&end, &[]).await;
    phone.get("/api/auth/me/").await.expect_bad_token();
    tom.get("/api/auth/me/").await.expect(200);
    root.post(&end, &[]).await.expect(404);
    root.submit(&format!("{path}end-sessions/"), &[]).await;
    tom.get("/api/auth/me/").await.expect_bad_token();

    root.post(&format!("{path}reset-mail/"), &[]).await.expect(409);
    let address = format!("update users set email = 'tom@example.org' where id = {}", tom.id);
    server.script(&address).await;
    let page = root.submit(&format!("{path}reset-mail/"), &[]).await;
    assert!(page.text.contains("A link for a new password was mailed."));
    let mail = mails.next().await;
    assert!(
        mail.text.contains("Subject: Reset your password") && mail.text.contains("/reset?uid=")
    );

    root.submit(&format!("{path}make-staff/"), &[]).await;
    let mut promoted = Operator::of(&server, &tom).await;
    promoted.get("/admin/users/").await.expect(200);
    root.submit(&format!("{path}end-staff/"), &[]).await;
    promoted.get("/admin/users/").await.expect(302);
    let rows = audited(&server).await;
    let names: Vec<_> = rows.iter().map(|(_, action, ..)| action.as_str()).collect();
    let update = "user.update";
    let ended = "user.sessions_end";
    assert_eq!(names, [ended, ended, "user.reset_mail", update, update]);
    assert!(rows[0].3["sessions"]["before"][0].is_i64(), "{rows:?}");
    assert_eq!(rows[3].3, json!({"is_staff": {"before": false, "after": true}}));
}
