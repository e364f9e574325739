//! The pages for people: `/`, its icons, and the page of the documentation.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Backend, TestApp};

/// Whether the web client is part of this build, so that it is the front page.
fn is_client_built() -> bool {
    std::fs::exists("web/dist/site/index.html").expect("readable")
}

#[tokio::test]
async fn unknown_paths_are_unknown_unless_a_browser_opens_a_link_into_the_client() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let anonymous = server.anonymous();
    let open = async |path| {
        Answer::of(anonymous.request(Method::GET, path).header("accept", "text/html")).await
    };
    for path in ["/api/nothing/", "/media/nothing", "/assets/nothing.js"] {
        open(path).await.expect_detail(404, "Not found.");
    }
    let link = open("/invite/abc").await;
    if is_client_built() {
        assert!(link.expect(200).header("etag").is_some());
    } else {
        link.expect_detail(404, "Not found.");
    }
    anonymous.get("/invite/abc").await.expect_detail(404, "Not found.");
    anonymous.post("/invite/abc/", json!({})).await.expect_detail(404, "Not found.");
}

#[tokio::test]
async fn the_front_page_says_what_this_is_and_json_is_for_programs() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let anonymous = server.anonymous();
    let ask = async |method: Method, accept: &str| {
        Answer::of(anonymous.request(method, "/").header("accept", accept)).await
    };
    for accept in ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", ""] {
        let page = ask(Method::GET, accept).await.expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{accept}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(!policy.contains("unsafe"), "{policy}");
        if is_client_built() {
            assert!(policy.contains("require-trusted-types-for 'script'"), "{policy}");
        } else {
            for link in ["\"/api/docs/\"", "\"/api/schema/\"", "\"/api/schema/socket/\"", "0.1.0"] {
                assert!(page.text.contains(link), "{link}");
            }
        }
        assert!(page.header("vary").is_some_and(|vary| vary.contains("accept,")), "{page:?}");
    }
    let base = &server.base;
    let links = json!({
        "docs": format!("{base}/api/docs/"), "schema": format!("{base}/api/schema/"),
        "socket_schema": format!("{base}/api/schema/socket/"),
        "socket": format!("{}/ws/", base.replace("http", "ws")),
    });
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({"name": "Meowsenger", "version": version, "links": links});
    ask(Method::GET, "application/json, text/plain, */*").await.expect_body(200, expected);

    let head = ask(Method::HEAD, "application/json").await.expect(200);
    assert_eq!((head.header("content-type"), head.text.as_str()), (Some("application/json"), ""));
    assert_eq!(
        anonymous.options("/").await.expect(200).header("allow"),
        Some("GET, HEAD, OPTIONS")
    );
    let refused = anonymous.post("/", json!({})).await.expect(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    let foreign = anonymous.request(Method::GET, "/").header("host", "evil.example");
    Answer::of(foreign).await.expect_detail(400, "Invalid Host header.");
}

#[tokio::test]
async fn pages_have_icons_and_need_nothing_from_elsewhere() {
    let server = TestApp::start(Backend::Sqlite).await.expect("always there");
    let anonymous = server.anonymous();
    for (path, kind) in [("/favicon.ico", "image/x-icon"), ("/favicon.svg", "image/svg+xml")] {
        let icon = anonymous.get(path).await.expect(200);
        assert_eq!(icon.header("content-type"), Some(kind));
        assert_eq!(icon.header("cache-control"), Some("public, max-age=86400"));
    }
    for path in ["/", "/api/docs", "/api/docs/"] {
        let page = anonymous.get(path).await.expect(200).text;
        assert!(page.contains("<meta name=\"viewport\""), "{path}");
        let base = if path == "/" { "/" } else { "/api/docs/" };
        let attributes = page.split([' ', '>']).filter_map(|word| word.split_once("=\""));
        let files = attributes.filter(|(name, _)| matches!(*name, "href" | "src"));
        let files: Vec<_> = files.map(|(_, file)| file.trim_end_matches('"')).collect();
        assert!(files.len() >= if path == "/" && is_client_built() { 2 } else { 4 }, "{files:?}");
        for file in files {
            let path =
                if file.starts_with('/') { file.to_owned() } else { format!("{base}{file}") };
            anonymous.get(&path).await.expect(200);
        }
    }
    let docs = anonymous.get("/api/docs/").await.text;
    for word in ["POST /api/auth/login/", "Authorize", "AsyncAPI", "/ws/"] {
        assert!(docs.contains(word), "{word}");
    }
}
