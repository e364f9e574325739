//! Logging in to the admin site: for active staff only, with the same answer to everybody else, throttled, and with
//! cookies that only this site gets.

use reqwest::Method;
use reqwest::header::SET_COOKIE;
use rstest::rstest;

use crate::support::operator::{Operator, location};
use crate::support::{Answer, Backend, PASSWORD, TestApp};

const SESSION: &str = "meowsenger_admin";

fn cookie<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let lines = answer.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().expect("text"));
    lines.into_iter().find(|line| line.starts_with(&format!("{name}="))).expect("the cookie")
}

#[rstest]
#[tokio::test]
async fn staff_log_in_by_name_or_address_and_log_out(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let user = server.user("Amy").await;
    server.make_staff(&user, false).await;
    user.patch("/api/auth/me/", serde_json::json!({"email": "amy@example.org"})).await.expect(200);
    for name in [user.username.to_uppercase(), "AMY@example.org".to_owned()] {
        let mut browser = Operator::new(&server.base);
        let answer = browser.login(&name, PASSWORD).await.expect(302);
        assert_eq!(location(&answer), "/admin/");
        let page = browser.get("/admin/").await.expect(200);
        assert!(page.text.contains(&user.username) && page.text.contains("Overview"), "{page:?}");
        let again = browser.get("/admin/login/?next=/admin/sessions/").await.expect(302);
        assert_eq!(location(&again), "/admin/sessions/");
        browser.get("/admin/").await.expect(200);
        let old = browser.clone();
        browser.post("/admin/logout/", &[]).await.expect(302);
        assert!(!browser.cookies.contains_key(SESSION));
        for mut browser in [browser, old] {
            let answer = browser.get("/admin/").await.expect(302);
            assert_eq!(location(&answer), "/admin/login/");
        }
    }
}

#[rstest]
#[tokio::test]
async fn every_other_login_gets_the_same_answer(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (plain, staff, gone) =
        (server.user("plain").await, server.user("staff").await, server.user("gone").await);
    server.make_staff(&staff, false).await;
    server.make_staff(&gone, true).await;
    server.deactivate(&gone).await;
    let mut seen = Vec::new();
    for (name, password) in [
        ("nobody", PASSWORD),
        (&*plain.username, PASSWORD),
        (&*plain.username, "wrong"),
        (&*staff.username, "wrong"),
        (&*gone.username, PASSWORD),
        ("", ""),
        ("nobody", "\0"),
    ] {
        let mut browser = Operator::new(&server.base);
        let answer = browser.login(name, password).await.expect(200);
        assert!(!browser.cookies.contains_key(SESSION), "{name}");
        // The name and the token are the request's own.
        let page = answer.text.replace(&format!("value=\"{name}\""), "value=\"\"");
        seen.push(page.replace(&browser.token, "TOKEN"));
    }
    assert!(seen[0].contains("No active staff account"), "{}", seen[0]);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
}

#[rstest]
#[tokio::test]
async fn a_login_counts_as_one_of_the_api(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let settings = [("THROTTLE", "on"), ("THROTTLE_LOGIN", "2/hour"), ("THROTTLE_ANON", "off")];
    let Some(server) = TestApp::start_with(backend, &settings).await else { return };
    let user = server.user("amy").await;
    server.make_staff(&user, true).await;
    let mut browser = Operator::new(&server.base);
    for _ in 0..2 {
        browser.login(&user.username, "wrong").await.expect(200);
        user.login(&user.username, "wrong").await.expect(401);
    }
    browser.login(&user.username, "wrong").await.expect(200);
    let refused = browser.login(&user.username, PASSWORD).await.expect(429);
    assert!(refused.header("retry-after").is_some());
    assert!(refused.text.contains("throttled"), "{}", refused.text);
    user.login(&user.username, PASSWORD).await.expect(429);
}

