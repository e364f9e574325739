//! The client's frames: as the document shows them, and as they are read. What they mean is decided
//! elsewhere.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{Content, Draft, Unfit};
use crate::domain::numbering::Seq;
use crate::domain::sync::Known;
use crate::domain::text;
use crate::domain::user::Availability;

use super::fields::Fields;
use super::messages::{EditMessage, SendMessage};
use super::presence::{WATCH_MAX, schema, status_text};
use super::sync::Sync;

/// Longest name of a request, in characters.
const ID_MAX: usize = 256;

/// What names a request: repeated in its `ack` or `error`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RequestId {
    /// A text, or a whole number of 64 bits.
    Value(Value),
    /// Any other number, as the client wrote it: `1.50`, or one of a hundred digits.
    Exact(Box<RawValue>),
}

impl RequestId {
    /// Reads the name, which is `value`, of the frame `text`.
    fn parse(value: Value, frame: &str) -> Result<Self> {
        let too_long = |text: &str| text::check(text, ID_MAX).map_err(|e| Error::field("id", e));
        match &value {
            Value::String(text) => too_long(text)?,
            Value::Number(number) if number.is_f64() => {
                // It was rounded when it was read. Of several of a name the last counts.
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
            .description(Some("Names a request: repeated in its `ack`, `pong` or `error`."))
            .examples([json!(1), json!("a7")])
            .into()
    }
}

impl ToSchema for RequestId {}

/// A frame from the client.
#[derive(Debug)]
pub struct Incoming {
    /// Where it asks for an answer under a name.
    pub id: Option<RequestId>,
    /// What it asks for; an error where it makes no sense.
    pub request: Result<Request>,
}

/// What a client asks for. What is well-formed enough to say whom it concerns carries the rest as
/// a result: whether the caller may is answered before what is wrong with it.
#[derive(Debug)]
pub enum Request {
    /// Authenticates the connection.
    Auth {
        /// An access token.
        token: Result<String>,
    },
    /// Asks for a `pong`.
    Ping,
    /// Sends a message.
    Send {
        /// Where to.
        chat: ChatId,
        /// What.
        draft: Result<Draft, Unfit>,
    },
    /// Edits a message.
    Edit {
        /// Which.
        message: MessageId,
        /// To what.
        content: Result<Content>,
    },
    /// Deletes a message.
    Delete {
        /// Which.
        message: MessageId,
    },
    /// Moves one's marks in a chat.
    Mark {
        /// Where.
        chat: ChatId,
        /// Everything up to here, if that can be.
        seq: Result<Seq>,
        /// Whether it was read, and not just delivered.
        read: bool,
    },
    /// Says whether one writes.
    Typing {
        /// Where.
        chat: ChatId,
        /// Whether one does.
        active: Result<bool>,
    },
    /// Says how one wants to be seen.
    Status {
        /// As what. `Away` is of this device.
        status: Availability,
        /// One's own line, where it is to change.
        text: Option<String>,
    },
    /// Asks to be told how others are seen.
    Watch {
        /// Whom.
        users: Vec<UserId>,
    },
    /// Asks what changed.
    Sync(Known),
}

/// A frame to the server, as the document shows it. Each may carry an `id`.
#[derive(ToSchema)]
#[serde(tag = "type")]
#[expect(dead_code, reason = "only described")]
enum ClientFrame {
    /// Authenticates a connection that brought neither a header nor a ticket: its first frame,
    /// within 10 s. Answered by `ready`; what is no good `auth` by `error not_authenticated` and the
    /// close code 4001. A second one: `error conflict`.
    #[serde(rename = "auth")]
    Auth {
        /// An access token.
        token: String,
    },
    /// Asks for a `pong`.
    #[serde(rename = "ping")]
    Ping,
    /// Sends a message. Every connection of every member, this one too, gets `message.created`; the
    /// `ack` carries the message, and means that it is committed.
    #[serde(rename = "message.send")]
    MessageSend {
        /// Where to.
        #[schema(minimum = 1, example = 3)]
        chat: i64,
        #[serde(flatten)]
        #[schema(inline)]
        message: SendMessage,
    },
    /// Edits a message of one's own. The members get `message.updated`, the `ack` carries the message.
    #[serde(rename = "message.edit")]
    MessageEdit {
        /// Which.
        #[schema(minimum = 1, example = 12)]
        message: i64,
        #[serde(flatten)]
        #[schema(inline)]
        edit: EditMessage,
    },
    /// Deletes a message of one's own, or as owner or admin of the group. The members get
    /// `message.deleted`, the `ack` carries the tombstone.
    #[serde(rename = "message.delete")]
    MessageDelete {
        /// Which.
        #[schema(minimum = 1, example = 12)]
        message: i64,
    },
    /// Says that everything up to a message has reached this device. The members get `receipt`.
    #[serde(rename = "message.delivered")]
    MessageDelivered {
        /// Where.
        #[schema(minimum = 1, example = 3)]
        chat: i64,
        /// The message's number in the chat; beyond the newest one, up to that.
        #[schema(minimum = 0)]
        seq: i64,
    },
    /// Says that one has read everything up to a message, which implies delivery. The members get
    /// `receipt`.
    #[serde(rename = "message.read")]
    MessageRead {
        /// Where.
        #[schema(minimum = 1, example = 3)]
        chat: i64,
        /// The message's number in the chat; beyond the newest one, up to that.
        #[schema(minimum = 0)]
        seq: i64,
    },
    /// Says whether one writes. The others get `typing`: `true` at most once in 3 s, `false` at
    /// once. It ends by itself 6 s after the last one.
    #[serde(rename = "typing")]
    Typing {
        /// Where.
        #[schema(minimum = 1, example = 3)]
        chat: i64,
        /// Whether one does.
        active: bool,
    },
    /// Says how one wants to be seen. `online` and `away` tell of this device, until it says
    /// otherwise or closes; `busy` and `invisible` set the user's `availability`, and `online` ends
    /// either. Watchers, and one's other devices, get `status` where it changed.
    #[serde(rename = "status")]
    Status {
        /// As what.
        #[schema(value_type = schema::Availability)]
        status: Availability,
        /// One's own line, where it is to change.
        #[schema(max_length = 140, nullable = false)]
        text: Option<String>,
    },
    /// Watches how people are seen with whom one shares a chat (others are left out), besides the
    /// peers of one's private chats, who are watched by themselves. Replaces the list. The `ack`
    /// tells how they are seen now, `status` and `user.updated` what changes.
    #[serde(rename = "status.watch")]
    StatusWatch {
        /// Whom.
        #[schema(max_items = 1000)]
        users: Vec<i64>,
    },
    /// Asks what changed: `POST /api/sync/` by another way. The `ack` is its answer.
    #[serde(rename = "sync")]
    Sync {
        #[serde(flatten)]
        #[schema(inline)]
        known: Sync,
    },
}

/// Every frame of the client's, and the schemas that they, and their `id`s, name.
pub fn schemas() -> (RefOr<Schema>, Vec<(String, RefOr<Schema>)>) {
    let mut named = vec![(RequestId::name().into_owned(), RequestId::schema())];
    ClientFrame::schemas(&mut named);
    (ClientFrame::schema(), named)
}

impl Incoming {
    /// Reads a frame; `message_max` is the longest content, in characters.
    pub fn parse(text: &str, message_max: usize) -> Self {
        let mut fields = match Fields::parse(text.as_bytes()) {
            Ok(fields) => fields,
            Err(error) => {
                return Self { id: None, request: Err(error) };
            }
        };
        let id = fields.take("id").filter(|id| !id.is_null());
        let id = match id.map(|id| RequestId::parse(id, text)).transpose() {
            Ok(id) => id,
            Err(error) => return Self { id: None, request: Err(error) },
        };
        Self { id, request: Request::parse(fields, message_max) }
    }
}

impl Request {
    fn parse(mut fields: Fields, message_max: usize) -> Result<Self> {
        let Some(kind) = fields.required("type", Ok) else {
            return fields.finish(None);
        };
        match kind.as_str() {
            "auth" => {
                let token = fields.required("token", Ok);
                Ok(Self::Auth { token: fields.finish(token) })
            }
            "ping" => Ok(Self::Ping),
            "message.send" => match fields.required_id("chat") {
                Some(chat) => Ok(Self::Send {
                    chat: ChatId(chat),
                    draft: SendMessage::parse(fields, message_max),
                }),
                None => SendMessage::parse(fields, message_max)
                    .map_err(|unfit| unfit.error)
                    .and_then(|_| unreadable()),
            },
            "message.edit" => match fields.required_id("message") {
                Some(message) => Ok(Self::Edit {
                    message: MessageId(message),
                    content: EditMessage::parse(fields, message_max),
                }),
                None => EditMessage::parse(fields, message_max).and_then(|_| unreadable()),
            },
            "message.delete" => {
                let message = fields.required_id("message");
                fields.finish(message.map(|id| Self::Delete { message: MessageId(id) }))
            }
            "message.delivered" | "message.read" => {
                let chat = fields.required_id("chat").map(ChatId);
                let seq = fields.required_integer("seq", 0, i64::MAX).map(Seq);
                let (seq, read) = (fields.finish(seq), kind == "message.read");
                match chat {
                    Some(chat) => Ok(Self::Mark { chat, seq, read }),
                    None => seq.and_then(|_| unreadable()),
                }
            }
            "typing" => {
                let chat = fields.required_id("chat").map(ChatId);
                if !fields.has("active") {
                    fields.require("active");
                }
                let active = fields.boolean("active");
                let active = fields.finish(active);
                match chat {
                    Some(chat) => Ok(Self::Typing { chat, active }),
                    None => active.and_then(|_| unreadable()),
                }
            }
            "status" => {
                let status = fields.required("status", |name| {
                    Availability::try_from(name.clone())
                        .map_err(|_| format!("\"{name}\" is not a valid choice."))
                });
                let text = fields.optional("text", status_text);
                fields.finish(status.map(|status| Self::Status { status, text }))
            }
            "status.watch" => {
                if !fields.has("users") {
                    fields.require("users");
                }
                let users = fields.ids("users");
                if users.as_ref().is_some_and(|users| users.len() > WATCH_MAX) {
                    let text = format!("Ensure this field has no more than {WATCH_MAX} elements.");
                    fields.fault("users", text);
                }
                let users = users.map(|ids| ids.into_iter().map(UserId).collect());
                fields.finish(users.map(|users| Self::Watch { users }))
            }
            "sync" => Sync::parse(fields).map(Self::Sync),
            other => {
                fields.fault("type", format!("\"{other}\" is not a valid choice."));
                fields.finish(None)
            }
        }
    }
}

/// A fault stands in the fields already, so reading the rest of them cannot succeed.
fn unreadable<T>() -> Result<T> {
    Err(Error::internal("a frame without its object was read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(frame: &str) -> Option<String> {
        let id = Incoming::parse(frame, 10).id?;
        Some(serde_json::to_string(&id).expect("JSON"))
    }

    #[test]
    fn a_name_is_repeated_as_it_came() {
        let digits = "9".repeat(ID_MAX);
        for id in [
            "1",
            "-1",
            "-0",
            "1.50",
            "1e3",
            "1E+3",
            "0.1",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775809",
            "1e-400",
            "\"1\"",
            "\"\"",
            &digits,
        ] {
            let frame =
                format!("{{\"type\": \"ping\", \"id\": 5, \"\\u0069d\" :  {id} , \"x\": 1}}");
            assert_eq!(repeated(&frame).as_deref(), Some(id), "{frame}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_repeated_is_refused() {
        let long = ["9".repeat(ID_MAX + 1), format!("\"{}\"", "x".repeat(ID_MAX + 1))];
        for id in ["1e400", "true", "[]", "{}", &long[0], &long[1]] {
            let incoming = Incoming::parse(&format!("{{\"type\": \"ping\", \"id\": {id}}}"), 10);
            assert!(incoming.id.is_none() && incoming.request.is_err(), "{id}");
        }
    }
}
