//! Who may open which page and send which form: of the lists, and of what they lead to.

use rstest::rstest;
use serde_json::json;

use crate::support::operator::{Operator, location};
use crate::support::{Backend, TestApp};

use super::scene::audited;

#[rstest]
#[tokio::test]
async fn staff_open_every_page_and_others_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let report = json!({"user": tom.id, "reason": "spam"});
    let report = kitty.post("/api/reports/", report).await.expect(201).json["id"].clone();
    let mut staff = Operator::staff(&server, "staff", false).await;
    let mut root = Operator::staff(&server, "root", true).await;
    let mut nobody = Operator::new(&server.base);
    let pages = [
        ("/admin/users/".to_owned(), 200),
        (format!("/admin/users/{}/", tom.id), 200),
        (format!("/admin/users/{}/deactivate/", tom.id), 200),
        (format!("/admin/users/{}/end-sessions/", tom.id), 200),
        (format!("/admin/users/{}/make-staff/", tom.id), 403),
        (format!("/admin/users/{}/end-staff/", tom.id), 403),
        (format!("/admin/users/{}/reset-mail/", tom.id), 404),
        (format!("/admin/users/{}/purr/", tom.id), 404),
        ("/admin/users/999999/".to_owned(), 404),
        ("/admin/users/tom/".to_owned(), 404),
        ("/admin/chats/".to_owned(), 200),
        (format!("/admin/chats/{chat}/"), 200),
        (format!("/admin/chats/{chat}/delete/"), 200),
        ("/admin/chats/999999/".to_owned(), 404),
        ("/admin/reports/".to_owned(), 200),
        (format!("/admin/reports/{report}/"), 200),
        (format!("/admin/reports/{report}/deactivate/"), 200),
        (format!("/admin/reports/{report}/delete-message/"), 404),
        ("/admin/reports/999999/".to_owned(), 404),
        ("/admin/audit/".to_owned(), 200),
    ];
    for (path, status) in pages {
        staff.get(&path).await.expect(status);
        root.get(&path).await.expect(if status == 403 { 200 } else { status });
        let refused = nobody.get(&path).await.expect(302);
        assert!(location(&refused).starts_with("/admin/login/"), "{path}");
    }
    for (list, wrong) in [
        ("users", "active=perhaps"),
        ("users", "from=yesterday"),
        ("users", "sort=size"),
        ("chats", "type=public"),
        ("reports", "status=new"),
        ("reports", "user=tom"),
        ("audit", "action=purr"),
        ("audit", "id=1"),
        ("audit", "target=user&id=x"),
    ] {
        staff.get(&format!("/admin/{list}/?{wrong}")).await.expect(400);
    }
    for list in ["users", "chats", "reports", "audit"] {
        for cursor in ["x", "i1", "%ff", ">5"] {
            staff.get(&format!("/admin/{list}/?cursor={cursor}")).await.expect(404);
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_form_without_its_token_or_of_a_stranger_does_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    let message = tom.say(chat, "hiss").await["id"].clone();
    let report = json!({"message": message, "reason": "abuse"});
    let report = kitty.post("/api/reports/", report).await.expect(201).json["id"].clone();
    let staff = Operator::staff(&server, "staff", false).await;
    let user = format!("/admin/users/{}", tom.id);
    let report = format!("/admin/reports/{report}");
    let forms = [
        "/admin/users/deactivate/".to_owned(),
        "/admin/users/export/".to_owned(),
        format!("{user}/deactivate/"),
        format!("{user}/activate/"),
        format!("{user}/end-sessions/"),
        format!("{user}/make-staff/"),
        format!("{user}/reset-mail/"),
        format!("{user}/sessions/1/end/"),
        "/admin/chats/export/".to_owned(),
        format!("/admin/chats/{chat}/delete/"),
        "/admin/reports/export/".to_owned(),
        format!("{report}/"),
        format!("{report}/delete-message/"),
        format!("{report}/deactivate/"),
        "/admin/audit/export/".to_owned(),
    ];
    for path in &forms {
        let mut forged = Operator { token: "forged".to_owned(), ..staff.clone() };
        let id = tom.id.to_string();
        let fields = [("user", &*id), ("confirmed", "yes"), ("status", "resolved")];
        forged.post(path, &fields).await.expect(403);
        let mut nobody = Operator::new(&server.base);
        nobody.post(path, &fields).await.expect(302);
    }
    assert_eq!(audited(&server).await, []);
    tom.get("/api/auth/me/").await.expect(200);
    assert_eq!(kitty.messages(chat).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn nobody_acts_above_their_rights_or_on_themselves(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let mut staff = Operator::staff(&server, "staff", false).await;
    let mut root = Operator::staff(&server, "root", true).await;
    let other = Operator::staff(&server, "other", false).await;
    staff.get("/admin/users/").await.expect(200);
    for (who, reason) in [
        (&staff.id.to_string(), "your own account"),
        (&root.id.to_string(), "on a superuser"),
        (&other.id.to_string(), "on staff"),
    ] {
        for what in ["deactivate", "activate", "end-sessions", "reset-mail"] {
            let page = staff.post(&format!("/admin/users/{who}/{what}/"), &[]).await.expect(403);
            assert!(page.text.contains(reason), "{what}: {}", page.text);
        }
        // Of several, all or none.
        let fields = [("user", &*tom.id.to_string()), ("user", who), ("confirmed", "yes")];
        let page = staff.post("/admin/users/deactivate/", &fields).await.expect(403);
        assert!(page.text.contains(reason) && page.text.contains("nothing was changed"));
        let own = staff.get(&format!("/admin/users/{who}/")).await.expect(200);
        assert!(!own.text.contains("deactivate/"), "no buttons that do nothing");
    }
    for what in ["make-staff", "end-staff"] {
        staff.post(&format!("/admin/users/{}/{what}/", tom.id), &[]).await.expect(403);
        root.get("/admin/users/").await.expect(200);
        root.post(&format!("/admin/users/{}/{what}/", root.id), &[]).await.expect(403);
    }
    tom.get("/api/auth/me/").await.expect(200);
    assert_eq!(audited(&server).await, []);
    root.submit(&format!("/admin/users/{}/deactivate/", other.id), &[]).await;
    assert_eq!(audited(&server).await.len(), 1);
}
