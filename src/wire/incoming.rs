//! Reads the client's frames into what they ask for. What a request means, and whether the caller may
//! make it, is decided elsewhere.

use crate::domain::emoji::Emoji;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::message::{Content, Draft};
use crate::domain::numbering::Seq;
use crate::domain::presence::Availability;
use crate::domain::sync::Known;

use super::client_frames::{auth, delete, edit, mark, react, send, status, typing, watch};
use super::fields::Fields;
use super::kinds::text;
use super::presence::WATCH_MAX;
use super::request_id::RequestId;
use super::sync::Sync;
use super::visitor::Visitor;

/// A frame from the client.
#[derive(Debug)]
pub struct Incoming {
    /// The name under which it asks for an answer.
    pub id: Option<RequestId>,
    /// What it asks for, or what is wrong with it.
    pub request: Result<Request>,
}

/// What a client asks for. If the chat or message that it concerns could be read, the rest is a result:
/// whether the caller may do it is answered before what is wrong with it.
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
        /// The chat.
        chat: ChatId,
        /// The message.
        draft: Input<Draft>,
    },
    /// Edits a message.
    Edit {
        /// The message.
        message: MessageId,
        /// The new content.
        content: Result<Option<Content>>,
    },
    /// Deletes a message.
    Delete {
        /// The message.
        message: MessageId,
    },
    /// Reacts to a message, or no longer.
    React {
        /// The message.
        message: MessageId,
        /// With what, and whether the caller does.
        reaction: Result<(Emoji, bool)>,
    },
    /// Moves the markers of the caller in a chat.
    Mark {
        /// The chat.
        chat: ChatId,
        /// Everything up to here.
        seq: Result<Seq>,
        /// Whether it was read, not just delivered.
        read: bool,
    },
    /// Starts or stops typing.
    Typing {
        /// The chat.
        chat: ChatId,
        /// Whether the caller is typing.
        active: Result<bool>,
    },
    /// Sets the caller's presence.
    Status {
        /// The availability. `Away` applies to this device.
        status: Availability,
        /// A new status text.
        text: Option<String>,
    },
    /// Subscribes to the presence of users.
    Watch {
        /// The users.
        users: Vec<UserId>,
    },
    /// Asks what changed.
    Sync(Known),
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
    /// The type of its frame.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auth { .. } => "auth",
            Self::Ping => "ping",
            Self::Send { .. } => "message.send",
            Self::Edit { .. } => "message.edit",
            Self::Delete { .. } => "message.delete",
            Self::React { .. } => "message.react",
            Self::Mark { read: true, .. } => "message.read",
            Self::Mark { .. } => "message.delivered",
            Self::Typing { .. } => "typing",
            Self::Status { .. } => "status",
            Self::Watch { .. } => "status.watch",
            Self::Sync(_) => "sync",
        }
    }

    fn parse(mut fields: Fields, message_max: usize) -> Result<Self> {
        let Some(kind) = fields.required("type", "", text(Ok)) else {
            return fields.finish(None);
        };
        match kind.as_str() {
            "auth" => {
                let token = auth(&mut fields);
                Ok(Self::Auth { token: fields.finish(token) })
            }
            "ping" => Ok(Self::Ping),
            "message.send" => {
                let (chat, message) = send(&mut fields, message_max);
                let draft = message.finish(fields);
                match chat {
                    Some(chat) => Ok(Self::Send { chat, draft }),
                    None => without_target(draft.into_valid()),
                }
            }
            "message.edit" => {
                let (message, edit) = edit(&mut fields, message_max);
                let content = edit.finish(fields);
                match message {
                    Some(message) => Ok(Self::Edit { message, content }),
                    None => without_target(content),
                }
            }
            "message.delete" => {
                let message = delete(&mut fields);
                fields.finish(message.map(|message| Self::Delete { message }))
            }
            "message.react" => {
                let (message, reaction) = react(&mut fields);
                let reaction = fields.finish(reaction);
                match message {
                    Some(message) => Ok(Self::React { message, reaction }),
                    None => without_target(reaction),
                }
            }
            "message.delivered" | "message.read" => {
                let (chat, seq) = mark(&mut fields);
                let (seq, read) = (fields.finish(seq), kind == "message.read");
                match chat {
                    Some(chat) => Ok(Self::Mark { chat, seq, read }),
                    None => without_target(seq),
                }
            }
            "typing" => {
                let (chat, active) = typing(&mut fields);
                let active = fields.finish(active);
                match chat {
                    Some(chat) => Ok(Self::Typing { chat, active }),
                    None => without_target(active),
                }
            }
            "status" => {
                let (status, text) = status(&mut fields);
                fields.finish(status.map(|status| Self::Status { status, text }))
            }
            "status.watch" => {
                let users = watch(&mut fields);
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

/// The errors of a frame whose chat or message could not be read. That error is among the fields', so
/// reading the rest of them has failed.
fn without_target<T, U>(rest: Result<T>) -> Result<U> {
    rest.and_then(|_| Err(Error::internal("a frame without its object was read")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::client_frames;
    use crate::wire::request_id::ID_MAX;

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

    #[test]
    fn every_documented_frame_is_read() {
        let (frames, _) = client_frames::schemas(10);
        let frames = serde_json::to_value(frames).expect("JSON");
        for frame in frames["oneOf"].as_array().expect("frames") {
            let kind = frame["properties"]["type"]["const"].as_str().expect("a type");
            let request = Incoming::parse(&format!("{{\"type\": \"{kind}\"}}"), 10).request;
            let Err(Error::Invalid(errors)) = request else { continue };
            assert!(!errors.contains("type"), "{kind}");
        }
    }
}
