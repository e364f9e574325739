//! Holds the frames of the tests' sockets against the socket's document, so that it is true of all
//! that any test makes the server say or take.

use std::sync::LazyLock;

use serde_json::Value;

use super::schema::Schemas;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| meowsenger::http::socket_document(10_000).expect("a document"));

/// Asserts that a frame from the server is one of the document's, with no field that it does not
/// tell of.
#[track_caller]
pub fn assert_told(frame: &Value) {
    if let Err(fault) = find("server.", frame, false) {
        panic!("the socket's document knows no {frame}: {fault}");
    }
}

/// Asserts that a code with which the server closes is one of the document's.
#[track_caller]
pub fn assert_code(code: u16) {
    let told = DOCUMENT["channels"]["socket"]["x-close-codes"].as_array().expect("codes");
    assert!(told.iter().any(|close| close["code"] == code), "the document knows no code {code}");
}

/// Whether a frame to the server is one of the document's. Other fields are ignored.
pub fn allows(frame: &Value) -> bool {
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
