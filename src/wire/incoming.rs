//! Reads the client's frames into what they ask for. What a request means, and whether the caller may
//! make it, is decided elsewhere.

use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::message::{Content, Draft, Unfit};
use crate::domain::numbering::Seq;
use crate::domain::sync::Known;
use crate::domain::user::Availability;

use super::client_frames::{auth, delete, edit, mark, send, status, typing, watch};
use super::fields::Fields;
use super::kinds::text;
use super::presence::WATCH_MAX;
use super::request_id::RequestId;
use super::sync::Sync;
use super::visitor::Visitor;

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
        content: Result<Option<Content>>,
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
                    None => without_target(draft.map_err(|unfit| unfit.error)),
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
            let kind = frame["properties"]["type"]["enum"][0].as_str().expect("a type");
            let request = Incoming::parse(&format!("{{\"type\": \"{kind}\"}}"), 10).request;
            let Err(Error::Invalid(errors)) = request else { continue };
            assert!(!errors.contains("type"), "{kind}");
        }
    }
}
