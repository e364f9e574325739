//! The frames of the AsyncAPI document: what generators call them, their schemas, messages and operations. Every
//! schema has a title and is a component of its own, so that generated types have names.

use serde_json::{Map, Value, json, to_value};
use utoipa::openapi::{RefOr, Schema};

use crate::wire::schemas::limit_integers;

pub(super) type Result<T> = std::result::Result<T, serde_json::Error>;

/// The only channel's name.
pub(super) const CHANNEL: &str = "socket";

/// A frame as the types describe it.
pub(super) struct FrameDescription {
    /// Unique among all frames, unlike `type`: both sides send `typing`.
    pub(super) key: String,
    /// Its `type`.
    kind: String,
    description: Value,
    schema: Value,
}

/// The frames of one side, `client` or `server`.
pub(super) fn list(side: &str, mut union: RefOr<Schema>) -> Result<Vec<FrameDescription>> {
    limit_integers(&mut union);
    let Value::Array(variants) = to_value(union)?["oneOf"].take() else { return Ok(Vec::new()) };
    Ok(variants.into_iter().map(|variant| FrameDescription::of(side, &variant)).collect())
}

/// The schemas that frames refer to, by their names, which are their titles as well.
pub(super) fn titled(named: Vec<(String, RefOr<Schema>)>) -> Result<Map<String, Value>> {
    let titled = |(name, mut schema): (String, RefOr<Schema>)| {
        limit_integers(&mut schema);
        let mut schema = to_value(schema)?;
        schema["title"] = name.as_str().into();
        Ok((name, schema))
    };
    named.into_iter().map(titled).collect()
}

/// The schemas of frames, and that of their union.
pub(super) fn schemas(union: &str, about: &str, frames: &[FrameDescription]) -> Map<String, Value> {
    let mut schemas: Map<_, _> =
        frames.iter().map(|frame| (frame.name(), frame.schema.clone())).collect();
    let union_schema = json!({
        "title": union,
        "description": about,
        "discriminator": "type",
        "oneOf": frames.iter().map(FrameDescription::reference).collect::<Vec<_>>(),
    });
    schemas.insert(union.to_owned(), union_schema);
    schemas
}

impl FrameDescription {
    fn of(side: &str, variant: &Value) -> Self {
        let mut schema = json!({"type": "object", "properties": {}, "required": []});
        let title = gather(variant, &mut schema);
        let tag = &mut schema["properties"]["type"];
        let kind = tag["const"].as_str().or(tag["enum"][0].as_str()).unwrap_or_default().to_owned();
        *tag = json!({"type": "string", "const": kind, "description": "The type of the frame."});
        if side == "client" {
            schema["properties"]["id"] = json!({
                "oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/RequestId"}],
                "description": "Every request may have one. `null` means none.",
            });
        }
        let key = format!("{side}.{}", title.unwrap_or(&kind));
        let mut frame = Self { key, kind, description: variant["description"].clone(), schema };
        frame.schema["title"] = frame.name().into();
        frame.schema["description"] = frame.description.clone();
        frame
    }

    /// `ServerMessageCreated` for `server.message.created`.
    fn name(&self) -> String {
        let word = |word: &str| {
            let mut rest = word.chars();
            rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect::<String>()
        };
        self.key.split('.').map(word).collect()
    }

    fn reference(&self) -> Value {
        json!({"$ref": format!("#/components/schemas/{}", self.name())})
    }

    pub(super) fn message(&self) -> Value {
        let mut message = json!({
            "name": self.kind,
            "title": self.kind,
            "description": self.description,
            "payload": self.reference(),
        });
        if self.schema["properties"].get("id").is_some() {
            message["correlationId"] = json!({"location": "$message.payload#/id"});
        }
        message
    }

    /// The operation of a client's frame, with its replies.
    pub(super) fn request(&self) -> Value {
        let replies = [self.reply(), "error"].map(|name| on_channel(&format!("server.{name}")));
        let mut operation = self.operation("receive");
        operation["reply"] = json!({"channel": channel(), "messages": replies});
        operation
    }

    /// The operation of a server's frame.
    pub(super) fn event(&self) -> Value {
        self.operation("send")
    }

    fn operation(&self, action: &str) -> Value {
        json!({
            "action": action,
            "channel": channel(),
            "title": self.kind,
            "description": self.description,
            "messages": [on_channel(&self.key)],
        })
    }

    /// Whether it only answers requests.
    pub(super) fn is_reply(&self) -> bool {
        ["ack", "pong"].contains(&self.kind.as_str())
    }

    /// The frame that answers a request that succeeds.
    fn reply(&self) -> &'static str {
        match self.kind.as_str() {
            "auth" => "ready",
            "ping" => "pong",
            "message.send" | "message.edit" | "message.delete" => "ack.message",
            "status.watch" => "ack.users",
            "sync" => "ack.changes",
            _ => "ack",
        }
    }
}

fn channel() -> Value {
    json!({"$ref": format!("#/channels/{CHANNEL}")})
}

fn on_channel(key: &str) -> Value {
    json!({"$ref": format!("#/channels/{CHANNEL}/messages/{key}")})
}

/// Merges the parts of a schema into one object. Returns its title, if it has one.
fn gather<'a>(schema: &'a Value, into: &mut Value) -> Option<&'a str> {
    let mut title = schema["title"].as_str();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        title = gather(part, into).or(title);
    }
    if let (Some(some), Some(all)) =
        (schema["properties"].as_object(), into["properties"].as_object_mut())
    {
        all.extend(some.clone());
    }
    if let (Some(some), Some(all)) =
        (schema["required"].as_array(), into["required"].as_array_mut())
    {
        all.extend_from_slice(some);
    }
    title
}
