//! The schema of each body against its parser: what the schema forbids, the parser refuses.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use super::accounts::{ConfirmReset, EndAccount, Register, RequestReset};
use super::chats::UpdateChat;
use super::fields::Fields;
use super::members::{AddMembers, ChangeRole};
use super::messages::{EditMessage, SendMessage};
use super::receipts::ReadMessages;
use super::sessions::{Login, Refresh, Verify};
use super::sync::Sync;
use super::users::UpdateUser;
use crate::domain::error::{Error, FieldErrors};
use crate::domain::ids::UserId;

type Parse = fn(Fields) -> FieldErrors;

fn errors<T>(parsed: Result<T, Error>) -> FieldErrors {
    match parsed {
        Err(Error::Invalid(errors)) => errors,
        _ => FieldErrors::default(),
    }
}

fn bodies() -> Vec<(Value, Parse)> {
    fn body<B: PartialSchema>(parse: Parse) -> (Value, Parse) {
        (serde_json::to_value(B::schema()).expect("JSON"), parse)
    }
    vec![
        body::<Register>(|fields| Register::parse(fields).errors),
        body::<EndAccount>(|fields| errors(EndAccount::parse(fields))),
        body::<RequestReset>(|fields| errors(RequestReset::parse(fields))),
        body::<ConfirmReset>(|fields| ConfirmReset::parse(fields).errors),
        body::<Login>(|fields| errors(Login::parse(fields))),
        body::<Refresh>(|fields| errors(Refresh::parse(fields))),
        body::<Verify>(|fields| errors(Verify::parse(fields))),
        body::<UpdateUser>(|fields| UpdateUser::parse(fields).errors),
        body::<UpdateChat>(|fields| UpdateChat::parse(fields, UserId(1), 100).errors),
        body::<AddMembers>(|fields| AddMembers::parse(fields, 100).errors),
        body::<ChangeRole>(|fields| errors(ChangeRole::parse(fields))),
        body::<SendMessage>(|fields| SendMessage::parse(fields, 100).errors),
        body::<EditMessage>(|fields| errors(EditMessage::parse(fields, 100))),
        body::<ReadMessages>(|fields| errors(ReadMessages::parse(fields))),
        body::<Sync>(|fields| errors(Sync::parse(fields))),
    ]
}

/// Values that the schema of a field forbids.
fn forbidden(schema: &Value) -> Vec<Value> {
    let integer = |name: &str| schema[name].as_i64();
    let mut values = Vec::new();
    if schema["type"] == "object" {
        values.push(json!(5))
    } else {
        values.push(json!({"a": 1}))
    }
    let types = schema["type"].as_array();
    if schema["type"] != "null" && !types.is_some_and(|types| types.contains(&json!("null"))) {
        values.push(Value::Null);
    }
    values.extend(integer("minLength").map(|_| json!("")));
    let long = integer("maxLength").and_then(|max| usize::try_from(max).ok());
    values.extend(long.map(|max| json!("x".repeat(max + 1))));
    values.extend(integer("minimum").filter(|min| *min < 1).map(|min| json!(min - 1)));
    values.extend(integer("maximum").map(|max| json!(max + 1)));
    values.extend(schema["$ref"].is_string().then(|| json!("nonsense")));
    values
}

#[test]
fn what_a_schema_forbids_the_parser_refuses() {
    for (schema, parse) in bodies() {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, field) in schema["properties"].as_object().expect("properties") {
            for value in forbidden(field) {
                let body = Map::from_iter([(name.clone(), value.clone())]);
                assert!(parse(Fields::of(body)).contains(name), "{schema}: {name} = {value}");
            }
            let is_required = parse(Fields::default()).contains(name);
            let described = required.contains(&json!(name));
            // One of two that can stand for each other is asked for, if neither is sent.
            let either = ["seq", "user", "content"].contains(&name.as_str());
            assert!(is_required == described || either, "{schema}: {name}");
        }
    }
}
