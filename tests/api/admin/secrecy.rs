//! Who is not logged in as staff learns nothing of the admin site but that it has a login.

use reqwest::Method;
use rstest::rstest;

use crate::support::operator::{Operator, location};
use crate::support::{Answer, Backend, TestApp};

const PATHS: &[&str] = &[
    "/admin/",
    "/admin/sessions/",
    "/admin/sessions",
    "/admin/sessions/1/end/",
    "/admin/logout/",
    "/admin/nothing/",
    "/admin/users/1/nothing/at/all/",
    "/admin/%ff/",
    "/admin/sessions/%ff/end/",
    "/admin/style/",
];

#[rstest]
#[tokio::test]
async fn every_path_leads_to_the_login_whether_it_exists_or_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let user = server.user("amy").await;
    let mut browser = Operator::new(&server.base);
    for method in
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS]
    {
        for path in PATHS {
            let answer = browser.send(method.clone(), path, None).await.expect(302);
            let to = location(&answer);
            let is_login =
                to == "/admin/login/" || to.starts_with("/admin/login/?next=%2Fadmin%2F");
            assert!(is_login, "{method} {path}: {to}");
            assert_eq!(answer.header("allow"), None, "{method} {path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("set-cookie"), None);
            assert_eq!(answer.text, "");
            // A token of the API opens nothing.
            let request = browser.request(method.clone(), path).bearer_auth(&user.access);
            assert_eq!(location(&Answer::of(request).await.expect(302)), to);
        }
    }
    let typed = browser.get("/admin").await.expect(302);
    assert_eq!(location(&typed), "/admin/");
    for cookie in ["", "x", "1", "1.", "1.x", "0.0", "-1.x", "99999999999999999999.x", "\u{fc}"] {
        browser.cookies.insert("meowsenger_admin".to_owned(), cookie.to_owned());
        browser.get("/admin/").await.expect(302);
    }
}

#[rstest]
#[tokio::test]
async fn staff_get_pages_for_errors(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let mut amy = Operator::staff(&server, "amy", false).await;
    for path in ["/admin/nothing/", "/admin/%ff/", "/admin/style/nothing.css/"] {
        let page = amy.get(path).await.expect(404);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(page.text.contains(page.header("x-request-id").expect("an id")), "{}", page.text);
    }
    let page = amy.get("/admin/sessions/").await.expect(200);
    assert_eq!(page.header("access-control-allow-origin"), None);
    let head = amy.send(Method::HEAD, "/admin/sessions/", None).await.expect(200);
    assert_eq!(head.text, "");
    let refused = amy.send(Method::GET, "/admin/logout/", None).await.expect(405);
    assert_eq!(refused.header("allow"), Some("POST, OPTIONS"));
    amy.post("/admin/", &[]).await.expect(405);
    amy.get("/admin/sessions/?cursor=forged").await.expect(404);
    amy.post("/admin/sessions/0/end/", &[]).await.expect(404);
}

#[tokio::test]
async fn pages_load_nothing_but_their_style_and_run_no_script() {
    let server = TestApp::start_with(
        Backend::Sqlite,
        &[("CORS_ALLOWED_ORIGINS", "https://chat.example.org")],
    )
    .await
    .expect("always there");
    let mut amy = Operator::staff(&server, "amy", false).await;
    for path in ["/admin/login/?next=1", "/admin/", "/admin/nothing/"] {
        let mut browser =
            if path.contains("login") { Operator::new(&server.base) } else { amy.clone() };
        let page = browser.get(path).await;
        let policy = page.header("content-security-policy").expect("a policy");
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("content-encoding"), None);
        assert!(!page.text.contains("<script") && !page.text.contains("style="), "{}", page.text);
        let style = page.text.split("rel=\"stylesheet\" href=\"").nth(1).expect("a style sheet");
        let style = Operator::new(&server.base).get(style.split('"').next().expect("a path")).await;
        assert_eq!(style.expect(200).header("content-type"), Some("text/css; charset=utf-8"));
    }
    let foreign = amy.request(Method::GET, "/admin/").header("origin", "https://chat.example.org");
    assert_eq!(Answer::of(foreign).await.expect(200).header("access-control-allow-origin"), None);
    amy.get("/admin/").await.expect(200);
}
