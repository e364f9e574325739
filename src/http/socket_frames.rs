//! The frames of the AsyncAPI document: what generators call them, their schemas, messages and operations. Every
//! schema has a title and is a component of its own, so that generated types have names.

use serde_json::{Map, Value, json, to_value};
use utoipa::openapi::{RefOr, Schema};

use crate::wire::schemas::limit_integers;

pub(super) type Result<T> = std::result::Result<T, serde_json::Error>;

/// The only channel's name.
pub(super) const CHANNEL: &str = "socket";

/// The frames that one side sends, and their union.
pub(super) struct Side {
    /// The union's name.
    union: &'static str,
    about: &'static str,
    /// What the server does with these frames.
    action: &'static str,
    frames: Vec<FrameDescription>,
}

impl Side {
    pub(super) fn client(frames: RefOr<Schema>) -> Result<Self> {
        let about = "Any frame from the client, by its `type`.";
        let frames = list("client", frames)?;
        Ok(Self { union: "ClientFrame", about, action: "receive", frames })
    }

    pub(super) fn server(frames: RefOr<Schema>) -> Result<Self> {
        let about = "Any frame from the server, by its `type`.";
        let frames = list("server", frames)?;
        Ok(Self { union: "ServerFrame", about, action: "send", frames })
    }

    pub(super) fn schemas(&self) -> impl Iterator<Item = (String, Value)> {
        let union = json!({
            "title": self.union,
            "description": self.about,
            "oneOf": self.frames.iter().map(FrameDescription::reference).collect::<Vec<_>>(),
        });
        let schemas = self.frames.iter().map(|frame| (frame.name(), frame.schema.clone()));
        schemas.chain([(self.union.to_owned(), union)])
    }

    /// A message for each frame, and one for any of them: generators make no type of a schema that no message
    /// has.
    pub(super) fn messages(&self) -> impl Iterator<Item = (String, Value)> {
        let any = message(self.union, &self.about.into(), reference(self.union));
        let messages = self.frames.iter().map(|frame| (frame.key.clone(), frame.message()));
        messages.chain([(self.union.to_owned(), any)])
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = (String, Value)> {
        let any = operation(self.action, self.union, &self.about.into(), self.union);
        let frames = self.frames.iter().filter(|frame| !frame.is_reply());
        let operations = frames.map(|frame| (frame.key.clone(), frame.operation(self.action)));
        operations.chain([(self.union.to_owned(), any)])
    }
}

fn list(side: &str, mut union: RefOr<Schema>) -> Result<Vec<FrameDescription>> {
    limit_integers(&mut union);
    let Value::Array(variants) = to_value(union)?["oneOf"].take() else { return Ok(Vec::new()) };
    Ok(variants.iter().map(|variant| FrameDescription::of(side, variant)).collect())
}

/// The schemas that frames refer to, by their names, which are their titles as well.
pub(super) fn titled(named: Vec<(String, RefOr<Schema>)>) -> Result<Map<String, Value>> {
    let titled = |(name, mut schema): (String, RefOr<Schema>)| {
        limit_integers(&mut schema);
        let mut schema = to_value(schema)?;
        schema["title"] = name.as_str().into();
        name_nullable(&mut schema);
        Ok((name, schema))
    };
    named.into_iter().map(titled).collect()
}

/// A frame as the types describe it.
struct FrameDescription {
    /// Unique among all frames, unlike `type`: both sides send `typing`.
    key: String,
    /// Its `type`.
    kind: String,
    description: Value,
    schema: Value,
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
        name_nullable(&mut frame.schema);
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
        reference(&self.name())
    }

    fn message(&self) -> Value {
        let mut message = message(&self.kind, &self.description, self.reference());
        if self.schema["properties"].get("id").is_some() {
            message["correlationId"] = json!({"location": "$message.payload#/id"});
        }
        message
    }

    fn operation(&self, action: &str) -> Value {
        let mut operation = operation(action, &self.kind, &self.description, &self.key);
        if let Some(reply) = self.reply() {
            let messages = [reply, "error"].map(|name| on_channel(&format!("server.{name}")));
            operation["reply"] = json!({"channel": channel(), "messages": messages});
        }
        operation
    }

    /// Whether it only answers requests.
    fn is_reply(&self) -> bool {
        ["ack", "pong"].contains(&self.kind.as_str())
    }

    /// The frame that answers a request that succeeds. `None` for the server's own frames.
    fn reply(&self) -> Option<&'static str> {
        let kind = self.key.strip_prefix("client.")?;
        Some(match kind {
            "auth" => "ready",
            "ping" => "pong",
            "message.send" | "message.edit" | "message.delete" | "message.react" => "ack.message",
            "status.watch" => "ack.users",
            "sync" => "ack.changes",
            _ => "ack",
        })
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn message(name: &str, about: &Value, payload: Value) -> Value {
    json!({"name": name, "title": name, "description": about, "payload": payload})
}

fn operation(action: &str, title: &str, about: &Value, message: &str) -> Value {
    json!({
        "action": action,
        "channel": channel(),
        "title": title,
        "description": about,
        "messages": [on_channel(message)],
    })
}

fn channel() -> Value {
    json!({"$ref": format!("#/channels/{CHANNEL}")})
}

fn on_channel(key: &str) -> Value {
    json!({"$ref": format!("#/channels/{CHANNEL}/messages/{key}")})
}

/// Gives a title to each reference that may be null, `NullableUser`: languages without unions make a type of it.
fn name_nullable(schema: &mut Value) {
    let choices = schema["oneOf"].as_array();
    let null = choices.is_some_and(|choices| choices.contains(&json!({"type": "null"})));
    let named = choices.into_iter().flatten().find_map(|choice| choice["$ref"].as_str());
    let named = named.and_then(|reference| reference.rsplit('/').next()).filter(|_| null);
    if let Some(title) = named.map(|name| format!("Nullable{name}")) {
        schema["title"] = title.into();
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(name_nullable);
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
