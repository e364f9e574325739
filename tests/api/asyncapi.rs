//! The AsyncAPI document. Every test validates its frames by it (`support/socket.rs`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Backend, TestApp};

fn document() -> Value {
    meowsenger::http::socket_document(10_000).expect("a document")
}

#[test]
fn the_document_is_the_one_that_was_reviewed() {
    insta::assert_json_snapshot!(document());
}

#[tokio::test]
async fn anybody_may_read_it() {
    let Some(server) = TestApp::start(Backend::Sqlite).await else { return };
    let served = server.anonymous().get("/api/schema/socket/").await.expect_body(200, document());
    assert_eq!(served.header("content-type"), Some("application/json"));
}

#[test]
fn everything_is_described_and_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("a pointer");
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    for (name, _) in document["components"]["schemas"].as_object().expect("schemas") {
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "{name} is not used");
    }
    let messages = document["components"]["messages"].as_object().expect("messages");
    for (key, message) in messages {
        let described = message["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(described && message["payload"].is_object(), "{key}: {message}");
    }
    // Each message is sent or received by an operation, by itself or as a reply.
    let operations = document["operations"].as_object().expect("operations").values();
    let spoken: BTreeSet<_> = operations
        .flat_map(|one| [&one["messages"], &one["reply"]["messages"]])
        .flat_map(|messages| messages.as_array().into_iter().flatten())
        .filter_map(|message| message["$ref"].as_str()?.rsplit('/').next())
        .collect();
    assert_eq!(spoken, messages.keys().map(String::as_str).collect());
    let errors = &document["components"]["schemas"]["ErrorCode"];
    let about = errors["description"].as_str().expect("a description");
    for code in errors["enum"].as_array().expect("codes") {
        let name = format!("`{}`", code.as_str().expect("a name"));
        assert!(about.contains(&name), "{name} is not described");
    }
    let codes = document["channels"]["socket"]["x-close-codes"].as_array().expect("codes");
    let codes: Vec<_> = codes.iter().map(|close| &close["code"]).collect();
    let expected = json!([1000, 1002, 1003, 1007, 1009, 1012, 4001, 4002, 4003, 4008, 4029]);
    assert_eq!(json!(codes), expected);
}

/// A type of a union is chosen by its `type`, which is a constant in each.
#[test]
fn the_frames_of_a_side_are_a_union_by_their_types() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let messages = document["components"]["messages"].as_object().expect("messages");
    for (union, side) in [("ClientFrame", "client."), ("ServerFrame", "server.")] {
        let listed = schemas[union]["oneOf"].as_array().expect("frames");
        let of_side = messages.iter().filter(|(key, _)| key.starts_with(side));
        let payloads: Vec<_> = of_side.map(|(_, message)| &message["payload"]).collect();
        assert!(payloads.len() == listed.len() && payloads.iter().all(|one| listed.contains(one)));
        for frame in listed {
            let frame = frame["$ref"].as_str().expect("a reference");
            let schema = document.pointer(&frame[1..]).expect("a schema");
            assert!(schema["properties"]["type"]["const"].is_string(), "{frame}");
            assert!(frame.ends_with(schema["title"].as_str().expect("a title")), "{frame}");
        }
    }
}
