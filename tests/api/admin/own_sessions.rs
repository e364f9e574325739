//! The page of the caller's own sessions, and its forms.

use rstest::rstest;

use crate::support::operator::Operator;
use crate::support::{Answer, Backend, PASSWORD, TestApp};

#[rstest]
#[tokio::test]
async fn staff_see_their_sessions_page_by_page_and_end_them(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let amy = server.user("amy").await;
    server.make_staff(&amy, false).await;
    let agent = "<script>alert('cat')</script>\"&";
    let body = serde_json::json!({"username": amy.username, "password": PASSWORD});
    let request = server.anonymous().request(reqwest::Method::POST, "/api/auth/login/");
    let opened = Answer::of(request.header("user-agent", agent).json(&body)).await.expect(200);
    let phone = server.anonymous().with_session(&opened.json);
    let mut browser = Operator::of(&server, &amy).await;
    let page = browser.get("/admin/sessions/").await.expect(200);
    assert!(!page.text.contains("<script") && page.text.contains("&#60;script"), "{}", page.text);
    assert_eq!(page.text.matches("this session").count(), 1);
    assert_eq!(page.text.matches("/end/\"").count(), 2);

    let id = page.text.split("/admin/sessions/").filter_map(|rest| rest.split_once("/end/"));
    let id = id.map(|(id, _)| id).find(|id| id.parse::<i64>().is_ok()).expect("an id").to_owned();
    let done = browser.submit(&format!("/admin/sessions/{id}/end/"), &[]).await;
    assert!(done.text.contains("The session has ended."), "{}", done.text);
    phone.get("/api/auth/me/").await.expect(401);
    amy.get("/api/auth/me/").await.expect(200);
    let again = browser.get("/admin/sessions/").await.expect(200);
    assert!(!again.text.contains("The session has ended."), "it is shown once");

    let question = browser.get("/admin/sessions/end-others/").await.expect(200);
    assert!(question.text.contains("End all your other sessions?"));
    amy.get("/api/auth/me/").await.expect(200);
    browser.submit("/admin/sessions/end-others/", &[]).await;
    amy.get("/api/auth/me/").await.expect(401);
    browser.get("/admin/").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_long_list_has_pages(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(server) = TestApp::start(backend).await else { return };
    let amy = server.user("amy").await;
    server.make_staff(&amy, false).await;
    for _ in 0..60 {
        amy.login(&amy.username, PASSWORD).await.expect(200);
    }
    let mut browser = Operator::of(&server, &amy).await;
    let link = |page: &Answer, rel: &str| {
        let before = page.text.split(&format!("\" rel=\"{rel}\"")).next()?;
        let path = before.rsplit("href=\"").next().filter(|_| before.len() < page.text.len())?;
        Some(path.replace("&#38;", "&"))
    };
    let first = browser.get("/admin/sessions/").await.expect(200);
    assert_eq!(first.text.matches("<tr>").count(), 51);
    assert_eq!(link(&first, "prev"), None);
    let second = browser.get(&link(&first, "next").expect("a link")).await.expect(200);
    assert_eq!(second.text.matches("<tr>").count(), 13);
    assert_eq!(link(&second, "next"), None);
    let back = browser.get(&link(&second, "prev").expect("a link")).await.expect(200);
    assert_eq!(back.text.matches("<tr>").count(), 51);
}
