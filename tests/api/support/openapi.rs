//! Validates answers by the OpenAPI document: they must be documented, and as documented.

use meowsenger_testing::schema::Schemas;
use serde_json::{Map, Value};

use super::Answer;

pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The document of a server with the default settings.
pub fn document() -> Value {
    serde_json::to_value(meowsenger::http::document(10_000)).expect("JSON")
}

pub fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// Every call: its path, its method, and its description.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    object(&document["paths"]).iter().flat_map(|(path, item)| {
        METHODS
            .into_iter()
            .filter_map(move |method| Some((path.as_str(), method, item.get(method)?)))
    })
}

/// The operations that clients call. Pages, health checks and the handshake are of other programs.
pub fn calls(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let is_call = |path: &str| path.starts_with("/api/") && path != "/api/docs/";
    operations(document).filter(move |(path, ..)| is_call(path))
}

/// Fails if the document does not contain such an answer to this call, or has another body.
#[track_caller]
pub fn check(document: &Value, method: &str, path: &str, answer: &Answer) {
    let status = answer.status.as_str();
    let described = &document["paths"][path][method]["responses"][status];
    assert!(described.is_object(), "{method} {path} is not said to answer {status}: {answer:?}");
    let Some(content) = described.get("content") else {
        assert_eq!(answer.text, "", "{method} {path} {status}");
        return;
    };
    if let Err(fault) = conforms(document, &content["application/json"]["schema"], &answer.json) {
        panic!("{method} {path} {status}: {fault}");
    }
}

/// Whether a value matches a schema of the document, and no object has other fields.
pub fn conforms(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    Schemas { document, open: false }.check(schema, value)
}
