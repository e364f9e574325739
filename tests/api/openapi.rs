//! The OpenAPI document, and the page that shows it.

use std::collections::BTreeSet;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::openapi::{METHODS, check, conforms, document, object, operations};
use crate::support::{Answer, Backend, Client, PASSWORD, TestApp};

#[test]
fn the_document_is_the_one_that_was_reviewed() {
    insta::assert_json_snapshot!(document());
}

#[test]
fn every_operation_is_described_whole() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        assert!(path.ends_with('/'), "{path} has no slash at its end");
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name} twice");
        let responses = object(&operation["responses"]);
        let checks = ["login", "refresh_tokens", "verify_token"].contains(&name);
        assert_eq!(responses.contains_key("401"), is_private(&document, operation) || checks);
        let bodies = ["400", "413", "415"].iter().all(|status| responses.contains_key(*status));
        assert!(bodies || operation.get("requestBody").is_none(), "{name}");
        let succeeds = |status: &String| status.starts_with('2') || status == "101";
        assert!(responses.keys().any(succeeds), "{name}");
        let fails = responses.keys().any(|status| status.starts_with('4'));
        assert!(fails || operation["tags"] == json!(["health"]), "{name}");
        for (status, response) in responses {
            let description = response["description"].as_str();
            assert!(description.is_some_and(|text| !text.is_empty()), "{name} {status}");
            let mut bodies = response["content"].as_object().into_iter().flatten();
            let described = bodies.all(|(_, body)| body["schema"].is_object());
            let is_empty = ["101", "204", "304", "416"].contains(&status.as_str());
            assert!(described && is_empty == response.get("content").is_none(), "{name} {status}");
        }
        for parameter in path.split('/').filter(|part| part.starts_with('{')) {
            let parameter = parameter.trim_matches(['{', '}']);
            let listed = operation["parameters"].as_array().expect("parameters");
            assert!(listed.iter().any(|one| one["name"] == parameter), "{method} {path}");
        }
    }
    let text = document.to_string();
    for (name, _) in object(&document["components"]["schemas"]) {
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "{name} is not used");
    }
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("a pointer");
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
}

