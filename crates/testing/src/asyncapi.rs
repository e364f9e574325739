//! Checks the frames of all tests against the AsyncAPI document, so that the document is true of
//! everything that any test sends or receives.

use std::sync::LazyLock;

use serde_json::Value;

use crate::schema::Schemas;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| meowsenger::http::socket_document(10_000).expect("a document"));

/// Asserts that the document describes a frame from the server, with every field.
#[track_caller]
pub(crate) fn assert_described(frame: &Value) {
    if let Err(fault) = find("server.", frame, false) {
        panic!("not in the AsyncAPI document: {frame}: {fault}");
    }
}

/// Asserts that the document lists a close code.
#[track_caller]
pub(crate) fn assert_code(code: u16) {
    let listed = DOCUMENT["channels"]["socket"]["x-close-codes"].as_array().expect("codes");
    assert!(
        listed.iter().any(|close| close["code"] == code),
        "close code {code} is not in the AsyncAPI document"
    );
}

/// Whether the document allows a frame to the server. Unknown fields are allowed.
pub(crate) fn allows(frame: &Value) -> bool {
    find("client.", frame, true).is_ok()
}

fn find(side: &str, frame: &Value, open: bool) -> Result<(), String> {
    let schemas = Schemas { document: &DOCUMENT, open };
    let messages = DOCUMENT["components"]["messages"].as_object().expect("messages");
    let mut fault = String::from("no such type");
    for (key, message) in messages {
        if key.starts_with(side) && message["name"] == frame["type"] {
            match schemas.check(&message["payload"], frame) {
                Ok(()) => return Ok(()),
                Err(other) => fault = other,
            }
        }
    }
    Err(fault)
}
