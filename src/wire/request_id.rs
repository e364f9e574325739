//! The id that a client gives a request, which the answer repeats exactly.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::error::{Error, Result};
use crate::domain::text;

/// Longest id of a request, in characters.
pub(super) const ID_MAX: usize = 256;

/// The id of a request, repeated in its `ack`, `pong` or `error`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RequestId {
    /// A text, or a whole number of 64 bits.
    Value(Value),
    /// Any other number, as the client wrote it: `1.50`, or one of a hundred digits.
    Exact(Box<RawValue>),
}

impl RequestId {
    /// Reads the id `value` of the frame `frame`.
    pub(super) fn parse(value: Value, frame: &str) -> Result<Self> {
        let too_long = |text: &str| text::check(text, ID_MAX).map_err(|e| Error::field("id", e));
        match &value {
            Value::String(text) => too_long(text)?,
            Value::Number(number) if number.is_f64() => {
                // It was rounded when it was read. Of several ids the last counts.
                let written = serde_json::from_str::<HashMap<String, &RawValue>>(frame);
                let written = written.ok().and_then(|mut fields| fields.remove("id"));
                let written =
                    written.ok_or_else(|| Error::internal("a number that is not there"))?;
                too_long(written.get())?;
                return Ok(Self::Exact(written.to_owned()));
            }
            Value::Number(_) => {}
            _ => return Err(Error::field("id", "Not a valid string or number.")),
        }
        Ok(Self::Value(value))
    }
}

impl PartialSchema for RequestId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Number]))
            .max_length(Some(ID_MAX))
            .description(Some("The id of a request, repeated in its `ack`, `pong` or `error`."))
            .examples([json!(1), json!("a7")])
            .into()
    }
}

impl ToSchema for RequestId {}
