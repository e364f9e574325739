//! Client library for the Meowsenger chat server. It knows the protocol from outside and shares no
//! code with the server.
//!
#![doc = include_str!("../README.md")]
//!
//! # Guide
//!
//! **REST.** A [`Server`] is an address. Logging in, registering or resuming a stored session gives
//! a [`Client`], whose methods are the calls of the API. A call that returns many items returns a
//! [`List`], which reads page by page. Idempotent requests are retried until the deadline set by
//! [`Server::with_timeouts`]; a repeated deletion that finds nothing any more has succeeded. Any other
//! failure is an [`Error`]; [`ApiError`] holds the server's own texts, field by field.
//! [`Client::request`] makes calls that are newer than this crate.
//!
//! **WebSocket.** [`Client::connect`] returns a [`Connection`], for requests, and [`Events`].
//! Whatever the network does, a chat's changes arrive in version order, each exactly once:
//!
//! - [`Event::Change`] is the chat's next change: its version is one more than the previous one.
//! - [`Event::Resynced`] moves a chat past changes that the connection missed, and carries the
//!   messages that they touched. For a chat that was not known it carries the newest message only.
//! - [`Event::ChatCreated`] and [`Event::ChatDeleted`] add and remove chats.
//! - [`Event::Disconnected`] is followed by [`Event::Ready`] once there is a connection again. Only
//!   [`Event::Ended`] is final: the session has ended, or the user has too many connections.
//!
//! A message that was edited before its creation was delivered arrives as an update. Handle both as
//! "this is the message's current state". A [`Signal`] is ephemeral: it has no order and may be
//! lost.
//!
//! **State.** [`Connection::replica`] is the sum of these events: chats, their messages from some
//! point on, and markers. Read older messages with [`Client::messages`], and merge them with
//! [`Replica::merge_messages`]. The replica implements `serde`'s traits: store it and pass it to
//! [`Options::replica`], and the next run receives only what it missed.
//!
//! **Sending** over the WebSocket ([`Connection::send`]) waits for the server's `ack`, and sends
//! again over new connections, under the same `client_id`, until there is one. To keep the order of
//! messages, await each send before the next.
//!
//! # The bot
//!
//! ```no_run
#![doc = include_str!("../examples/bot.rs")]
//! ```

mod account_replica;
mod backoff;
mod call;
mod calls;
mod chat_replica;
mod connection;
mod driver;
mod errors;
mod event_queue;
mod events;
mod frames;
mod ids;
mod lists;
mod options;
mod outbox;
mod replica;
mod rest;
mod shared;
mod socket;
mod timers;
mod tokens;
pub mod types;

pub use calls::Anchor;
pub use chat_replica::ChatReplica;
pub use connection::{Connection, Events};
pub use errors::{ApiError, Error, ErrorKind, Result};
pub use events::{Event, Resynced};
pub use frames::{Change, Frame, Ready, Signal};
pub use ids::{AttachmentId, ChatId, MessageId, Seq, SessionId, UserId, Version};
pub use lists::{List, Page};
pub use options::{Auth, Options};
pub use replica::Replica;
pub use rest::{Client, Server};
pub use tokens::TokenWatch;

// Named in the signatures of this crate.
pub use futures_util::Stream;
pub use {reqwest, serde_json, time};