#[test]
fn every_body_has_an_example_that_is_one() {
    let document = document();
    let of = |body: &Value| -> Vec<Value> {
        let contents = body.get("content").map(object).into_iter().flatten();
        let described = contents.filter(|(_, content)| content["schema"]["type"] != "string");
        described.map(|(_, content)| content.clone()).collect()
    };
    for (path, method, operation) in operations(&document) {
        let mut bodies = of(&operation["requestBody"]);
        for (_, response) in object(&operation["responses"]) {
            bodies.extend(of(response));
        }
        for body in bodies {
            let example = &body["example"];
            assert!(example.is_object(), "{method} {path}: {body}");
            if let Err(fault) = conforms(&document, &body["schema"], example) {
                panic!("{method} {path}: {fault}");
            }
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_tells_the_methods_that_there_are(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    let served = anonymous.get("/api/schema/").await.expect_body(200, document());
    assert_eq!(served.header("content-type"), Some("application/json"));
    for (path, item) in object(&served.json["paths"]) {
        let answer = anonymous
            .options(&path.replace("{id}", "1").replace("{user_id}", "1").replace("{name}", "1"))
            .await
            .expect(200);
        let allowed = answer.header("allow").expect("Allow").to_ascii_lowercase();
        let allowed: BTreeSet<_> =
            allowed.split(", ").filter(|method| METHODS.contains(method)).collect();
        let described: BTreeSet<_> =
            METHODS.into_iter().filter(|method| item.get(method).is_some()).collect();
        assert_eq!(allowed, described, "{path}");
    }
}

/// Two users, the first of them staff (permissions are not tested here), their group, and a message in
/// it.
async fn scene(server: &TestApp) -> (Client, Client, i64, Value) {
    let tom = server.user("tom").await;
    server.make_staff(&tom, true).await;
    let kitty = server.user("kitty").await;
    let chat = tom.group(&[&kitty]).await;
    let message = tom.say(chat, "meow").await["id"].clone();
    (tom, kitty, chat, message)
}

/// The object that a path is about.
fn subject(path: &str, chat: i64, message: &Value, report: &Value) -> Value {
    match path {
        _ if path.starts_with("/api/chats/") => json!(chat),
        _ if path.starts_with("/api/reports/") => report.clone(),
        _ => message.clone(),
    }
}

async fn report(by: &Client, user: &Client) -> Value {
    let body = json!({"user": user.id, "reason": "spam"});
    by.post("/api/reports/", body).await.expect(201).json["id"].clone()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_tells_which_fields_are_required_and_which_may_be_null(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let document = document();
    let (tom, kitty, chat, message) = scene(&server).await;
    let report = report(&kitty, &tom).await;
    for (path, item) in object(&document["paths"]) {
        let id = subject(path, chat, &message, &report);
        let path = path.replace("{id}", &id.to_string());
        let path = path.replace("{user_id}", &kitty.id.to_string());
        for (method, operation) in object(item) {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(schema) = body["$ref"].as_str() else { continue };
            let schema = document.pointer(&schema[1..]).expect("a schema");
            // Of the two kinds of chat, the second is a group.
            let group = schema["oneOf"][1]["$ref"].as_str();
            let schema = group.and_then(|group| document.pointer(&group[1..])).unwrap_or(schema);
            let ask = async |body: Value| {
                let method = method.to_uppercase().parse().expect("a method");
                tom.raw(method, &path, "application/json", body.to_string()).await.json
            };
            let missing = ask(json!({"type": "group"})).await;
            for (field, described) in object(&schema["properties"]) {
                let mut body = json!({"type": "group"});
                body[field] = Value::Null;
                let refused = ask(body).await[field] == json!(["This field may not be null."]);
                let types = described["type"].as_array();
                let nullable = types.is_some_and(|types| types.contains(&json!("null")))
                    || described["type"] == "null";
                assert_ne!(refused, nullable, "{field} of {path}");

                if field == "type" {
                    continue;
                }
                let refused = missing[field] == json!(["This field is required."]);
                let required = schema["required"].as_array();
                let required = required.is_some_and(|names| names.contains(&json!(field)));
                // One of the two ways to name a position, or the users to add, or a text or attachments are
                // required; the document says so only in words.
                let either = (path.ends_with("/read/") && field == "seq")
                    || (path.ends_with("/messages/") && field == "content")
                    || (path.ends_with("/members/") && field == "user");
                assert_eq!(refused && !either, required, "{field} of {path}");
            }
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_as_the_document_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let document = document();
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let group = tom.group(&[&kitty]).await;
    let private = tom.private_chat(&kitty).await;
    let message = kitty.say(group, "meow").await["id"].clone();
    tom.say(private, "meow").await;
    let name = json!({"username": tom.username, "password": PASSWORD});
    let sends = json!({"content": "meow", "client_id": "a", "reply_to": message});
    let other = json!({"content": "purr", "client_id": "a"});
    let messages = "/api/chats/{id}/messages/";
    let none = Value::Null;
    let calls = [
        ("post", "/api/auth/login/", &none, name.clone(), 200),
        ("post", "/api/auth/login/", &none, json!({"username": "x", "password": "y"}), 401),
        ("post", "/api/auth/register/", &none, json!({"username": "x", "password": PASSWORD}), 201),
        ("post", "/api/auth/register/", &none, name, 400),
        ("post", "/api/auth/refresh/", &none, json!({"refresh": kitty.refresh}), 200),
        ("post", "/api/auth/verify/", &none, json!({"token": tom.access}), 200),
        ("post", "/api/auth/verify/", &none, json!([]), 400),
        ("post", "/api/auth/ws-ticket/", &none, none.clone(), 201),
        ("get", "/api/auth/me/", &none, none.clone(), 200),
        ("get", "/api/users/", &none, none.clone(), 200),
        ("get", "/api/users/{id}/", &json!(tom.id), none.clone(), 200),
        ("get", "/api/users/{id}/", &json!(kitty.id), none.clone(), 200),
        ("get", "/api/chats/", &none, none.clone(), 200),
        ("post", "/api/chats/", &none, json!({"type": "private", "members": [kitty.id]}), 200),
        ("post", "/api/chats/", &none, json!({"type": "group", "name": "Kitchen"}), 201),
        ("get", "/api/chats/{id}/", &json!(group), none.clone(), 200),
        ("get", "/api/chats/{id}/", &json!(private), none.clone(), 200),
        ("get", messages, &json!(group), none.clone(), 200),
        ("post", messages, &json!(group), sends.clone(), 201),
        ("post", messages, &json!(group), sends, 200),
        ("post", messages, &json!(group), other, 409),
        ("put", "/api/messages/{id}/", &message, json!({"content": "purr"}), 403),
        ("delete", "/api/messages/{id}/", &message, none.clone(), 204),
        ("get", "/api/messages/{id}/", &message, none.clone(), 200),
    ];
    for (method, path, id, body, status) in calls {
        let request = method.to_uppercase().parse().expect("a method");
        let request = tom.request(request, &path.replace("{id}", &id.to_string()));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = Answer::of(request).await.expect(status);
        check(&document, method, path, &answer);
    }
}

/// The errors that every call can return are as documented. (`permissions` tests those that depend on
/// the caller.)
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_as_the_document_says(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let document = document();
    let (tom, kitty, chat, message) = scene(&server).await;
    let report = report(&kitty, &tom).await;
    let nobody = server.anonymous().with_access("meow");
    for (path, method, operation) in operations(&document) {
        let id = subject(path, chat, &message, &report);
        let url = path.replace("{id}", &id.to_string());
        let url = url.replace("{user_id}", &kitty.id.to_string());
        let verb: Method = method.to_uppercase().parse().expect("a method");
        // A handshake without a token is not refused.
        if is_private(&document, operation) && path != "/ws/" {
            for client in [&server.anonymous(), &nobody] {
                let answer = Answer::of(client.request(verb.clone(), &url)).await.expect(401);
                check(&document, method, path, &answer);
            }
        }
        if operation["parameters"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["name"] == "cursor"))
        {
            let answer = tom.get(&format!("{url}?q=meow&cursor=meow")).await.expect(404);
            check(&document, method, path, &answer);
        }
        if let Some(body) = operation.get("requestBody") {
            let takes_json = body["content"].get("application/json").is_some();
            let long = format!("{{\"a\": \"{}\"}}", "x".repeat(128 * 1024));
            for (kind, body, status) in [
                ("application/json", "[]", 400),
                ("application/json", "{", 400),
                ("application/json", long.as_str(), 413),
                ("text/plain", "meow", 415),
            ] {
                let status = if takes_json { status } else { 415 };
                let answer = tom.raw(verb.clone(), &url, kind, body.to_owned()).await;
                check(&document, method, path, &answer.expect(status));
            }
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_all_that_it_loads_come_from_here(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    for address in ["/api/docs/", "/api/docs"] {
        let page = anonymous.get(address).await.expect(200);
        assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("://"), "{policy}");

        let base = format!("{}{address}", server.base);
        let base = match page.text.split("<base href=\"").nth(1) {
            Some(rest) => server.base.clone() + rest.split('"').next().expect("an address"),
            None => base,
        };
        let base = url::Url::parse(&base).expect("a URL");
        let parts = [
            "src=\"",
            "<link rel=\"stylesheet\" type=\"text/css\" href=\"",
            "sizes=\"32x32\" href=\"",
        ];
        let mut loaded = vec![];
        for part in parts {
            loaded.extend(page.text.split(part).skip(1).filter_map(|rest| rest.split('"').next()));
        }
        assert!(loaded.len() >= 5, "{}", page.text);
        for link in loaded {
            let asset = base.join(link).expect("a URL");
            assert!(asset.as_str().starts_with(&server.base), "{asset}");
            let answer = anonymous.get(asset.as_str()).await.expect(200);
            assert!(!answer.text.is_empty(), "{asset}");
        }
        assert!(!page.text.contains("://"), "{}", page.text);
    }
    let script = anonymous.get("/api/docs/swagger-initializer.js").await.expect(200);
    assert!(script.text.contains("\"/api/schema/\""), "{}", script.text);
    assert!(!script.text.contains("://"), "{}", script.text);
    let kind = script.header("content-type").expect("a type");
    assert!(kind.contains("javascript"), "{kind}");
}

/// Whether a call needs a token.
fn is_private(document: &Value, operation: &Value) -> bool {
    let security = operation.get("security").unwrap_or(&document["security"]);
    security.as_array().expect("a list").iter().any(|one| one.get("bearer").is_some())
}
