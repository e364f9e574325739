//! What the OpenAPI and AsyncAPI documents keep to, so that generators make good clients of them, where no linter
//! checks it. `tests/generators` generates such clients.

use serde_json::{Value, json};

use crate::support::openapi::{document, object, operations};

/// The largest integer that a JavaScript number represents exactly.
const LARGEST: u64 = (1 << 53) - 1;

/// Every schema in a value, with its path.
fn schemas(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    let is_schema = ["type", "oneOf", "anyOf", "allOf"].iter().any(|key| value.get(key).is_some());
    let is_property = path.ends_with("/properties") || path.ends_with("/securitySchemes");
    if is_schema && !is_property && !path.contains("/securitySchemes/") {
        found.push((path.to_owned(), value.clone()));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        if !["example", "examples", "default", "enum", "required"].contains(&key.as_str())
            || is_property
        {
            schemas(&format!("{path}/{key}"), inner, found);
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        schemas(&format!("{path}/{index}"), inner, found);
    }
}

fn all_schemas() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    schemas("openapi", &document(), &mut found);
    let socket = meowsenger::http::socket_document(10_000).expect("a document");
    schemas("asyncapi", &socket, &mut found);
    assert!(found.len() > 500, "{}", found.len());
    found
}

fn has_type(schema: &Value, kind: &str) -> bool {
    let types = &schema["type"];
    types == kind || types.as_array().is_some_and(|types| types.contains(&json!(kind)))
}

#[test]
fn every_object_enumeration_and_union_has_a_name() {
    for (path, schema) in all_schemas() {
        let place = path.split('/').collect::<Vec<_>>();
        let is_named = place.len() == 4 && place[1..3] == ["components", "schemas"];
        let is_nullable = schema["oneOf"].as_array().is_some_and(|choices| {
            choices.len() == 2 && choices.contains(&json!({"type": "null"}))
        });
        let has_parts =
            ["oneOf", "anyOf", "allOf", "enum"].iter().any(|key| schema.get(key).is_some());
        let needs_name = has_type(&schema, "object") || (has_parts && !is_nullable);
        // The query of a socket's URL is nobody's type.
        let is_query = path.ends_with("/bindings/ws/query");
        assert!(is_named || is_query || !needs_name, "{path} has no name: {schema}");
    }
}

#[test]
fn every_integer_has_a_maximum_that_javascript_can_represent() {
    for (path, schema) in all_schemas() {
        if has_type(&schema, "integer") {
            let maximum = schema["maximum"].as_u64();
            assert!(maximum.is_some_and(|maximum| maximum <= LARGEST), "{path}: {schema}");
        }
    }
}

/// `\w`, `\d` and `\b` mean ASCII in ECMA-262, unlike in the server.
#[test]
fn every_pattern_is_for_the_whole_text_and_not_only_for_ascii() {
    let mut count = 0;
    for (path, schema) in all_schemas() {
        let Some(pattern) = schema["pattern"].as_str() else { continue };
        count += 1;
        assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{path}: {pattern}");
        assert!(
            !["\\w", "\\d", "\\b"].iter().any(|ascii| pattern.contains(ascii)),
            "{path}: {pattern}"
        );
    }
    assert!(count > 5, "{count}");
}

#[test]
fn everything_is_described() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        for key in ["summary", "description", "operationId"] {
            assert!(
                operation[key].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path}: {key}"
            );
        }
        let tags = operation["tags"].as_array().expect("tags");
        let known = document["tags"].as_array().expect("tags");
        assert!(
            tags.len() == 1 && known.iter().any(|tag| tag["name"] == tags[0]),
            "{method} {path}"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{method} {path}: {parameter}");
        }
    }
    for (path, schema) in all_schemas() {
        for (name, property) in schema.get("properties").map(object).into_iter().flatten() {
            let choices = property["oneOf"].as_array().into_iter().flatten();
            let mut described = choices.chain([property]);
            assert!(
                described.any(|one| one["description"].is_string() || one["$ref"].is_string()),
                "{name} of {path} is not described"
            );
        }
    }
}

#[test]
fn every_answer_names_its_headers() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        for (status, response) in object(&operation["responses"]) {
            let mut expected = vec!["X-Request-ID"];
            match status.as_str() {
                "401" => expected.push("WWW-Authenticate"),
                "429" | "503" => expected.push("Retry-After"),
                _ => {}
            }
            for name in expected {
                let header = response["headers"][name]["$ref"].as_str();
                let header = header.and_then(|header| document.pointer(&header[1..]));
                assert!(header.is_some(), "{method} {path} {status}: no {name}");
            }
        }
    }
}

/// An example of wrong fields names fields that the call has.
#[test]
fn examples_of_errors_are_about_the_call() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let Some(content) = operation["responses"]["400"].get("content") else { continue };
        let example = object(&content["application/json"]["example"]);
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut known: Vec<_> = parameters.map(|one| one["name"].clone()).collect();
        let bodies = operation["requestBody"].get("content").map(object).into_iter().flatten();
        for (_, body) in bodies {
            let resolve = |schema: &Value| {
                let reference = schema["$ref"].as_str().expect("a reference");
                document.pointer(&reference[1..]).expect("a schema").clone()
            };
            let body = resolve(&body["schema"]);
            let parts = body["oneOf"].as_array().map(|parts| parts.iter().map(resolve).collect());
            for part in parts.unwrap_or_else(|| vec![body]) {
                known.extend(object(&part["properties"]).keys().map(|name| json!(name)));
            }
        }
        let handshake = path == "/ws/";
        let mut fields = example.keys();
        assert!(
            handshake || fields.all(|field| known.contains(&json!(field))),
            "{method} {path}: {example:?}"
        );
    }
}