#[tokio::test]
async fn cookies_are_for_the_site_alone_and_with_https_never_sent_without() {
    for (public, is_secure) in
        [("http://chat.example.org", false), ("https://chat.example.org", true)]
    {
        let settings = [("PUBLIC_URL", public)];
        let server = TestApp::start_with(Backend::Sqlite, &settings).await.expect("always there");
        let user = server.user("amy").await;
        server.make_staff(&user, false).await;
        let mut browser = Operator::new(&server.base);
        let page = browser.get("/admin/login/").await.expect(200);
        let fields = [("username", &*user.username), ("password", PASSWORD)];
        let login = browser.post("/admin/login/", &fields).await.expect(302);
        browser.get("/admin/sessions/").await.expect(200);
        let done = browser.post("/admin/sessions/end-others/", &[]).await.expect(302);
        let lines = [
            (cookie(&page, "meowsenger_admin_login"), "; Max-Age=43200; "),
            (cookie(&login, SESSION), "; Max-Age=43200; "),
            (cookie(&done, "meowsenger_admin_flash"), "; Max-Age=60; "),
        ];
        for (line, age) in lines {
            let flags = format!("; Path=/admin/{age}HttpOnly; SameSite=Strict");
            let flags = if is_secure { flags + "; Secure" } else { flags };
            assert!(line.ends_with(&flags), "{line}");
        }
    }
}

#[tokio::test]
async fn a_login_leads_back_to_pages_of_the_site_only() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let user = server.user("amy").await;
    server.make_staff(&user, false).await;
    for (next, to) in [
        ("/admin/sessions/?page_size=2&a=%20", "/admin/sessions/?page_size=2&a=%20"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/admin/", "/admin/"),
        ("/admin//evil.example", "/admin/"),
        ("/admin/../api/", "/admin/"),
        ("/\\evil.example", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("\"><script>alert(1)</script>", "/admin/"),
    ] {
        let mut browser = Operator::new(&server.base);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("next", next).finish();
        let page = browser.get(&format!("/admin/login/?{query}")).await.expect(200);
        assert!(!page.text.contains("<script") && !page.text.contains("evil"), "{}", page.text);
        let fields = [("username", &*user.username), ("password", PASSWORD), ("next", next)];
        let answer = browser.post("/admin/login/", &fields).await.expect(302);
        assert_eq!(location(&answer), to, "{next}");
    }
}

#[tokio::test]
async fn a_form_without_its_token_is_refused() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let mut amy = Operator::staff(&server, "amy", false).await;
    let mut bob = Operator::staff(&server, "bob", true).await;
    amy.get("/admin/sessions/").await.expect(200);
    bob.get("/admin/sessions/").await.expect(200);
    let (own, other) = (amy.token.clone(), bob.token.clone());
    assert_ne!(own, other);
    for path in ["/admin/logout/", "/admin/sessions/end-others/", "/admin/", "/admin/nothing/"] {
        for token in ["", "x", &other, &own[1..]] {
            amy.token = token.to_owned();
            let refused = amy.post(path, &[]).await.expect(403);
            assert!(refused.text.contains("form has expired"), "{}", refused.text);
            assert!(refused.text.contains(refused.header("x-request-id").expect("an id")));
        }
    }
    // A page of a neighbouring host that knows a token.
    for site in ["cross-site", "same-site"] {
        let request = amy.request(Method::POST, "/admin/logout/").header("sec-fetch-site", site);
        Answer::of(request.body(format!("csrfmiddlewaretoken={own}"))).await.expect(403);
    }
    amy.get("/admin/").await.expect(200);
    let request =
        amy.request(Method::POST, "/admin/logout/").header("sec-fetch-site", "same-origin");
    Answer::of(request.body(format!("csrfmiddlewaretoken={own}"))).await.expect(302);

    let mut anonymous = Operator::new(&server.base);
    anonymous.get("/admin/login/").await.expect(200);
    let fields = [("username", &*bob.username), ("password", PASSWORD)];
    let token = std::mem::take(&mut anonymous.token);
    anonymous.post("/admin/login/", &fields).await.expect(403);
    anonymous.token = token;
    let cookies = std::mem::take(&mut anonymous.cookies);
    anonymous.post("/admin/login/", &fields).await.expect(403);
    anonymous.cookies = cookies;
    anonymous.post("/admin/login/", &fields).await.expect(302);
}

#[tokio::test]
async fn a_form_has_a_bounded_size() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let mut amy = Operator::staff(&server, "amy", false).await;
    amy.get("/admin/").await.expect(200);
    let long = "a".repeat(65 * 1024);
    for path in ["/admin/login/", "/admin/logout/"] {
        let refused = amy.post(path, &[("username", &long)]).await.expect(413);
        assert!(refused.text.contains("larger than 64 KiB"), "{}", refused.text);
    }
}
