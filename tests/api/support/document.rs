//! The OpenAPI document as a judge of answers: whether they are documented, and as documented.

use serde_json::{Map, Value, json};

use super::Answer;

pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The document that a server of the default settings gives.
pub fn document() -> Value {
    serde_json::to_value(meowsenger::http::document(10_000)).expect("JSON")
}

pub fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// Every call: its path, its method, and what is said of it.
pub fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    object(&document["paths"]).iter().flat_map(|(path, item)| {
        METHODS
            .into_iter()
            .filter_map(move |method| Some((path.as_str(), method, item.get(method)?)))
    })
}

/// Fails where the document does not know of such an answer to this call, or of another body.
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

/// Whether a value is as a schema says, and no object has more than it tells: as much of JSON
/// Schema as the document uses.
pub fn conforms(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(&reference[1..]).ok_or(reference)?;
        return conforms(document, target, value);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let faults: Vec<_> =
            choices.iter().filter_map(|one| conforms(document, one, value).err()).collect();
        return if faults.len() < choices.len() { Ok(()) } else { Err(faults.join("; ")) };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = &schema["type"];
    let listed = kinds.as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
    if !schema.is_null() && kinds != kind && !listed && schema["allOf"].is_null() {
        return Err(format!("{value} is no {kinds}"));
    }
    if schema["enum"].as_array().is_some_and(|choices| !choices.contains(value)) {
        return Err(format!("{value} is none of {}", schema["enum"]));
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item)?;
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    let mut parts = vec![schema];
    parts.extend(schema["allOf"].as_array().into_iter().flatten());
    for name in parts.iter().filter_map(|part| part["required"].as_array()).flatten() {
        fields.get(name.as_str().unwrap_or_default()).ok_or_else(|| format!("no {name}"))?;
    }
    for (name, value) in fields {
        let described = parts.iter().find_map(|part| {
            part["properties"].get(name).or_else(|| part.get("additionalProperties"))
        });
        let described = described.ok_or_else(|| format!("{name} is not described"))?;
        conforms(document, described, value).map_err(|fault| format!("{name}: {fault}"))?;
    }
    Ok(())
}
